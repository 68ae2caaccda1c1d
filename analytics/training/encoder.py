"""A shop's own encoder: the semantic one, tuned on texts of the shop that ask the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.encoders import Encoder
from analytics.encoders.base import MEANING, unit
from analytics.encoders.transformer import unpacked
from analytics.encoders.wordpiece import WordPieces
from analytics.evaluation.data import CHATTER, Labelled, Pairs, distinct_texts, groups_of_pairs
from analytics.evaluation.retrieval import Task, encode
from analytics.model_file import Model
from analytics.training.distil import Plan as DistilPlan
from analytics.training.distil import Progress, distil
from analytics.training.tuning import Plan, mean_row, tune
from analytics.training.tuning import Progress as Steps
from streams.records import InvalidError

FEWEST_TO_HOLD_OUT = 20  # groups; of fewer none is kept for measuring
MOST_STEPS, FEWEST_STEPS, ROUNDS = 1_200, 60, 10
_PART = 10
_PACKAGED = ("faq_topics.toml", "intents.toml", "sentiment.toml")
_MEAN_OF = 5_000  # texts

Groups = dict[str, list[str]]


class Apart(NamedTuple):
    """Groups that are trained on, and groups that measure."""

    seen: Groups
    unseen: Groups


def groups_of(data: Pairs | Labelled) -> tuple[Groups, list[str]]:
    """Groups of two and more distinct texts, and the lines of chatter. A text is of the group of its first line.

    Raises :class:`InvalidError` for fewer than two groups: what is near is learnt from what is far.
    """
    if isinstance(data, Pairs):
        groups, chatter = groups_of_pairs(data.rows), []
    else:
        first: dict[str, str] = {}
        for group, text in data.rows:
            first.setdefault(text, group)
        held: Groups = {}
        for text, group in first.items():
            held.setdefault(group, []).append(text)
        chatter = held.pop(CHATTER, [])
        groups = {group: texts for group, texts in held.items() if len(texts) > 1}
    if len(groups) < 2:
        raise InvalidError(f"{data.path} has {len(groups)} group of texts that ask the same, and two are needed: add others")
    return groups, chatter


def hold_out(groups: Groups, rng: np.random.Generator) -> Apart:
    """A tenth of the groups apart, drawn by ``rng``; none where there are fewer than :data:`FEWEST_TO_HOLD_OUT`."""
    names = sorted(groups)
    drawn = rng.permutation(len(names))[: len(names) // _PART if len(names) >= FEWEST_TO_HOLD_OUT else 0]
    kept = {names[at] for at in drawn.tolist()}
    return Apart({name: groups[name] for name in names if name not in kept}, {name: groups[name] for name in sorted(kept)})


def unseen_task(apart: Apart) -> Task:
    """What measures: the texts of the groups apart ask, and the texts of all groups are looked through."""
    texts: dict[str, int] = {}
    for number, (_, members) in enumerate([*apart.unseen.items(), *apart.seen.items()]):
        for text in members:
            texts.setdefault(text, number)
    asking = sum(len(set(members)) for members in apart.unseen.values())
    return Task(list(texts), np.array(list(texts.values()), np.intp), np.arange(asking))


def steps_for(groups: Groups, plan: Plan) -> int:
    """About :data:`ROUNDS` times through all texts, within bounds."""
    texts = sum(map(len, groups.values()))
    return max(FEWEST_STEPS, min(MOST_STEPS, ROUNDS * texts // (plan.groups * plan.each)))


def tuned(base: Model, groups: Groups, chatter: Sequence[str], plan: Plan, progress: Steps) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model file of the kind of ``base``, tuned on ``groups``.

    On the lines of ``chatter`` and on the phrases of the package nothing shall change. Matrices are kept in ``float16``.
    CPU time: about 1 s a step on two cores. Raises :class:`InvalidError` where ``base`` lacks a part.
    """
    arrays, heads = dict(base.arrays), int(base.card.settings.get("heads", 8))
    try:
        pieces = arrays.pop("pieces")
        del arrays["mean"]
    except KeyError as error:
        raise InvalidError(f"the model to begin with lacks {error}: begin with another") from error
    reader = WordPieces([str(piece) for piece in pieces])
    weights = tune(unpacked(arrays), reader, groups, {}, [*chatter, *packaged_phrases()], plan, progress, heads)
    small = {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in weights.items()}
    texts = [text for name in sorted(groups) for text in groups[name]]
    chosen = np.random.default_rng(plan.seed).permutation(len(texts))[:_MEAN_OF].tolist()
    return {**small, "pieces": pieces, "mean": mean_row(unpacked(small), reader, [texts[at] for at in chosen], heads)}


def texts_of(data: Pairs | Labelled, apart: Apart) -> list[str]:
    """Every distinct text of a file, without those of the groups apart."""
    kept = {text for members in apart.unseen.values() for text in members}
    texts = distinct_texts(data.rows) if isinstance(data, Pairs) else [text for _, text in data.rows]
    return [text for text in dict.fromkeys(texts) if text not in kept]


def distilled(teacher: Encoder, texts: Sequence[str], seed: int, progress: Progress) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a static table that says of ``texts``, and of the phrases of the package, what ``teacher`` says.

    A gram that stands in none of them is unknown to the table. ``progress`` gets how much is done of how much.
    """
    told = list(dict.fromkeys([*texts, *packaged_phrases()]))
    rows = encode(teacher, told, lambda done: progress(done, 2 * len(told)))
    return distil(
        told,
        unit(rows[:, :MEANING]),
        np.ones(len(told), np.float32),
        DistilPlan(seed=seed),
        lambda done, of: progress(len(told) + len(told) * done // of, 2 * len(told)),
    )


def packaged_phrases() -> list[str]:
    """The words and phrases that come with the package, each once."""
    return list(dict.fromkeys(phrase for name in _PACKAGED for phrase in _strings(_table(name))))


def _table(name: str) -> Mapping[str, Any]:
    return tomllib.loads((files("analytics.data") / name).read_text(encoding="utf-8"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _strings(below)
    elif isinstance(value, list):
        for below in value:
            yield from _strings(below)
