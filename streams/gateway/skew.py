"""Sources whose clock is wrong, told from events that are merely late.

The sample of a request is how far its newest time-stamp is from our clock: the newest has been delayed least. A source's
offset is the median of its last samples. While the median is inside the tolerance (up to two minutes behind, up to five seconds
ahead: nothing can come from the future), stamps are left alone, late ones too. Once it is outside, the *source* is wrong:
everything it sends is moved by one and the same offset, so that its order is kept, and the offset changes only when it does not
fit any more. A first sample counts at once, so that not even the first event of a wrong source is trusted; the price is that a
source whose very first request is more than two minutes late is moved too.
"""

from __future__ import annotations

from collections import OrderedDict, deque


class _Source:
    __slots__ = ("samples", "shift")

    def __init__(self, window: int) -> None:
        self.samples: deque[int] = deque(maxlen=window)
        self.shift = 0


class Skews:
    """What to add to a source's time-stamps. Keeps the ``sources`` that were heard last."""

    def __init__(self, behind_ms: int = 120_000, ahead_ms: int = 5_000, window: int = 15, sources: int = 10_000) -> None:
        self.behind_ms = behind_ms
        self.ahead_ms = ahead_ms
        self._window = window
        self._most = sources
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()

    def shift(self, room: str, source: str, newest_ts: int, now_ms: int) -> int:
        """Milliseconds to add to every time-stamp of a request whose newest is ``newest_ts``; 0 for a source to be trusted."""
        known = self._sources.get((room, source))
        if known is None:
            known = self._sources[room, source] = _Source(self._window)
            if len(self._sources) > self._most:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end((room, source))
        sample = newest_ts - now_ms
        if known.shift and self._fine(sample) and not self._fits(sample + known.shift):
            known.samples.clear()  # right as it is, and wrong when moved: the clock was set right
        known.samples.append(sample)
        # of an even number the upper one: its event was delayed less
        offset = sorted(known.samples)[len(known.samples) // 2]
        if not known.shift or not self._fits(offset + known.shift):
            known.shift = 0 if self._fine(offset) else -offset
        return known.shift

    def _fine(self, off_ms: int) -> bool:
        return -self.behind_ms <= off_ms <= self.ahead_ms

    def _fits(self, off_ms: int) -> bool:
        """Narrower than what is fine without moving, so that a source at the limit does not go back and forth."""
        return -self.behind_ms // 2 <= off_ms <= self.ahead_ms

    def place(self, ts: int, shift: int, now_ms: int) -> int:
        """When an event happened by our clock: moved by its source's shift, and never in the future."""
        moved = ts + shift
        return moved if moved <= now_ms + self.ahead_ms else now_ms
