"""Signals of a room, second by second: how far the last seconds stand above what is normal there.

Counts are made evenly spread by 2√(x + 3/8) (Anscombe 1948). A signal is the mean of a few seconds minus a slow clipped level,
in standard errors. Peaks are judged by their prominence within a window, as ``scipy.signal.find_peaks`` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import msgspec

from analytics.state import Floats

KEPT_S = 360  # a moment is judged to the end 90 s after it, or 120 s later when sales are behind, with 90 s before it
CLIP = 3.0
LEAST_SPREAD = 0.8  # chance alone gives 1, and a little less where there is next to nothing to count


class Track(msgspec.Struct, array_like=True):
    """The newest values of something that has one value a second."""

    first: int  # the second of values[0]
    values: Floats = msgspec.field(default_factory=Floats)

    def append(self, value: float) -> None:
        self.values.append(value)
        if len(self.values) > KEPT_S:
            self.first += 1
            del self.values[0]

    @property
    def next(self) -> int:
        """The second that comes next."""
        return self.first + len(self.values)

    def at(self, second: int) -> float | None:
        """The value at a second; None when it is not known (yet, or any more)."""
        index = second - self.first
        return self.values[index] if 0 <= index < len(self.values) else None


class Signal(msgspec.Struct, array_like=True):
    """One count a second in, standard errors above normal out.

    ``fast_s``: seconds averaged; ``slow_s``: half-life of what is normal.
    """

    fast_s: int
    slow_s: int
    track: Track
    seconds: int = 0
    level: float = 0.0
    spread: float = 1.0
    recent: list[float] = []

    def push(self, count: float) -> None:
        """The count of the next second. The value it gives belongs to the middle of the seconds averaged."""
        value = 2 * sqrt(count + 3 / 8)
        self.recent = [*self.recent, value][-self.fast_s :]
        fast = sum(self.recent) / len(self.recent)
        error = self.spread / sqrt(self.fast_s)
        self.track.append((fast - self.level) / error if self.seconds >= self.fast_s else 0.0)
        away = value - self.level
        if self.seconds > 20:
            away = max(-CLIP * self.spread, min(CLIP * self.spread, away))
        rate = max(1 / (self.seconds + 1), 1 - 0.5 ** (1 / self.slow_s))
        self.level += rate * away
        variance = self.spread**2 + rate * (away**2 - self.spread**2) if self.seconds else 1.0
        self.spread = max(LEAST_SPREAD, sqrt(variance))
        self.seconds += 1

    def at(self, second: int, until: int | None = None) -> float | None:
        """The signal at a second, smoothed evenly to both sides; None when it is not known.

        ``until``: the last second whose count may be in it.
        """
        last = second + self.fast_s // 2
        return None if until is not None and last > until else self.track.at(last)


def prominence(score: Callable[[int], float | None], peak: int, reach: int) -> float:
    """How far ``score(peak)`` stands above the higher of the two valleys beside it, within ``reach`` seconds each way.

    0 when it is no peak. What is not known ends a side.
    """
    height = score(peak)
    if height is None:
        return 0.0
    valleys = []
    for step in (-1, 1):
        valley = height
        for second in range(peak + step, peak + step * (reach + 1), step):
            value = score(second)
            if value is None or value > height:
                break
            valley = min(valley, value)
        valleys.append(valley)
    return height - max(valleys)
