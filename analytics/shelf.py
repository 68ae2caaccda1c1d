"""The product sheets of all rooms of a partition, and of each room, within bounds whatever comes.

A sheet counts with its bytes in a checkpoint. Beyond a bound the sheet that was used longest ago goes: of the room when the
room has too many, of the whole partition when all have. A sheet is used when an event speaks of it and when a question means
it. ``forgotten`` counts those that went so. Search indexes are memory only; they hang on their own sheet alone and are bounded
by their entries.

The FAQ entries of the rooms (:mod:`analytics.faq_entries`) lie beside the sheets within the same bound of bytes: they have a
third of it at most, among them the one used longest ago goes first, and the sheets have what they leave.
"""

from __future__ import annotations

from typing import NamedTuple

from analytics.encoders import Encoder, Rows, load_encoder
from analytics.faq import GIVEN, Found, SheetIndex, match, naming_pairs
from analytics.faq_entries import EntryShelf
from analytics.faq_judge import NONE, Limits, Match, Query, better, judge
from analytics.faq_score import load_score
from analytics.sheet import check_size
from streams.records import InvalidError, Product, encode

SHEETS_BYTES = 5_700_000
ROOM_SHEETS, ROOM_BYTES = 200, 2_000_000
INDEXED_ENTRIES = 4_000
OPEN_SHEETS, OPEN_ENTRIES = 4, 100  # that are asked where no product is meant
DISORDER_MS = 600_000
NAME_BYTES = 512  # of a room or a sku; the border lets through 64 and 128 characters
_SHEET_COST = 24  # bytes around a sheet in a checkpoint
_INDEX_COST = 10  # what an index weighs besides its entries
_ENTRIES_SHARE = 3  # of the bytes, for FAQ entries
_REMEMBERED = 512  # questions whose direction is known
_SHARED_BY = 16  # a pair of characters that names more products names none

Key = tuple[str, str]


class _Sheet(NamedTuple):
    product: Product
    packed: bytes

    @property
    def cost(self) -> int:
        return len(self.packed) + _SHEET_COST


