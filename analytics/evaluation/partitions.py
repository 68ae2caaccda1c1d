"""How well one grouping agrees with another: pairwise F1 and the adjusted Rand index, with intervals.

Both look at pairs of lines. A line that a grouping leaves alone (``None``, and on the gold side chatter, the group ``-``) is a
group of its own: two lines of chatter that were grouped together are a wrong pair, and no pair of chatter can be missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.evaluation.data import CHATTER
from analytics.evaluation.metrics import RESAMPLES, Figure, Numbers, interval

Members = npt.NDArray[np.intp]


class _PairCounts(NamedTuple):
    """Pairs of lines: in one group on both sides, on the gold side, on the given side, and all."""

    both: float
    gold: float
    given: float
    all: float


def numbered(groups: Sequence[str | None]) -> Members:
    """Groups as numbers; each ``None`` is a number of its own."""
    known: dict[str, int] = {}
    alone = len(groups)  # above every number of a name
    numbers = []
    for place, group in enumerate(groups):
        numbers.append(alone + place if group is None else known.setdefault(group, len(known)))
    return np.unique(np.array(numbers, np.intp), return_inverse=True)[1].astype(np.intp)


def gold_groups(groups: Sequence[str]) -> Members:
    """The groups of a file as numbers: each line of chatter is alone."""
    return numbered([None if group == CHATTER else group for group in groups])


def pairwise_f1(gold: Members, given: Members) -> float:
    """F1 of the pairs of lines that stand in one group; 1 where neither side has any, 0 where only one has."""
    return _f1(_count(gold, given, _both(gold, given), np.ones(len(gold), np.int64)))


def adjusted_rand(gold: Members, given: Members) -> float:
    """The adjusted Rand index (Hubert and Arabie 1985): 1 for equal groupings, about 0 for chance."""
    return _ari(_count(gold, given, _both(gold, given), np.ones(len(gold), np.int64)))


def partition_figures(gold: Members, given: Members, rng: np.random.Generator, resamples: int = RESAMPLES) -> dict[str, Figure]:
    """``pairwise_f1`` and ``ari`` with percentile intervals.

    Lines are drawn anew with replacement; a line that is drawn twice is no pair with itself, which would be right by nature.
    """
    n, both = len(gold), _both(gold, given)
    drawn = [_count(gold, given, both, np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(resamples)]
    f1: Numbers = np.array([_f1(counts) for counts in drawn])
    ari: Numbers = np.array([_ari(counts) for counts in drawn])
    return {"pairwise_f1": interval(pairwise_f1(gold, given), f1), "ari": interval(adjusted_rand(gold, given), ari)}


def _both(gold: Members, given: Members) -> Members:
    """What lines have in common that stand together on both sides."""
    numbers: Members = np.unique(gold * (int(given.max()) + 1) + given, return_inverse=True)[1].astype(np.intp)
    return numbers


def _count(gold: Members, given: Members, both: Members, weights: npt.NDArray[np.int64]) -> _PairCounts:
    """Pairs of different lines, each as often as the product of its lines' weights."""
    squares = float((weights * weights).sum())  # twice the pairs of a line with itself, and the lines themselves

    def pairs(members: Members) -> float:
        sums = np.bincount(members, weights)
        return (float((sums * sums).sum()) - squares) / 2

    total = float(weights.sum())
    return _PairCounts(pairs(both), pairs(gold), pairs(given), (total * total - squares) / 2)


def _f1(pairs: _PairCounts) -> float:
    whole = pairs.gold + pairs.given
    return 2 * pairs.both / whole if whole else 1.0


def _ari(pairs: _PairCounts) -> float:
    expected = pairs.gold * pairs.given / pairs.all if pairs.all else 0.0
    most = (pairs.gold + pairs.given) / 2
    return (pairs.both - expected) / (most - expected) if most != expected else 1.0
