"""The clock of a room by the event times of its records, which no single wrong time-stamp can move."""

from __future__ import annotations

import msgspec

FAR_MS = 300_000
AHEAD, BEHIND = 3, 30


class RoomClock(msgspec.Struct, array_like=True):
    """``now`` is the newest event time. A record more than five minutes away from it is a stray, and refused.

    A clock follows the many: the third stray ahead in a row, or the thirtieth behind, moves it, and is accepted. ``moves``
    counts that, so that its owner can start afresh. (A room that pauses for longer loses two messages of evidence; one with a
    wrong time-stamp loses that message only.)
    """

    now: int
    strays: int = 0
    moves: int = 0

    def accept(self, ts: int) -> bool:
        """Take in an event time; False when it is a stray."""
        if abs(ts - self.now) > FAR_MS:
            self.strays += 1
            if self.strays < (AHEAD if ts > self.now else BEHIND):
                return False
            self.now, self.moves = ts, self.moves + 1
        self.strays = 0
        self.now = max(self.now, ts)
        return True
