"""Figures and their intervals: labels, calibration, ranks, groups.

Every figure is a function of counts, so that a bootstrap (Efron 1979, percentile intervals) is exact and cheap: drawing n lines
anew with replacement draws their counts from a multinomial distribution. All figures of a table are of the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 1_000
CONFIDENCE = 0.95
BINS = 15
DEEPEST = 10  # rank beyond which MRR counts nothing

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
FigureOf = Callable[[Counts], Numbers]

_CELLS_AT_ONCE = 4_000_000


class Figure(NamedTuple):
    """A figure and the percentile interval of its bootstrap."""

    value: float
    low: float
    high: float


class Bin(NamedTuple):
    """A bin of the reliability curve: mean probability, share that was right, and how many lines."""

    p: float
    right: float
    n: int


def bootstrap(
    counts: Counts, figures: Mapping[str, FigureOf], rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Figure]:
    """Each figure of ``counts`` with its interval.

    ``counts`` (any shape) holds how many lines fell into each cell; a figure takes counts with one axis of draws before these
    axes and gives one number a draw.
    """
    flat, n = counts.reshape(-1), int(counts.sum())
    drawn: dict[str, list[Numbers]] = {name: [] for name in figures}
    occupied = np.flatnonzero(flat)  # an empty cell stays empty in every draw
    at_once = max(1, _CELLS_AT_ONCE // flat.size)
    for start in range(0, resamples, at_once):
        draws = np.zeros((min(at_once, resamples - start), flat.size), np.int64)
        draws[:, occupied] = rng.multinomial(n, flat[occupied] / n, size=len(draws))
        for name, figure in figures.items():
            drawn[name].append(figure(draws.reshape(len(draws), *counts.shape)))
    return {name: interval(float(figure(counts[None])[0]), np.concatenate(drawn[name])) for name, figure in figures.items()}


def interval(value: float, drawn: Numbers) -> Figure:
    """A figure with the percentiles of what was drawn."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value, float(low), float(high))


def difference(ours: Numbers, theirs: Numbers, rng: np.random.Generator, resamples: int = RESAMPLES) -> Figure:
    """The mean of ``ours`` less that of ``theirs``, paired: both hold one number (0 or 1, say) for each line."""
    gap = ours - theirs
    drawn = np.array([gap[rng.integers(0, len(gap), len(gap))].mean() for _ in range(resamples)])
    return interval(float(gap.mean()), drawn)


# ── Labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def confusion(gold: npt.NDArray[np.intp], given: npt.NDArray[np.intp], labels: int) -> Counts:
    """How often each gold label (row) was given each label (column), both as numbers below ``labels``."""
    return np.bincount(gold * labels + given, minlength=labels * labels).reshape(labels, labels).astype(np.int64)


def accuracy(table: Counts) -> Numbers:
    """Share of lines that were given their gold label, of confusion tables (draws, labels, labels)."""
    right: Numbers = np.trace(table, axis1=1, axis2=2) / table.sum(axis=(1, 2))
    return right


def macro_f1(table: Counts) -> Numbers:
    """Mean F1 over the classes that have gold lines (in a draw: that still have some), of confusion tables."""
    gold, given = table.sum(axis=2), table.sum(axis=1)
    there = gold > 0
    each = 2 * np.diagonal(table, axis1=1, axis2=2) / np.maximum(gold + given, 1)
    mean: Numbers = (each * there).sum(axis=1) / there.sum(axis=1)
    return mean


def macro_f1_of(gold: npt.NDArray[np.intp], given: npt.NDArray[np.intp], labels: int) -> float:
    """Macro-F1 of lines whose gold and given labels are numbers below ``labels``."""
    return float(macro_f1(confusion(gold, given, labels)[None])[0])


class ClassFigures(NamedTuple):
    """Of one label: lines, precision, recall, F1 (0 where nothing was given it)."""

    label: str
    n: int
    precision: float
    recall: float
    f1: float


def by_class(table: Counts, labels: Sequence[str]) -> list[ClassFigures]:
    """The figures of every label that has gold lines."""
    found = []
    for at, label in enumerate(labels):
        gold, given, both = int(table[at].sum()), int(table[:, at].sum()), int(table[at, at])
        if gold:
            found.append(ClassFigures(label, gold, both / max(given, 1), both / gold, 2 * both / (gold + given)))
    return found


def reliability(p: Numbers, right: npt.NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """The reliability curve in bins of about equal mass: ``p`` of the label that was given, and whether it was right.

    Lines of equal ``p`` lie in one bin, so that their order changes nothing.
    """
    _, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    number = np.minimum((middle * bins / len(p)).astype(np.intp), bins - 1)[place]
    masses = np.bincount(number, minlength=bins)
    sums, hits = np.bincount(number, p, bins), np.bincount(number, right, bins)
    return [Bin(float(sums[at] / masses[at]), float(hits[at] / masses[at]), int(masses[at])) for at in np.flatnonzero(masses)]


def expected_calibration_error(curve: Sequence[Bin]) -> float:
    """Mean distance of probability and share of right answers, weighted by mass (Naeini et al. 2015; bins of equal mass)."""
    return sum(one.n * abs(one.p - one.right) for one in curve) / sum(one.n for one in curve)


# ── Ranks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def rank_counts(ranks: npt.NDArray[np.integer[Any]]) -> Counts:
    """How many queries found their first relevant text at rank 1, 2, … :data:`DEEPEST`, and beyond (last cell)."""
    return np.bincount(np.minimum(ranks, DEEPEST + 1) - 1, minlength=DEEPEST + 1).astype(np.int64)


def found_within(depth: int) -> FigureOf:
    """R@depth: the share of queries with a relevant text among the first ``depth``."""

    def figure(counts: Counts) -> Numbers:
        share: Numbers = counts[:, :depth].sum(axis=1) / counts.sum(axis=1)
        return share

    return figure


def reciprocal_rank(counts: Counts) -> Numbers:
    """MRR@10: the mean of 1 / rank of the first relevant text, 0 beyond rank 10."""
    mean: Numbers = counts[:, :DEEPEST] @ (1 / np.arange(1, DEEPEST + 1)) / counts.sum(axis=1)
    return mean


RANK_FIGURES: dict[str, FigureOf] = {"r_at_1": found_within(1), "r_at_5": found_within(5), "mrr_at_10": reciprocal_rank}
