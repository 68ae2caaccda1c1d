"""From which score on answers are right as often as wished: a threshold with a guarantee, from judged answers.

A threshold stands when the lower confidence bound of its precision (Clopper & Pearson 1934, "The use of confidence or fiducial
limits", one-sided) reaches the wish. Of several, only so many are tried as there are doublings of the count, and each at a
confidence that makes up for it (Bonferroni), so that searching for a good one does not find a lucky one.
"""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple

CONFIDENCE = 0.95
LEAST = 30  # judged answers; with fewer no threshold could stand, and nothing is tried
MOST = 300  # that are kept: the newest
_STEP = 1.5  # each threshold that is tried lets in so many times the answers of the one before
_BISECTIONS = 50
_STEPS = 32_767


class Judged(NamedTuple):
    """An answer's score and whether a person found it right."""

    score: float
    right: bool


def lower_bound(right: int, count: int, confidence: float = CONFIDENCE) -> float:
    """What the true share is at least, with this confidence, when ``right`` of ``count`` were right.

    The p at which ``right`` or more of ``count`` would come up with probability 1 - confidence.
    """
    if not 0 <= right <= count or count == 0:
        return 0.0
    if right == 0:
        return 0.0
    low, high = 0.0, right / count
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _at_least(right, count, middle) > 1.0 - confidence:
            high = middle
        else:
            low = middle
    return low


def _at_least(right: int, count: int, p: float) -> float:
    """The probability of ``right`` or more of ``count``, each with probability p."""
    if p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
    whole = math.lgamma(count + 1)
    log_p, log_q = math.log(p), math.log1p(-p)
    return sum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * log_p + (count - k) * log_q)
        for k in range(right, count + 1)
    )


class Calibrator:
    """Judged answers of one room, two bytes each, and the threshold that follows from them."""

    def __init__(self, packed: bytes = b"") -> None:
        self._codes = array("H", packed[: len(packed) - len(packed) % 2])[-MOST:]

    def __len__(self) -> int:
        return len(self._codes)

    def packed(self) -> bytes:
        """What a new one is made of."""
        return self._codes.tobytes()

    def add(self, score: float, *, right: bool) -> None:
        """Take in one judged answer; beyond :data:`MOST` the oldest goes.

        The score, from 0 to 1, is rounded down to
        four places, so that what is at least a threshold as it is kept is so as it was.
        """
        code = int(max(0.0, min(1.0, score)) * _STEPS)
        self._codes = self._codes[-(MOST - 1) :]
        self._codes.append(code << 1 | right)

    @property
    def judged(self) -> list[Judged]:
        return [Judged((code >> 1) / _STEPS, bool(code & 1)) for code in self._codes]

    def threshold(self, wished: float, default: float, confidence: float = CONFIDENCE) -> float:
        """The lowest score from which on the answers were right with a share of ``wished`` at least, with this confidence.

        ``default``, the shop's, while there are too few judged answers for any threshold to stand: then the room cannot know
        better. With more than that and none that stands, the room's answers are worse than the shop's: nothing is certain
        there, and the threshold is above 1.
        """
        ordered = sorted(self.judged, key=lambda one: (-one.score, one.right))
        counts = _counts(len(ordered))
        alone = 1.0 - (1.0 - confidence) / max(1, len(counts))
        if not counts or lower_bound(counts[-1], counts[-1], alone) < wished:
            return default  # not even if all of them had been right
        found = None
        for count in counts:
            least = ordered[count - 1].score
            above = [one for one in ordered if one.score >= least]  # equals stand or fall together
            if lower_bound(sum(one.right for one in above), len(above), alone) >= wished:
                found = least
        if found is not None:
            return found
        return default if _consistent(ordered, wished, default, confidence) else math.nextafter(1.0, 2.0)


def _counts(number: int) -> list[int]:
    """30, 45, 68, … up to all of them."""
    counts, size = list[int](), float(LEAST)
    while size < number:
        counts.append(round(size))
        size *= _STEP
    return [*counts, number] if number >= LEAST else []


def _consistent(ordered: list[Judged], wished: float, default: float, confidence: float) -> bool:
    """Whether the default may still be right here: its answers so far do not contradict the wish."""
    above = [one for one in ordered if one.score >= default]
    wrong = sum(not one.right for one in above)
    return 1.0 - lower_bound(wrong, len(above), confidence) >= wished
