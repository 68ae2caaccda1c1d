"""Labelled lines of this project, and how well something labels them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from analytics.training.holdout import is_unseen

DATA = Path(__file__).parent / "data"
CORPORA = Path(__file__).resolve().parents[2] / "corpora"
OPEN_DATA = Path(__file__).resolve().parents[3] / "shared/data"  # beside the repository, where it is at hand


def read_labelled(name: str) -> list[tuple[str, ...]]:
    """The columns of a file in ``data/``; lines that begin with # tell how it was written."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]


def unseen(name: str) -> list[tuple[str, ...]]:
    """The columns of the lines of a file in ``corpora/chat`` that no training looks at."""
    rows = [tuple(line.split("\t")) for line in (CORPORA / "chat" / name).read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if is_unseen(row[-1])]


def accuracy(pairs: Iterable[tuple[str, str]]) -> float:
    """Share of (true, given) pairs that agree."""
    agreed = [true == given for true, given in pairs]
    return sum(agreed) / len(agreed)


def macro_f1(rows: Iterable[tuple[str, ...]], judge: Callable[[str], str]) -> float:
    """Mean F1 over the classes of ``(label, text)`` rows."""
    both: Counter[str] = Counter()
    true: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for label, text in rows:
        said = judge(text)
        true[label] += 1
        given[said] += 1
        both[label] += label == said
    return sum(2 * both[label] / (true[label] + given[label]) for label in true) / len(true)
