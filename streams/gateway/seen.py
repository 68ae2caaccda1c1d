"""What was seen lately, in bounded memory: two sets, of which the older one is forgotten whole."""

from __future__ import annotations


class Seen:
    """Remembers keys for at least ``horizon_ms`` and at most twice that.

    A generation ends early when it holds ``limit`` keys, so that never more than twice ``limit`` are kept: the horizon is then
    shorter.
    """

    def __init__(self, horizon_ms: int, limit: int) -> None:
        self._horizon_ms = horizon_ms
        self._limit = limit
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()
        self._since = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._new or key in self._old

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    @property
    def full(self) -> bool:
        """The next key would end a generation before its time."""
        return len(self._new) >= self._limit

    def turn(self, now_ms: int) -> None:
        """Forget what is older than the horizon. To be called before questions are asked, as often as one likes."""
        if self._since == 0:
            self._since = now_ms
        age = now_ms - self._since
        if age >= 2 * self._horizon_ms:
            self._old, self._new, self._since = set(), set(), now_ms
        elif age >= self._horizon_ms:
            self._old, self._new, self._since = self._new, set(), now_ms

    def add(self, key: bytes, now_ms: int) -> None:
        if self.full:
            self._old, self._new, self._since = self._new, set(), now_ms
        self._new.add(key)
