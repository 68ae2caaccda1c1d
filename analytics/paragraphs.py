"""Product paragraphs: from when to when the host talks about which product, and how far it came.

Sentences get their stages with a lag of a few sentences (``analytics/stages.py``). A paragraph begins with an introduction and
ends with its close, with the next introduction, after half a minute of idle talk, or at a hard border: another product is
shown or pinned. It is complete when intro, feature, price and call were all there, else partial. It is told when it begins
(``open``), when it ends, and once more a minute after the call, with the orders that followed it.

A sentence that is sent again within ten minutes is left out (its client may have met a gateway that died before it answered);
a sale is known by its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from analytics.clock import FAR_MS, RoomClock
from analytics.dedupe import Deduplicator
from analytics.drafts import CONFIRMED, ENDED, OPEN, ORDERS_MS, SECOND, Changes, Draft, Order, Room, paragraph_of
from analytics.labels import Sheet
from analytics.placed import Placed, order_key
from analytics.stages import CLOSE, CTA, IDLE, INTRO, NEAR_MS, PRICE, STAGES, Cues, Lattice, Sentence, certainty, load_cues
from analytics.state import Packer, dump_state, load_state
from streams.records import InvalidError, Product, Record, Sale, Speech

VERSION = 2
HOUR = 3_600 * SECOND
LAG = 3
LAG_MS = 15 * SECOND
IDLE_MS = 30 * SECOND
SILENT_MS = 60 * SECOND
SALES_BOUND_MS = 5 * SECOND
MOST_SENTENCES, MOST_TEXT = 80, 120
MOST_SHEETS, MOST_ORDERS, MOST_PLACED = 500, 5_000, 1_000
MOST_REMEMBERED = 50_000  # sentences of all rooms: eight bytes each
FEWEST = 2  # sentences, or it was a slip of the tongue


class ParagraphOperator:
    """Speech, product events and sales in, :class:`Paragraph` out.

    ``close_ms``: silence after which a tick ends what is open. ``forget_ms``: silence after which a room is forgotten.
    """

    def __init__(self, cues: Cues | None = None, *, close_ms: int = 20 * SECOND, forget_ms: int = HOUR) -> None:
        self._cues = cues or load_cues()
        self._close_ms, self._forget_ms = close_ms, forget_ms
        self._rooms: dict[str, Room] = {}
        self._packer: Packer[Room] = Packer(Room)
        self._sentences = Deduplicator(limit=MOST_REMEMBERED)

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        if not isinstance(record, Speech | Product | Sale):
            return ()
        if isinstance(record, Speech) and record.end_ts < record.event_ts:
            raise InvalidError(f"sentence {record.id!r} of room {record.room!r} ends before it begins")
        if isinstance(record, Speech) and not self._sentences.first(_name(record), record.ingest_ts):
            return ()
        self._packer.changed(record.room)
        room = self._rooms.get(record.room)
        if room is None:
            room = self._rooms[record.room] = Room(record.ingest_ts, RoomClock(record.event_ts))
        room.arrived = max(room.arrived, record.ingest_ts)
        room.ingest_ts = record.ingest_ts
        changed: Changes = {}
        before, moves = room.clock.now, room.clock.moves
        if self._in_time(room.clock, record):
            if room.clock.moves > moves and room.clock.now < before:
                self._end_all(room, changed)
                room.shown_at, room.heard, room.orders, room.placed = 0, 0, {}, Placed()
            if isinstance(record, Speech):
                self._hear(room, record, changed)
            elif isinstance(record, Product):
                self._show(room, record, changed)
            else:
                self._sell(room, record)
        elif isinstance(record, Product):
            self._note(room, record)
        if room.clock.now - room.heard > SILENT_MS and (room.draft or room.lattice.waiting):
            self._flush(room, changed)
            self._end(room, changed)
        self._confirm(room, room.clock.now - SALES_BOUND_MS, changed)
        return self._tell(record.room, room, changed, revision)

    def _in_time(self, clock: RoomClock, record: Speech | Product | Sale) -> bool:
        """Whether a record's time can be true. Speech and products come from the room's own devices, sales from many."""
        if isinstance(record, Sale):
            return clock.accept(record.event_ts, record.user or record.order or record.id)
        return clock.accept(record.end_ts if isinstance(record, Speech) else record.event_ts, jump_ms=FAR_MS)

    # ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, room: Room, speech: Speech, changed: Changes) -> None:
        text = speech.text[:MOST_TEXT]
        room.heard = max(room.heard, speech.end_ts)
        boarding = speech.event_ts - room.cued <= NEAR_MS
        odds = self._cues.weigh(text, named=bool(self._named(room, text)), boarding=boarding)
        if max(odds[PRICE], odds[CTA]) >= 1.2:
            room.cued = max(room.cued, speech.event_ts)
        room.lattice.push(Sentence(speech.event_ts, speech.end_ts, text, odds))
        for sentence, stage in room.lattice.settle(LAG, speech.event_ts - LAG_MS):
            self._place(room, sentence, stage, changed)

    def _named(self, room: Room, text: str) -> str:
        """The sku of the product that a sentence names; empty when none. Two parts of its name must be in the sentence."""
        best, found = 1, ""
        for sku, sheet in room.sheets.items():
            name = sheet.name.replace(" ", "")
            parts = sum(name[index : index + 2] in text for index in range(len(name) - 1))
            if parts > best and 2 * parts >= min(8, len(name) - 1):
                best, found = parts, sku
        return found

    def _note(self, room: Room, product: Product) -> None:
        known = room.sheets.get(product.sku, Sheet())
        if product.sku in room.sheets or len(room.sheets) < MOST_SHEETS:
            attributes = product.attributes
            room.sheets[product.sku] = Sheet(
                product.name or known.name, product.price or known.price,
                attributes.get("品类", known.category), attributes.get("品牌", known.brand),
            )  # fmt: skip

    def _show(self, room: Room, product: Product, changed: Changes) -> None:
        """A hard border, where another product comes on. One that is told too late only names the product."""
        self._note(room, product)
        if product.type == "withdraw" or product.event_ts < room.shown_at:
            return
        again = product.sku == room.shown
        room.shown, room.shown_at = product.sku, product.event_ts
        if again and (room.draft or room.lattice.waiting):
            return
        if not self._begins_with(room, product):
            self._flush(room, changed)
        if not self._begins_with(room, product):
            self._end(room, changed)
            room.lattice.border(product.event_ts)

    def _begins_with(self, room: Room, product: Product) -> bool:
        """Whether the paragraph that is open began with this product's show, which is then told late. If so it is named."""
        draft = room.draft
        if draft is None or draft.start < product.event_ts - 2 * SECOND:
            return False
        draft.sku, draft.pinned = product.sku, True
        return True

    def _sell(self, room: Room, sale: Sale) -> None:
        """An order counts when it was placed, with the amount that is paid for it; told twice it changes nothing."""
        if sale.type not in ("order", "pay"):
            return
        key = order_key(sale.order or sale.id)
        placed = room.orders.get(key)
        if placed is None and room.placed.first(key, sale.event_ts // SECOND):
            room.orders[key] = Order(sale.event_ts, sale.sku, sale.amount)
        elif placed and sale.type == "pay":
            room.orders[key] = Order(placed.ts, sale.sku, sale.amount)
        room.placed.forget((room.clock.now - 10 * ORDERS_MS) // SECOND, MOST_PLACED)
        oldest = room.clock.now - 3 * ORDERS_MS
        if room.orders and next(iter(room.orders.values())).ts < oldest - 10 * SECOND:
            drafts = [*room.waiting, room.draft] if room.draft else room.waiting
            oldest = min([oldest, *(draft.stages.get("cta", oldest) for draft in drafts)])
            kept = [(key, order) for key, order in room.orders.items() if order.ts >= oldest]
            room.orders = dict(kept[-MOST_ORDERS:])

    # ── What is made of it ───────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, room: Room, sentence: Sentence, stage: int, changed: Changes) -> None:
        """Put a settled sentence into the paragraph that is open, or let it end that one, or begin one."""
        draft = room.draft
        named = self._named(room, sentence.text) if stage != IDLE else ""
        if draft and self._ends(draft, sentence, stage, named):
            self._end(room, changed)
            draft = None
        if stage == IDLE:
            if draft and not draft.idle_since:
                draft.idle_since = sentence.start
            return
        if draft is None:
            if stage == CLOSE:
                return  # the tail of what has ended
            on_show = room.shown if sentence.end > room.shown_at else ""
            draft = room.draft = Draft(sentence.start, sentence.end, on_show or named, bool(on_show))
        draft.sku = draft.sku or named
        draft.idle_since = 0
        draft.end = sentence.end
        draft.stages.setdefault(STAGES[stage], sentence.start)
        if len(draft.sentences) < MOST_SENTENCES:
            draft.sentences.append(sentence.text)
        draft.sure += certainty(sentence.odds, stage)
        draft.count += 1
        if draft.count >= FEWEST and not draft.opened:
            draft.opened = True
            changed[draft.start] = draft, OPEN

    def _ends(self, draft: Draft, sentence: Sentence, stage: int, named: str) -> bool:
        """Whether a sentence shows that the paragraph was over before it."""
        if stage == IDLE:
            closed = "close" in draft.stages
            return closed or (draft.idle_since > 0 and sentence.end - draft.idle_since > IDLE_MS)
        if draft.idle_since and sentence.start - draft.idle_since > IDLE_MS:
            return True
        if stage == INTRO:
            far = any(name in draft.stages for name in ("cta", "close"))
            return far or bool(named and draft.sku and named != draft.sku and not draft.pinned)
        return False

    def _flush(self, room: Room, changed: Changes) -> None:
        for sentence, stage in room.lattice.settle(0, 0):
            self._place(room, sentence, stage, changed)

    def _end(self, room: Room, changed: Changes) -> None:
        draft, room.draft = room.draft, None
        if draft and draft.count >= FEWEST:
            changed[draft.start] = draft, ENDED
            room.waiting.append(draft)

    def _end_all(self, room: Room, changed: Changes) -> None:
        self._flush(room, changed)
        self._end(room, changed)
        self._confirm(room, 1 << 62, changed)
        room.lattice = Lattice()

    def _confirm(self, room: Room, until: int, changed: Changes) -> None:
        """Paragraphs whose minute after the call is over by ``until`` are told a last time."""
        for draft in [draft for draft in room.waiting if draft.stages.get("cta", draft.end) + ORDERS_MS <= until]:
            room.waiting.remove(draft)
            if "cta" in draft.stages:
                changed[draft.start] = draft, CONFIRMED

    # ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, name: str, room: Room, changed: Changes, revision: int) -> list[Record]:
        return [paragraph_of(name, room, draft, told, revision) for draft, told in changed.values()]

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            silent = now_ms - room.arrived
            if silent >= self._close_ms and (room.draft or room.waiting or room.lattice.waiting):
                changed: Changes = {}
                self._packer.changed(name)
                room.ingest_ts = now_ms
                self._end_all(room, changed)
                told += self._tell(name, room, changed, revision)
            if silent >= self._forget_ms:
                del self._rooms[name]
        return told

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: records of an absurd time."""
        return {"refused": sum(room.clock.refused for room in self._rooms.values())}

    def dump(self) -> bytes:
        return dump_state("paragraphs", VERSION, (self._sentences.dump(), self._packer.pack(self._rooms)))

    def load(self, data: bytes) -> None:
        sentences, rooms = load_state(data, "paragraphs", VERSION, tuple[bytes, dict[str, msgspec.Raw]])
        self._sentences.load(sentences)
        self._rooms = self._packer.unpack("paragraphs", rooms)


def _name(speech: Speech) -> str:
    return f"{len(speech.room)}:{speech.room}{len(speech.source)}:{speech.source}{speech.id}"
