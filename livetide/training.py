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

from analytics.evaluation.classify import LinearClassifier, evaluate_intent, evaluate_sentiment
from analytics.evaluation.data import Labelled, read_labelled
from analytics.evaluation.outcome import Evaluation
from analytics.linear import LinearModel
from analytics.model_file import Card, Model, save_model
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
    linear, labels = needing("analytics.training.linear"), needing("analytics.training.labels")
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
        card = with_figures(card, figures)
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


def with_figures(card: Card, found: Evaluation) -> Card:
    return msgspec.structs.replace(card, figures={name: round(figure.value, 4) for name, figure in found.figures.items()})


def needing(module: str) -> ModuleType:
    """A module of training, which needs torch or scikit-learn. Raises :class:`InvalidError` where these are missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("analytics"):
            raise
        raise InvalidError(f"training needs {error.name}, which is not installed: pip install 'livetide[models]'") from None
