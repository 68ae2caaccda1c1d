"""Whether a subscriber is alive: what it does now, and since when."""

from __future__ import annotations

from collections.abc import Callable


class Pulse:
    """One thread beats, any thread asks. Whoever waits for Kafka or for a later try beats while it waits: it is well."""

    def __init__(self, stage: str, now: Callable[[], float], stall_s: float) -> None:
        self._stage, self._now, self._stall_s = stage, now, stall_s
        self._last: tuple[float, str] | None = None

    def beat(self, doing: str = "its loop") -> None:
        self._last = self._now(), doing

    def rest(self) -> None:
        """The work is over."""
        self._last = None

    def alive(self) -> str | None:
        """None, or why this process should be started anew."""
        if (last := self._last) is None or (silence := self._now() - last[0]) <= self._stall_s:
            return None
        return f"{self._stage}: {last[1]} has not come back for {silence:.0f} s"
