"""Labelled lines on their way into a linear model: what is fit to teach, what is kept apart, and the last fit on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from analytics.evaluation.data import Labelled
from analytics.model_file import Card
from analytics.training.linear import Choice, fit, quantise, read_lines

FEWEST_TO_MEASURE = 20  # lines; where a tenth is fewer, none is kept
_PART = 10


class Line(NamedTuple):
    """A line that teaches, and where it stands in the file."""

    label: str
    text: str
    number: int

    @property
    def row(self) -> tuple[str, str]:
        return self.label, self.text


class Lines(NamedTuple):
    """What is learnt from, what is measured on (none where there is too little), and a note on what was left out."""

    seen: list[Line]
    unseen: list[Line]
    notes: list[str]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """All of them."""
        return [line.row for line in (*self.seen, *self.unseen)]


def split_lines(data: Labelled, rng: np.random.Generator) -> Lines:
    """Each line once, without texts under several labels; a tenth of each label's lines apart, drawn by ``rng``."""
    labels_of: dict[str, set[str]] = {}
    for label, text in data.rows:
        labels_of.setdefault(text, set()).add(label)
    lines: dict[str, list[Line]] = {}
    taken: set[str] = set()
    for (label, text), number in zip(data.rows, data.numbers, strict=True):
        if len(labels_of[text]) == 1 and text not in taken:
            taken.add(text)
            lines.setdefault(label, []).append(Line(label, text, number))
    seen: list[Line] = []
    unseen: list[Line] = []
    for label in sorted(lines):
        order = rng.permutation(len(lines[label])).tolist()
        kept = set(order[: len(order) // _PART])
        for at, line in enumerate(lines[label]):
            (unseen if at in kept else seen).append(line)
    if len(unseen) < FEWEST_TO_MEASURE:
        seen, unseen = [*seen, *unseen], []
    return Lines(seen, unseen, _left_out(data))


def _left_out(data: Labelled) -> list[str]:
    notes = []
    if data.duplicates:
        notes.append(f"repeats of earlier lines, which were taken once: {data.duplicates:,}")
    if data.conflicts:
        notes.append(f"texts under more than one label, which were left out: {data.conflicts:,}")
    return notes


def refit(card: Card, rows: Sequence[tuple[str, str]]) -> tuple[Card, dict[str, npt.NDArray[Any]]]:
    """The model of ``card`` once more, on ``rows``, by the choices, the temperature and the threshold that are in it."""
    chosen = card.settings
    choice = Choice(int(chosen["longest"]), chosen["inverse_penalty"], chosen["lift"])
    lines = read_lines([(label, text, 1.0) for label, text in rows], card.labels)
    fitted = fit(lines, np.arange(len(rows)), choice, len(card.labels))
    arrays, scales = quantise(fitted, lines.codes)
    return msgspec.structs.replace(card, settings=chosen | scales), arrays
