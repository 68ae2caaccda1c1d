"""How well an encoder finds the other wordings of a text among all texts of a file.

The corpus is every distinct text. A query is a distinct text on the left of a positive pair; relevant are the other members of
its connected component under the positive pairs; its own row is left out. For groups every text with another wording is a query
and chatter only stands in the way. A tie counts against the encoder, so that the order of the lines changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.encoders import DIMENSIONS, Encoder, Rows
from analytics.evaluation.data import CHATTER, Labelled, Pairs, components, distinct_texts
from analytics.evaluation.metrics import RANK_FIGURES, bootstrap, rank_counts
from analytics.evaluation.outcome import Evaluation, Examples
from streams.records import InvalidError

MOST_TEXTS = 200_000
_ENCODED_AT_ONCE, _ASKED_AT_ONCE = 1_024, 128
_SHOWN, _CUT = 50, 120
_TIE = 1e-6  # of two cosines: what the order of additions can change

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class Task(NamedTuple):
    """What to find: distinct texts, the group of each (-1: of none), and the places of the queries among them."""

    texts: list[str]
    groups: npt.NDArray[np.intp]
    queries: npt.NDArray[np.intp]


class Found(NamedTuple):
    """Of each query: the rank of the first relevant text (from 1), and the nearest wrong and right texts with their cosines."""

    ranks: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.intp]
    wrong_alike: npt.NDArray[np.float32]
    right: npt.NDArray[np.intp]
    right_alike: npt.NDArray[np.float32]


def task_of_pairs(pairs: Pairs) -> Task:
    """What a file of pairs asks for."""
    texts = distinct_texts(pairs.rows)
    groups = np.array(components(texts, pairs.rows), np.intp)
    place = {text: number for number, text in enumerate(texts)}
    lefts = dict.fromkeys(place[a] for a, _, alike in pairs.rows if alike)
    return _task(texts, groups, np.array(list(lefts), np.intp), pairs.path)


def task_of_groups(groups: Labelled) -> Task:
    """What a file of groups asks for; a text that stands in two groups belongs to that of its first line."""
    first: dict[str, str] = {}
    for group, text in groups.rows:
        first.setdefault(text, group)
    number = {group: at for at, group in enumerate(dict.fromkeys(first.values()))} | {CHATTER: -1}
    members = np.array([number[group] for group in first.values()], np.intp)
    return _task(list(first), members, np.flatnonzero(members >= 0), groups.path)


def _task(texts: list[str], groups: npt.NDArray[np.intp], queries: npt.NDArray[np.intp], path: str) -> Task:
    if len(texts) > MOST_TEXTS:
        raise InvalidError(f"{path} has {len(texts):,} distinct texts, and at most {MOST_TEXTS:,} are compared: take a sample")
    sizes = Counter(groups.tolist())
    asked = np.array([query for query in queries.tolist() if sizes[int(groups[query])] > 1], np.intp)
    if not len(asked):
        raise InvalidError(f"{path}: no text has another wording, so there is nothing to find: add pairs or groups that have")
    return Task(texts, groups, asked)


def find(task: Task, encoder: Encoder, progress: Progress = lambda done, of: None) -> Found:
    """Rank the corpus for every query. Memory: the rows of all texts (3 KB each) and one block of similarities."""
    work = len(task.texts) + len(task.queries)
    rows = encode(encoder, task.texts, lambda done: progress(done, work))
    parts: list[tuple[npt.NDArray[np.generic], ...]] = []
    for start in range(0, len(task.queries), _ASKED_AT_ONCE):
        parts.append(_ranked(task, rows, task.queries[start : start + _ASKED_AT_ONCE]))
        progress(len(task.texts) + min(start + _ASKED_AT_ONCE, len(task.queries)), work)
    return Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def encode(encoder: Encoder, texts: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> Rows:
    """Rows of all texts, encoded block by block."""
    rows: Rows = np.empty((len(texts), DIMENSIONS), np.float32)
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        part = texts[start : start + _ENCODED_AT_ONCE]
        rows[start : start + len(part)] = encoder.encode(part)
        progress(start + len(part))
    return rows


def _ranked(task: Task, rows: Rows, queries: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.generic], ...]:
    alike = rows[queries] @ rows.T
    here = np.arange(len(queries))
    alike[here, queries] = -np.inf
    relevant = task.groups[None, :] == task.groups[queries][:, None]
    right = np.where(relevant, alike, -np.inf)
    best = right.argmax(axis=1)
    best_alike = right[here, best]
    alike[relevant] = -np.inf  # from here on only what is wrong
    wrong = alike.argmax(axis=1)
    ranks = 1 + (alike >= (best_alike - _TIE)[:, None]).sum(axis=1)
    return ranks.astype(np.int64), wrong.astype(np.intp), alike[here, wrong], best.astype(np.intp), best_alike


def evaluate_retrieval(
    data: Pairs | Labelled, encoder: Encoder, rng: np.random.Generator, progress: Progress = lambda done, of: None
) -> Evaluation:
    """R@1, R@5 and MRR@10 of an encoder on pairs or groups; ``n`` is the number of queries."""
    task = task_of_pairs(data) if isinstance(data, Pairs) else task_of_groups(data)
    return outcome(data, task, find(task, encoder, progress), f"the encoder {encoder.name!r}", rng)


def outcome(data: Pairs | Labelled, task: Task, found: Found, model: str, rng: np.random.Generator) -> Evaluation:
    """The figures of what was found in a file."""
    return Evaluation(
        task="retrieval",
        n=len(task.queries),
        figures=bootstrap(rank_counts(found.ranks), RANK_FIGURES, rng),
        model=model,
        data=data.path,
        sha256=data.sha256,
        notes=[f"{len(task.queries):,} queries among {len(task.texts):,} distinct texts", *data.notes],
        examples=[_worst(task, found)],
    )


def _worst(task: Task, found: Found) -> Examples:
    """Queries whose first text was wrong, the surest mistakes first."""
    wrong = np.flatnonzero(found.ranks > 1)
    order = wrong[np.argsort(found.right_alike[wrong] - found.wrong_alike[wrong], kind="stable")][:_SHOWN]
    rows = [
        (
            task.texts[task.queries[at]][:_CUT],
            f"{found.wrong_alike[at]:.2f}",
            task.texts[found.wrong[at]][:_CUT],
            f"{found.right_alike[at]:.2f}",
            task.texts[found.right[at]][:_CUT],
            str(found.ranks[at]),
        )
        for at in order.tolist()
    ]
    return Examples(
        "Worst errors",
        f"{len(wrong):,} of {len(task.queries):,} queries found a wrong text first; these by the widest margin.",
        ("query", "cosine", "found first", "cosine of the nearest right one", "nearest right one", "its rank"),
        rows,
        ("query", "found first", "nearest right one"),
    )
