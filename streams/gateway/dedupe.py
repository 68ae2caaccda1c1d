"""Events that came before: acknowledged ones are dropped, those on their way are waited for.

A saving, not a guarantee: the memory dies with the process. What makes events unique within a stated horizon is the exact
de-duplicator behind the log.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from streams.gateway.seen import Seen
from streams.gateway.tickets import Ticket
from streams.records import LivetideError

HORIZON_MS = 600_000
KeyOf = Callable[[str], bytes]


class Dedupe:
    """Which events are in the log (for ten minutes, or the last 200,000 to 400,000 of them) or on their way to it.

    An event counts as seen only once Kafka has acknowledged it: otherwise the retry after a failure would be lost. Keys are
    64-bit hashes with a key of this process: two events out of the horizon are taken for one with probability 10⁻¹³.
    """

    def __init__(self, horizon_ms: int = HORIZON_MS, limit: int = 200_000) -> None:
        self._seen = Seen(horizon_ms, limit)
        self._pending: dict[bytes, Ticket] = {}
        self._secret = secrets.token_bytes(32)
        self._now_ms = 0

    def keys(self, room: str, source: str, kind: str) -> KeyOf:
        """The function from an event's id to its key. Kinds are apart: a chat and a sale may share an id."""
        base = hashlib.blake2b(f"{room}\0{source}\0{kind}\0".encode(), digest_size=8, key=self._secret)

        def key_of(identity: str) -> bytes:
            whole = base.copy()
            whole.update(identity.encode())
            return whole.digest()

        return key_of

    def turn(self, now_ms: int) -> None:
        """Forget what is older than the horizon."""
        self._now_ms = now_ms
        self._seen.turn(now_ms)

    def seen(self, key: bytes) -> bool:
        return key in self._seen

    def pending(self, key: bytes) -> Ticket | None:
        return self._pending.get(key)

    def claim(self, key: bytes, ticket: Ticket) -> None:
        """The event with this key travels in the record of ``ticket``."""
        self._pending[key] = ticket
        ticket.keys.append(key)

    def settle(self, ticket: Ticket, error: LivetideError | None) -> None:
        """The record was acknowledged (its events are seen from now on) or was not (they may come again)."""
        for key in ticket.keys:
            del self._pending[key]
            if error is None:
                self._seen.add(key, self._now_ms)
        ticket.settle(error)
