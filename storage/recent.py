"""Rows of a short while ago. By them a record that comes again is known, when its writer does not number what it writes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from storage.client import StoreClient
from storage.ledger import Claim

SIZE: Final = 50_000
SPAN_MS: Final = 6 * 3_600_000


def row_key(room: str, row_id: str) -> str:
    """What names a row in a partition: an id is one room's, and many rooms share a partition."""
    return f"{room}\0{row_id}"


class Hashes:
    """A set of numbers of 64 bits, 16 to 32 bytes each where a set of Python's needs a hundred. Nothing is taken out."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 64))  # open addressing; 0 is an empty slot
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return self._slots[self._slot(number)] == number

    def add(self, number: int) -> None:
        """``number`` is not 0."""
        slot = self._slot(number)
        if self._slots[slot] == number:
            return
        self._slots[slot] = number
        self._count += 1
        if 2 * self._count > len(self._slots):
            old, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
            for each in filter(None, old):
                self._slots[self._slot(each)] = each

    def _slot(self, number: int) -> int:
        slots, mask = self._slots, len(self._slots) - 1
        at = number & mask
        while slots[at] and slots[at] != number:
            at = (at + 1) & mask
        return at


class Recent:
    """The row keys that a partition saw last: at least ``size`` of them, or those of ``span_ms``; at most twice as many.

    A key is kept as 8 bytes of its hash. That a new row is taken for one of 100,000 others happens once in 10^14 rows.
    Two generations: when the younger is full or old enough, the elder is dropped whole.
    """

    def __init__(self, keys: Iterable[str] = (), *, size: int = SIZE, span_ms: int = SPAN_MS) -> None:
        self._size, self._span_ms = size, span_ms
        self._elder, self._younger = Hashes(), Hashes()
        self._since: int | None = None
        for key in keys:
            self._elder.add(_hash(key))

    def repeated(self, key: str, now: int) -> bool:
        """Whether this key is known; from now on it is."""
        number = _hash(key)
        if number in self._younger or number in self._elder:
            return True
        if self._since is None:
            self._since = now
        if len(self._younger) >= self._size or now - self._since >= self._span_ms:
            self._elder, self._younger, self._since = self._younger, Hashes(), now
        self._younger.add(number)
        return False


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "little") or 1


def stored(client: StoreClient, table: str, partition: int, resend: Claim | None, now: int) -> Recent:
    """The newest rows of a partition.

    Rows of the batch that is sent again are left out: it must be cut as it was cut the first time, whatever of it has arrived.
    """
    first, last = (resend.first, resend.last) if resend else (1, 0)
    rows = client.execute(
        f"SELECT room_id, id FROM live.{table} WHERE log_partition = %(p)s "  # noqa: S608 - the name is ours
        "AND ingest_ts > fromUnixTimestamp64Milli(%(since)s) AND NOT (log_offset BETWEEN %(first)s AND %(last)s) "
        "ORDER BY ingest_ts DESC, log_offset DESC LIMIT %(n)s SETTINGS final = 0",
        {"p": partition, "since": now - SPAN_MS, "first": first, "last": last, "n": SIZE},
    )
    return Recent(row_key(*row) for row in rows)
