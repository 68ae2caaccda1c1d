"""Sources whose clock is wrong, told from events that are late and from single stamps that are wrong.

A request's *sample* is how far its stamps are from our clock, by those that agree: the newest of the majority, without the few
that are newer than all others. A request whose stamps span real time (a backlog) or contradict each other has none.
A source's offset is the median of its last samples, one a second. While it is inside the tolerance (up to two minutes behind,
up to five seconds ahead: nothing can come from the future), stamps are left alone, late ones too. Beyond it the *source* is
wrong, once there is enough to say so, and everything it sends is moved by one and the same offset, so that its order is kept.

* Ahead: three stamps or three samples that agree are enough.
* Behind: a backlog that is sent again looks the same for a moment, but it catches up. Samples must agree for ten seconds.

Until then events stay where they are; what lies in the future is brought to now, each by itself. No stamp moves another event.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Sequence

DAY_MS = 86_400_000
ENOUGH = 3
SAMPLE_EVERY_MS = 1_000
STEADY_MS = 5_000
STEADY_FOR_MS = 10_000


class _Source:
    __slots__ = ("samples", "shift")

    def __init__(self, window: int) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=window)
        self.shift = 0

    def note(self, now_ms: int, sample: int) -> None:
        if not self.samples or abs(now_ms - self.samples[-1][0]) >= SAMPLE_EVERY_MS:
            self.samples.append((now_ms, sample))

    @property
    def offset(self) -> int:
        """The median; of an even number the upper one: its events were delayed less."""
        return sorted(sample for _, sample in self.samples)[len(self.samples) // 2]

    def steady(self) -> bool:
        """Whether most samples have been about the median for long enough: a backlog would have caught up meanwhile."""
        offset = self.offset
        times = [at for at, sample in self.samples if abs(sample - offset) <= STEADY_MS]
        return len(times) >= ENOUGH and 2 * len(times) > len(self.samples) and times[-1] - times[0] >= STEADY_FOR_MS


class Skews:
    """What to add to a source's time-stamps. Keeps the ``sources`` that were heard last."""

    def __init__(
        self, behind_ms: int = 120_000, ahead_ms: int = 5_000, window: int = 15, sources: int = 10_000, far_days: int = 7
    ) -> None:
        self.behind_ms = behind_ms
        self.ahead_ms = ahead_ms
        self._window = window
        self._most = sources
        self._far_days = far_days
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()

    def is_far(self, ts: int, now_ms: int) -> bool:
        """Whether a stamp is so far from our clock that it says nothing, about its event or about its source's clock."""
        return abs(ts - now_ms) > self._far_days * DAY_MS

    def why_far(self, ts: int, now_ms: int) -> str:
        """The reason that the sender of such a stamp is told."""
        days, side = abs(ts - now_ms) // DAY_MS, "before" if ts < now_ms else "ahead of"
        then = "send history with clock=replay" if ts < now_ms else "correct it"
        return f"ts: {ts} is {days} days {side} our clock; a live event may be {self._far_days} days off: {then}"

    def shift(self, room: str, source: str, stamps: Sequence[int], now_ms: int) -> int:
        """Milliseconds to add to every time-stamp of a request; 0 for a source to be trusted. None of ``stamps`` is far."""
        known = self._known(room, source)
        sample, bearing = self._sample(stamps, now_ms)
        if sample is None:
            return known.shift
        known.note(now_ms, sample)
        self._settle(known, sample, bearing)
        if sample <= self.ahead_ms and abs(sample) < abs(sample + known.shift):
            return 0  # right as it is, and further off when moved: the clock was set right, which the median will say too
        return known.shift

    def _known(self, room: str, source: str) -> _Source:
        known = self._sources.get((room, source))
        if known is None:
            known = self._sources[room, source] = _Source(self._window)
            if len(self._sources) > self._most:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end((room, source))
        return known

    def _sample(self, stamps: Sequence[int], now_ms: int) -> tuple[int | None, int]:
        """How far a request is from our clock, and how many of its stamps bear that out."""
        ordered = sorted(stamps)
        if not ordered:
            return None, 0
        middle, reach = ordered[len(ordered) // 2], self.behind_ms // 2
        low, high = bisect_left(ordered, middle - reach), bisect_right(ordered, middle + reach)
        bearing = high - low
        if 2 * bearing <= len(ordered):
            return None, 0
        strays = -(-bearing // 10) if bearing > 1 else 0
        return ordered[high - 1 - strays] - now_ms, bearing

    def _settle(self, known: _Source, sample: int, bearing: int) -> None:
        offset = known.offset
        if known.shift and self._fits(offset + known.shift):
            return
        if -self.behind_ms <= offset <= self.ahead_ms:
            known.shift = 0
            return
        agreeing = sum(abs(one - offset) <= self.behind_ms // 2 for _, one in known.samples)
        if abs(sample - offset) <= self.behind_ms // 2:
            agreeing = max(agreeing, bearing)
        if known.steady() if offset < 0 else agreeing >= ENOUGH:
            known.shift = -offset

    def _fits(self, off_ms: int) -> bool:
        """Narrower than what is fine without moving, so that a source at the limit does not go back and forth."""
        return -self.behind_ms // 2 <= off_ms <= self.ahead_ms

    def place(self, ts: int, shift: int, now_ms: int) -> int:
        """When an event happened by our clock: moved by its source's shift, and never in the future."""
        moved = ts + shift
        return moved if moved <= now_ms + self.ahead_ms else now_ms
