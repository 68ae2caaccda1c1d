"""What ``livetide train`` does: reads, keeps a tenth apart, trains, measures on that tenth, writes the model file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import numpy as np

from analytics.encoders import semantic
from analytics.evaluation import metrics, retrieval
from analytics.evaluation.classify import LinearClassifier, evaluate_intent, evaluate_sentiment
from analytics.evaluation.data import Labelled, Pairs, read_labelled, read_pairs_or_groups
from analytics.evaluation.outcome import Evaluation
from analytics.evaluation.retrieval import Found, find, outcome
from analytics.linear import LinearModel
from analytics.model_file import Card, Model, load_model, load_shipped, save_model
from livetide.evaluating import Task, randomness
from streams.records import InvalidError

UNSAID = "not stated by who trained it"

Bar = Callable[[str], AbstractContextManager[Callable[..., None]]]
"""A progress bar for a step that has this name."""


class Trained(NamedTuple):
    """A model that stands in its file: how much it was trained on, and its figures on what it has not seen, if any was kept."""

    card: Card
    out: Path
    learnt: str
    figures: Evaluation | None


def code() -> str:
    """Who writes model files, for their cards."""
    return f"livetide {version('livetide')}"


def train_labels(task: Task, data: Path, out: Path, *, seed: int, licence: str, bar: Bar) -> Trained:
    """Train a sentiment or an intent model on labelled lines.

    A line that comes again teaches once, a text under several labels not at all. A tenth of the lines of each label is kept
    unseen and gives the figures; the model that is written has then learnt from that tenth as well, by the same choices.
    Raises :class:`InvalidError` for bad data.
    """
    linear, labels = _needing("analytics.training.linear"), _needing("analytics.training.labels")
    read = read_labelled(data)
    lines = labels.split_lines(read, np.random.default_rng(seed))
    try:
        linear.check_rows(task, lines.rows)
    except InvalidError as error:
        raise InvalidError(f"{data}: {error}") from error
    seen = [line.row for line in lines.seen]
    figures = None
    with bar("training") as told:
        card, arrays = linear.train_linear(
            task, seen, seed=seed, licence=licence or UNSAID, progress=lambda what, done, of: told(done, of, what)
        )
        if lines.unseen:
            figures = _judge(task, read, lines, Model(card, arrays))
            card, arrays = labels.refit(card, lines.rows)
    card = msgspec.structs.replace(card, data=read.sha256, code=code())
    if figures:
        card = _with_figures(card, figures)
    save_model(out, card, arrays)
    return Trained(card, out, f"{len(lines.rows):,} lines of {len(card.labels)} labels", figures)


def _judge(task: Task, read: Labelled, lines: Any, made: Model) -> Evaluation:
    """The new model on the lines that it has not seen."""
    unseen = sorted(lines.unseen, key=lambda line: line.number)
    kept = Labelled(read.path, [line.row for line in unseen], [line.number for line in unseen], read.sha256, 0, 0)
    classifier = LinearClassifier(LinearModel(made), "the new model, on lines that it has not seen")
    evaluate = evaluate_sentiment if task == "sentiment" else evaluate_intent
    found = evaluate(kept, classifier, randomness())
    return found._replace(notes=[*found.notes, *lines.notes])


def train_encoder(data: Path, out: Path, *, start: Path | None, steps: int, seed: int, licence: str, bar: Bar) -> Trained:
    """Tune the semantic encoder (or the one in ``start``) on a file of pairs or groups. ``steps``: 0 chooses by the texts.

    Raises :class:`InvalidError` for bad data, another kind of model, or where torch is missing.
    """
    encoders = _needing("analytics.training.encoder")
    read = read_pairs_or_groups(data)
    groups, chatter = encoders.groups_of(read)
    base = (
        load_model(start, semantic.KIND, semantic.VERSION)
        if start
        else load_shipped("semantic.npz", semantic.KIND, semantic.VERSION)
    )
    apart = encoders.hold_out(groups, np.random.default_rng(seed))
    plan = encoders.Plan(seed=seed)
    plan = plan._replace(steps=steps or encoders.steps_for(apart.seen, plan), warm=min(plan.warm, steps or plan.warm))
    with bar("tuning") as told:
        arrays = encoders.tuned(
            base, apart.seen, chatter, plan, lambda step, loss: told(step + 1, plan.steps, f"loss {loss:.3f}")
        )
    card = Card(semantic.KIND, semantic.VERSION, read.sha256, code(), licence or UNSAID, settings=base.card.settings)
    figures = None
    if apart.unseen:
        with bar("measuring") as told:
            figures = _measure(read, encoders.unseen_task(apart), base, Model(card, arrays), told)
        card = _with_figures(card, figures)
    save_model(out, card, arrays)
    texts = sum(map(len, apart.seen.values()))
    return Trained(card, out, f"{texts:,} texts in {len(apart.seen):,} groups, {plan.steps:,} steps", figures)


def _measure(
    read: Pairs | Labelled, task: retrieval.Task, base: Model, made: Model, told: Callable[[int, int], None]
) -> Evaluation:
    """The tuned encoder on groups that it has not seen, and how the one before does there."""

    def part(number: int) -> Callable[[int, int], None]:
        return lambda done, of: told(done + number * of, 2 * of)

    before = find(task, semantic.SemanticEncoder(base), part(0))
    after = find(task, semantic.SemanticEncoder(made), part(1))
    rng = randomness()
    gain = metrics.difference(_reciprocal(after), _reciprocal(before), rng)
    old = outcome(read, task, before, "", rng).figures
    was = ", ".join(
        f"{name} {old[key].value:.3f}" for key, name in (("r_at_1", "R@1"), ("r_at_5", "R@5"), ("mrr_at_10", "MRR@10"))
    )
    found = outcome(read, task, after, "the new encoder, on groups that it has not seen", rng)
    return found._replace(
        notes=[f"before: {was}; MRR@10 has changed by {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})", *found.notes]
    )


def _reciprocal(found: Found) -> metrics.Numbers:
    return np.where(found.ranks <= metrics.DEEPEST, 1 / found.ranks, 0.0)


def _with_figures(card: Card, found: Evaluation) -> Card:
    return msgspec.structs.replace(card, figures={name: round(figure.value, 4) for name, figure in found.figures.items()})


def _needing(module: str) -> ModuleType:
    """A module of training, which needs torch or scikit-learn. Raises :class:`InvalidError` where these are missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("analytics"):
            raise
        raise InvalidError(f"training needs {error.name}, which is not installed: pip install 'livetide[models]'") from None
