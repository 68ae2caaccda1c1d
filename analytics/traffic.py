"""All messages of a room, whatever they say: when it is by their event times, and how many came when."""

from __future__ import annotations

from zlib import crc32

import msgspec

from analytics.clock import RoomClock
from streams.records import UnderstoodChat

SECOND = 1_000
BIN_MS = 250
MEMORY_MS = 30 * SECOND
LATE_MS = 125 * SECOND  # what the gateway lets through: two minutes behind its clock, while another source is 5 s ahead of it
KEPT_MS = LATE_MS + MEMORY_MS  # what the latest message may still be judged by
LAG_S = 20
COPIES_A_SECOND = 3
COPIES_S = 3  # for so long behind the newest message of a source its copies are counted
MOST_SOURCES = 16


class Counts(msgspec.Struct, array_like=True):
    """How many messages came in each quarter of a second, from the quarter ``first`` on."""

    first: int = 0
    bins: list[int] = []

    def add(self, at: int) -> None:
        if not self.bins:
            self.first = at
        index = at - self.first
        if index < 0:
            self.bins[:0] = [0] * -index
            self.first, index = at, 0
        elif index >= len(self.bins):
            self.bins.extend([0] * (index - len(self.bins) + 1))
        self.bins[index] += 1

    def between(self, start: int, end: int) -> int:
        return sum(self.bins[max(0, start - self.first) : max(0, end - self.first)])

    def trim(self, oldest: int) -> None:
        if oldest > self.first:
            del self.bins[: oldest - self.first]
            self.first = oldest


class Traffic(msgspec.Struct, array_like=True):
    """The clock of a room by event time, its messages, and its sources, each of which may be late by another time.

    ``rolled`` is the last second that entered the normal, ``beat`` the one in which things were last tidied up.
    """

    clock: RoomClock
    rolled: int = 0
    beat: int = 0
    normal: float = 0.0  # messages in the memory of the normal
    counts: Counts = msgspec.field(default_factory=Counts)
    copies: dict[int, dict[int, int]] = {}  # second → text → how often
    newest: dict[str, int] = {}  # source → its newest message
    late: int = 0  # messages that came too late to count

    @property
    def now(self) -> int:
        return self.clock.now

    def accept(self, ts: int, voice: str | None = None, source: str = "") -> bool:
        """Move the clock; False for a message that is a stray, or too old to matter."""
        moves = self.clock.moves
        if not self.clock.accept(ts, voice):
            return False
        if self.clock.moves > moves:
            self.rolled = self.beat = self.now // SECOND - LAG_S
            self.counts, self.copies, self.newest = Counts(), {}, {}
        if ts <= self.now - LATE_MS:
            self.late += 1
            return False
        if source not in self.newest and len(self.newest) >= MOST_SOURCES:
            del self.newest[min(self.newest, key=self.newest.__getitem__)]
        self.newest[source] = max(self.newest.get(source, 0), min(ts, self.now))
        return True

    def add(self, message: UnderstoodChat) -> None:
        second = message.event_ts // SECOND
        texts = self.copies.setdefault(second, {})
        key = crc32(message.folded.encode("utf-8", "surrogatepass"))
        texts[key] = texts.get(key, 0) + 1
        if texts[key] <= COPIES_A_SECOND:
            self.counts.add(message.event_ts // BIN_MS)

    def settled(self) -> int:
        """The last second that is old enough for the normal: of the source that is furthest behind, 20 s ago."""
        return min(self.newest.values(), default=self.now) // SECOND - LAG_S

    def trim(self) -> None:
        self.newest = {source: ts for source, ts in self.newest.items() if ts > self.now - LATE_MS}
        self.counts.trim((self.now - KEPT_MS) // BIN_MS)
        if len(self.copies) > COPIES_S + 2:
            ends = [self.now // SECOND, *(ts // SECOND for ts in self.newest.values())]
            self.copies = {
                second: texts for second, texts in self.copies.items()
                if second > ends[0] or any(0 <= end - second < COPIES_S for end in ends)
            }  # fmt: skip

    def since(self, seconds: int, now: int) -> int:
        """Messages of the ``seconds`` before ``now``."""
        last = now // BIN_MS + 1
        return self.counts.between(last - seconds * SECOND // BIN_MS, last)

    def in_second(self, second: int) -> int:
        first = second * SECOND // BIN_MS
        return self.counts.between(first, first + SECOND // BIN_MS)
