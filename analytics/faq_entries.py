"""The FAQ entries of all rooms of a partition, searchable, within bounds whatever comes.

Beside the entries of its own a room has those of all rooms. An entry counts with its bytes in a checkpoint; beyond a bound the
entry that was used longest ago goes: of the room when the room has too many, of the partition when all have. An entry is used
when it is written and when it is the best for a question. ``forgotten`` counts those that went so. Search indexes are memory
only, built of a room's entries when it is asked, and bounded by their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from analytics.comprehension import understand
from analytics.encoders import Encoder, Rows
from analytics.encoders.base import unit
from analytics.faq_index import FaqIndex
from analytics.faq_judge import Candidate, Query
from analytics.faq_score import Side, grams
from analytics.fold import fold
from analytics.sheet import QUESTION_CUT, Entry, answer_of, load_topics
from streams.records import ALL_ROOMS, FaqEntry, InvalidError, Product, encode

ENTRIES_BYTES = 2_000_000
ROOM_ENTRIES = 1_000
ENTRY_BYTES, WORDINGS, NAME_BYTES = 8_000, 32, 512
INDEXED_ROWS = 6_000
_NEAR = 16  # entries that are judged
_ENTRY_COST = 24  # bytes around an entry in a checkpoint

Key = tuple[str, str]


class _Held(NamedTuple):
    entry: FaqEntry
    packed: bytes
    side: Side

    @property
    def cost(self) -> int:
        return len(self.packed) + _ENTRY_COST


class EntryShelf:
    """All active entries by room and id, used longest ago first."""

    def __init__(self, encoder: Encoder, *, most_bytes: int = ENTRIES_BYTES, most_rows: int = INDEXED_ROWS) -> None:
        self._encoder = encoder
        self._most_bytes, self._most_rows = most_bytes, most_rows
        self._held: dict[Key, _Held] = {}
        self._rooms: dict[str, dict[str, None]] = {}
        self._indexes: dict[str, FaqIndex] = {}  # used longest ago first
        self.bytes = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._held)

    def packed(self) -> list[bytes]:
        """The entries as they go into a checkpoint, used longest ago first."""
        return [held.packed for held in self._held.values()]

    def has(self, room: str) -> bool:
        """Whether a room has entries of its own."""
        return room in self._rooms

    def put(self, entry: FaqEntry, packed: bytes | None = None) -> None:
        """Take an entry in the place of the one with its id; a draft or one that is withdrawn only takes that away.

        Raises ``InvalidError`` for an entry beyond the bounds of one: then nothing of this id is known any more.
        """
        self.drop((entry.room, entry.id))
        if entry.state != "active":
            return
        check(entry)
        held = _Held(entry, packed or encode(entry), _side(entry))
        self._held[entry.room, entry.id] = held
        own = self._rooms.setdefault(entry.room, {})
        own[entry.id] = None
        self.bytes += held.cost
        if (index := self._indexes.get(entry.room)) is not None:
            index.put_rows([entry.id], self._centres([entry]))
        if len(own) > ROOM_ENTRIES:
            self._forget((entry.room, next(key[1] for key in self._held if key[0] == entry.room)))
        while self.bytes > self._most_bytes:
            self._forget(next(iter(self._held)))

    def drop(self, key: Key) -> None:
        """Take an entry out, if it is there."""
        held = self._held.pop(key, None)
        if held is None:
            return
        self.bytes -= held.cost
        if (index := self._indexes.get(key[0])) is not None:
            index.drop([key[1]])
        own = self._rooms[key[0]]
        del own[key[1]]
        if not own:
            del self._rooms[key[0]]
            self._indexes.pop(key[0], None)

    def _forget(self, key: Key) -> None:
        self.drop(key)
        self.forgotten += 1

    def clear(self, room: str) -> None:
        """Forget all entries of a room."""
        for identity in list(self._rooms.get(room, ())):
            self._forget((room, identity))

    def touch(self, key: Key) -> None:
        if key in self._held:
            self._held[key] = self._held.pop(key)

    def near(self, room: str, query: Query, ts: int, meant: str, sheet: Product | None) -> list[Candidate]:
        """The entries nearest to a question of ``ts``, of the room and of all rooms.

        ``meant`` is the product that the question means, if it means one, and ``sheet`` what the catalogue says about it.
        """
        found = []
        for owner in (room, ALL_ROOMS):
            hits = self._index(owner).search_row(query.direction, _NEAR) if owner in self._rooms else []
            for hit in hits:
                key = owner, hit.key
                entry, side = self._held[key].entry, self._held[key].side
                if not entry.valid_until or ts < entry.valid_until:
                    product = 0 if not (entry.sku and meant) else 1 if entry.sku == meant else -1
                    found.append(Candidate(_answering(entry, sheet), side, hit.score, product, key))
        return found

    def count(self, room: str) -> int:
        """How many entries can answer in a room."""
        return sum(len(self._rooms.get(owner, ())) for owner in (room, ALL_ROOMS))

    def _centres(self, entries: Sequence[FaqEntry]) -> Rows:
        return centres(self._encoder, [_heads(entry) for entry in entries])

    def _index(self, room: str) -> FaqIndex:
        index = self._indexes.pop(room, None)
        if index is None:
            index = FaqIndex(self._encoder, kind="flat")
            identities = list(self._rooms[room])
            index.put_rows(identities, self._centres([self._held[room, identity].entry for identity in identities]))
        self._indexes[room] = index
        while sum(map(len, self._indexes.values())) > self._most_rows and len(self._indexes) > 1:
            del self._indexes[next(iter(self._indexes))]
        return index


def centres(encoder: Encoder, wordings: Sequence[Sequence[str]]) -> Rows:
    """A row for each entry: the direction in the middle of all its wordings, each of which has one at least."""
    rows = encoder.encode([text for own in wordings for text in own]).astype(np.float64)
    starts = np.cumsum([0, *(len(own) for own in wordings)])
    return unit(np.stack([rows[start:end].sum(axis=0) for start, end in pairwise(starts.tolist())]))


def check(entry: FaqEntry) -> None:
    """Raises ``InvalidError`` for an entry without words or beyond the bounds of one."""
    if not fold(entry.question) or not entry.answer.strip():
        raise InvalidError(f"the entry {entry.id[:40]!r} needs a question and an answer")
    if not entry.id or len(entry.id.encode("utf-8", "replace")) > NAME_BYTES or "\0" in entry.id:
        raise InvalidError(f"an entry's id has 1 to {NAME_BYTES} bytes: {entry.id[:40]!r}")
    if len(entry.wordings) > WORDINGS:
        raise InvalidError(f"the entry {entry.id[:40]!r} has {len(entry.wordings)} wordings; give it {WORDINGS} at most")
    if (size := len(encode(entry))) > ENTRY_BYTES:
        raise InvalidError(f"the entry {entry.id[:40]!r} has {size} bytes; give it {ENTRY_BYTES} at most")


def _heads(entry: FaqEntry) -> list[str]:
    """The texts under which an entry is found."""
    return [fold(text)[:QUESTION_CUT] for text in (entry.question, *entry.wordings)]


def _side(entry: FaqEntry) -> Side:
    heads = _heads(entry)
    finder = load_topics()
    topics: dict[str, int] = {}
    for head in heads:
        topics |= finder.find(head)
    return Side(tuple(grams(head) for head in heads), understand(entry.question).intent, topics)


def _answering(entry: FaqEntry, sheet: Product | None) -> Entry:
    """What is said with an entry, and whether its price is the catalogue's: without its sheet no amount of money is certain."""
    own = sheet if sheet is not None and sheet.sku == entry.sku else None
    answer, safe = answer_of(entry.answer, own)
    if entry.price and (own is None or entry.price != own.price):
        safe = False
    return Entry(entry.sku, entry.question, answer, "entry", (), (), safe)
