"""What an evaluation found, in the one form that the command line prints and the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from analytics.evaluation.metrics import Bin, ClassFigures, Counts, Figure


class Labels(NamedTuple):
    """Of labelled lines: the confusion table (gold in rows), the figures of each class and how honest the probabilities are."""

    labels: list[str]
    table: Counts
    classes: list[ClassFigures]
    curve: list[Bin]
    ece: float


class Examples(NamedTuple):
    """Lines to look at: a heading, a sentence, the names of the columns, rows. ``texts``: the columns of viewers' words."""

    title: str
    about: str
    head: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    texts: Sequence[str]


class Evaluation(NamedTuple):
    """Figures of one model on one file. ``n``: labelled lines, or queries; ``model`` and ``data`` in words for people."""

    task: str
    n: int
    figures: dict[str, Figure]
    model: str
    data: str
    sha256: str
    notes: list[str]
    examples: list[Examples]
    labels: Labels | None = None

    def as_json(self) -> dict[str, Any]:
        """One flat object: each figure beside its interval."""
        found: dict[str, Any] = {"task": self.task, "n": self.n}
        for name, figure in self.figures.items():
            found |= {name: round(figure.value, 6), f"{name}_interval": [round(figure.low, 6), round(figure.high, 6)]}
        if self.labels:
            found["ece"] = round(self.labels.ece, 6)
            found["classes"] = {
                one.label: {
                    "n": one.n,
                    "precision": round(one.precision, 6),
                    "recall": round(one.recall, 6),
                    "f1": round(one.f1, 6),
                }
                for one in self.labels.classes
            }
        return found | {"model": self.model, "data": self.data, "data_sha256": self.sha256, "notes": self.notes}
