"""How long something has been silent, by the clock of the reader: time that it was away itself is nobody's silence."""

from __future__ import annotations

import msgspec

PAUSE_MS = 5_000  # between two ticks, which come about once a second: the reader was away


class Reader(msgspec.Struct, array_like=True):
    """The ticks that an operator had: the last one, and the last after a pause. Part of its state."""

    ticked: int = 0
    resumed: int = 0

    def tick(self, now_ms: int) -> None:
        if self.ticked and now_ms > self.ticked + PAUSE_MS:
            self.resumed = now_ms
        self.ticked = max(self.ticked, now_ms)

    def arrived(self, ingest_ts: int) -> int:
        """When a record of ``ingest_ts``, which is being read, came here: later, when there was a backlog."""
        return max(ingest_ts, self.ticked)

    def silent(self, now_ms: int, arrived: int) -> int:
        """Milliseconds without a record since one that came at ``arrived``, as far as the reader was there to see."""
        return now_ms - max(arrived, self.resumed)