class Shelf:
    """All sheets by room and sku, used longest ago first."""

    def __init__(
        self, encoder: Encoder | None = None, *, most_bytes: int = SHEETS_BYTES, most_indexed: int = INDEXED_ENTRIES
    ) -> None:
        self.encoder = load_encoder() if encoder is None else encoder
        self.entries = EntryShelf(self.encoder, most_bytes=most_bytes // _ENTRIES_SHARE)
        self.score = load_score(self.encoder.name)
        self._most_bytes, self._most_indexed = most_bytes, most_indexed
        self._sheets: dict[Key, _Sheet] = {}
        self._indexes: dict[Key, SheetIndex] = {}
        self._indexed = 0
        self._directions: dict[str, Rows] = {}  # the same is asked again and again
        self.bytes = self.forgotten = 0

    def __len__(self) -> int:
        return len(self._sheets)

    def direction(self, text: str) -> Rows:
        """The encoder's row of a question; remembered, which changes no result."""
        row = self._directions.get(text)
        if row is None:
            if len(self._directions) >= _REMEMBERED:
                self._directions.clear()
            row = self._directions[text] = self.encoder.encode([text])[0]
        return row

    def packed(self) -> list[bytes]:
        """The sheets as they go into a checkpoint, used longest ago first."""
        return [sheet.packed for sheet in self._sheets.values()]

    def get(self, key: Key) -> Product | None:
        sheet = self._sheets.get(key)
        return sheet.product if sheet else None

    def cost(self, key: Key) -> int:
        return self._sheets[key].cost

    def put(self, product: Product, packed: bytes | None = None) -> None:
        """Take a sheet in as the one used last. Its index stays when it says the same as before."""
        key = product.room, product.sku
        known = self._sheets.pop(key, None)
        if known is not None:
            self.bytes -= known.cost
            if _content(known.product) != _content(product):
                self._release(key)
        sheet = self._sheets[key] = _Sheet(product, packed or encode(product))
        self.bytes += sheet.cost

    def drop(self, key: Key) -> None:
        self.bytes -= self._sheets.pop(key).cost
        self._release(key)

    def too_much(self) -> Key | None:
        """The sheet that must go, if one must."""
        return next(iter(self._sheets), None) if self.bytes + self.entries.bytes > self._most_bytes else None

    def touch(self, key: Key) -> None:
        self._sheets[key] = self._sheets.pop(key)

    def index(self, key: Key) -> SheetIndex:
        """The search index of a sheet, built if it is not there. One is never too large to be kept."""
        index = self._indexes.pop(key, None)
        if index is None:
            index = SheetIndex(self._sheets[key].product, self.encoder)
            self._indexed += len(index) + _INDEX_COST
        self._indexes[key] = index
        while self._indexed > self._most_indexed and len(self._indexes) > 1:
            self._release(next(iter(self._indexes)))
        return index

    def _release(self, key: Key) -> None:
        if (index := self._indexes.pop(key, None)) is not None:
            self._indexed -= len(index) + _INDEX_COST


class RoomFaq:
    """The sheets of one room, searchable. They lie on a shelf that is shared."""

    def __init__(self, room: str = "r", shelf: Shelf | None = None) -> None:
        self.room = room
        self.shelf = Shelf() if shelf is None else shelf
        self.on_show = ""
        self.shown_ts = 0
        self._skus: dict[str, None] = {}  # used longest ago first
        self._bytes = 0
        self._pairs: dict[str, frozenset[str]] = {}
        self._named: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._skus)

    def product(self, sku: str) -> Product | None:
        return self.shelf.get((self.room, sku))

    def put(self, product: Product) -> None:
        """Take a sheet, or what an event says about one: fields that it leaves empty keep their earlier values.

        An event that another has overtaken is dropped; one that is much older begins a recording anew and counts. Raises
        ``InvalidError`` for a sheet beyond the bounds of one: then nothing is known of this product any more, and while it is
        on show its questions have no answer, rather than that of another product.
        """
        if len(product.sku.encode("utf-8", "replace")) > NAME_BYTES:
            raise InvalidError(f"a sku of more than {NAME_BYTES} bytes: {product.sku[:40]!r}…; give the product a shorter one")
        known = self.product(product.sku)
        if known is not None and _overtaken(product.event_ts, known.event_ts):
            return
        if product.type == "withdraw":
            self.forget(product.sku)
            self.on_show = "" if self.on_show == product.sku else self.on_show
            return
        if not self.on_show or not _overtaken(product.event_ts, self.shown_ts):
            self.on_show, self.shown_ts = product.sku, product.event_ts
        merged = _merged(known, product) if known else product
        try:
            check_size(merged)
        except InvalidError:
            self.forget(product.sku)
            raise
        self.restore(merged)
        while len(self._skus) > ROOM_SHEETS or self._bytes > ROOM_BYTES:
            self.forget(next(iter(self._skus)))
            self.shelf.forgotten += 1

    def restore(self, product: Product, packed: bytes | None = None) -> None:
        """Put a sheet on the shelf as it is."""
        if product.sku in self._skus:
            self._bytes -= self.shelf.cost((self.room, product.sku))
        self.shelf.put(product, packed)
        self._bytes += self.shelf.cost((self.room, product.sku))
        self._skus.pop(product.sku, None)
        self._skus[product.sku] = None
        self._unname(product.sku)  # its names are read at the next question

    def forget(self, sku: str) -> None:
        """Take a sheet off the shelf, if it is there."""
        if sku in self._skus:
            self._bytes -= self.shelf.cost((self.room, sku))
            self.shelf.drop((self.room, sku))
            del self._skus[sku]
            self._unname(sku)

    def clear(self) -> None:
        for sku in list(self._skus):
            self.forget(sku)

    def best(self, folded: str, intent: str = "unknown", ts: int = 0, limits: Limits | None = None) -> Match:
        """The best answer to a folded question of ``ts``, if there is one.

        A question means the product that it names, or else the one on show; its sheet alone can answer then, and entries that
        are about it or about none. Where nothing is meant, the sheets used last are asked. What words and subjects say, and
        what the encoder says, are judged apart: the more certain of the two holds. ``limits`` are the room's own, for both.
        """
        query = Query(folded, self.shelf.direction, intent)
        alone = len(self._skus) == 1 and not self.shelf.forgotten  # a sheet that is forgotten may be the one that is meant
        meant = self.named(query.head) or self.on_show
        skus = [meant] if meant in self._skus else [] if meant else self._newest()
        found = [(-one.score, sku, one) for sku in skus if (one := self._ask(sku, query)) is not None]
        least = GIVEN if limits is None else limits.given
        by_words = match(min(found)[2], folded, meant=bool(meant), alone=alone, given=least) if found else NONE
        if by_words.status == "given" and by_words.score == 1.0:
            return by_words
        sure = meant or (skus[0] if alone and skus else "")
        near = [one for sku in skus for one in self.shelf.index((self.room, sku)).near(query, int(sku == sure))]
        near += self.shelf.entries.near(self.room, query, ts, sure, self.product(sure))
        crowd = self.shelf.entries.count(self.room) + sum(len(self.shelf.index((self.room, sku))) for sku in skus)
        score = self.shelf.score
        found_near = judge(query, near, score, limits or Limits(score.given, score.proposed), meant=bool(sure), crowd=crowd)
        best = better(by_words, found_near)
        if best.status != "unknown" and best.key != ("", ""):
            self.shelf.entries.touch(best.key)
        return best

    def _ask(self, sku: str, query: Query) -> Found | None:
        self._skus[sku] = self._skus.pop(sku)
        self.shelf.touch((self.room, sku))
        return self.shelf.index((self.room, sku)).best(query)

    def _newest(self) -> list[str]:
        """The sheets used last, as many as may be asked at once; the one used last is the last."""
        chosen: list[str] = []
        left = OPEN_ENTRIES
        for sku in reversed(self._skus):
            product = self.product(sku)
            assert product is not None
            left -= len(product.faq) + len(product.attributes) + 1
            if len(chosen) == OPEN_SHEETS or (chosen and left < 0):
                break
            chosen.append(sku)
        return chosen[::-1]

    def named(self, folded: str) -> str:
        """The one product whose name, brand or kind of goods the question says; empty when none or several."""
        for sku in self._skus.keys() - self._pairs.keys():
            self._name(sku)
        counts: dict[str, int] = {}
        for start in range(len(folded) - 1):
            skus = self._named.get(folded[start : start + 2], ())
            if len(skus) <= _SHARED_BY:
                for sku in skus:
                    counts[sku] = counts.get(sku, 0) + 1
        most = max(counts.values(), default=0)
        best = [sku for sku, count in counts.items() if count == most]
        return best[0] if len(best) == 1 else ""

    def _name(self, sku: str) -> None:
        product = self.product(sku)
        assert product is not None
        self._pairs[sku] = naming_pairs(product)
        for pair in self._pairs[sku]:
            self._named.setdefault(pair, {})[sku] = None

    def _unname(self, sku: str) -> None:
        for pair in self._pairs.pop(sku, ()):
            del self._named[pair][sku]
            if not self._named[pair]:
                del self._named[pair]


def _content(product: Product) -> tuple[object, ...]:
    return product.name, product.price, product.attributes, product.faq


def _overtaken(ts: int, newest: int) -> bool:
    return newest - DISORDER_MS < ts < newest


def _merged(known: Product, news: Product) -> Product:
    return Product(
        room=news.room, event_ts=news.event_ts, ingest_ts=news.ingest_ts, id=news.id, source=news.source, sku=news.sku,
        type=news.type, name=news.name or known.name, price=news.price or known.price,
        attributes=news.attributes or known.attributes, faq=news.faq or known.faq, skew_ms=news.skew_ms,
    )  # fmt: skip
