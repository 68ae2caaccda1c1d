"""The shop's time in a room, for operators that read sales beside another topic: how far the sales are here."""

from __future__ import annotations

from typing import Final

import msgspec

from analytics.clock import RoomClock
from analytics.reader import Reader
from streams.records import Sale

WAIT_MS: Final = 120_000
"""How long the other topic waits for sales that are behind, by its own event time."""
_IDLE_MS: Final = 5_000


class Till(msgspec.Struct, array_like=True):
    """``clock`` is None before the first sale; ``arrived`` is when the last came, by the reader's clock; ``until`` is how far
    the shop's time has run on while none came."""

    clock: RoomClock | None = None
    arrived: int = 0
    until: int = 0

    @property
    def now(self) -> int:
        """The newest time of a sale that is believed; 0 before the first."""
        return self.clock.now if self.clock else 0

    def accept(self, sale: Sale, arrived: int, *, jump_ms: int) -> bool:
        """Take in a sale that came at ``arrived``; False when its time is a stray. ``jump_ms`` as in :class:`RoomClock`."""
        if self.clock is None:
            self.clock = RoomClock(sale.event_ts)
        if not self.clock.accept(sale.event_ts, sale.user or sale.order or sale.id, jump_ms=jump_ms):
            return False
        self.arrived = arrived
        return True

    def sold_until(self, otherwise: int) -> int:
        """Up to when the sales are here; ``otherwise`` in a room that has had none."""
        return otherwise if self.clock is None else max(self.clock.now, self.until)

    def run_on(self, reader: Reader, now_ms: int) -> bool:
        """Let the shop's time run on after five seconds without a sale; whether it did."""
        if self.clock is None or reader.silent(now_ms, self.arrived) < _IDLE_MS:
            return False
        before, self.until = self.until, max(self.until, self.clock.now + now_ms - self.arrived)
        return self.until > before
