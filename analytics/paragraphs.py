"""Product paragraphs: from when to when the host talks about which product, and how far it came.

Sentences get their stages with a lag of a few sentences (``analytics/stages.py``). A paragraph begins with an introduction and
ends with its close, with the next introduction, after half a minute of idle talk, or at a hard border: another product is
shown or pinned. It is complete when intro, feature, price and call were all there, else partial. It is told when it begins
(``open``), when it ends, and once more a minute after the call, with the orders that followed it.

Speech and sales come by two topics, and after a pause of the reader either may run far ahead. So each has its own newest time:
a host is silent when the next sentence is a minute after the last, or none comes for a minute of the reader's clock; and orders
are waited for until sales have passed their minute, up to two minutes behind the host, or none come for five seconds.

A sentence that is sent again within ten minutes is left out (its client may have met a gateway that died before it answered);
a sale is known by its order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from analytics.clock import FAR_MS, JUMP_MS, RoomClock
from analytics.dedupe import Deduplicator
from analytics.drafts import CONFIRMED, ENDED, OPEN, ORDERS_MS, SECOND, Changes, Draft, Order, Room, paragraph_of
from analytics.labels import Sheet
from analytics.placed import Placed, order_key
from analytics.reader import Reader
from analytics.stages import CLOSE, CTA, IDLE, INTRO, NEAR_MS, PRICE, STAGES, Cues, Lattice, Sentence, certainty, load_cues
from analytics.state import Packer, dump_state, load_state
from analytics.till import WAIT_MS, Till
from streams.records import InvalidError, Product, Record, Sale, Speech

VERSION = 4
HOUR = 3_600 * SECOND
LAG = 3
LAG_MS = 15 * SECOND
IDLE_MS = 30 * SECOND
SILENT_MS = 60 * SECOND
SALES_BOUND_MS = 5 * SECOND
BEHIND_MS = 600 * SECOND  # how far speech may be behind sales
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
        self._reader = Reader()

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
        room.arrived = max(room.arrived, self._reader.arrived(record.ingest_ts))
        room.ingest_ts = record.ingest_ts
        changed: Changes = {}
        if isinstance(record, Sale):
            self._sell(room, record)
        elif self._in_time(room, record, changed):
            if isinstance(record, Speech):
                self._hear(room, record, changed)
            else:
                self._show(room, record, changed)
        elif isinstance(record, Product):
            self._note(room, record)
        if room.till.clock and room.till.now - room.heard > BEHIND_MS:
            self._fall_silent(room, changed)
        self._confirm(room, self._sold(room) - SALES_BOUND_MS, changed)
        return self._tell(record.room, room, changed, revision)

    def _in_time(self, room: Room, record: Speech | Product, changed: Changes) -> bool:
        """Whether a time of the room's own devices can be true. One that goes back begins another sitting."""
        before, moves = room.clock.now, room.clock.moves
        if not room.clock.accept(record.end_ts if isinstance(record, Speech) else record.event_ts, jump_ms=FAR_MS):
            return False
        if room.clock.moves > moves and room.clock.now < before:
            self._end_all(room, changed)
            room.shown_at, room.heard, room.orders, room.placed = 0, 0, {}, Placed()
            room.till = Till()
        return True

    def _sold(self, room: Room) -> int:
        """Up to when the sales are all here."""
        return max(room.till.sold_until(room.clock.now), room.clock.now - WAIT_MS)

    def _fall_silent(self, room: Room, changed: Changes) -> None:
        if room.draft or room.lattice.waiting:
            self._flush(room, changed)
            self._end(room, changed)

    # ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, room: Room, speech: Speech, changed: Changes) -> None:
        text = speech.text[:MOST_TEXT]
        if room.heard and speech.event_ts - room.heard > SILENT_MS:
            self._fall_silent(room, changed)
        room.heard, room.speech_arrived = max(room.heard, speech.end_ts), room.arrived
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
        before = room.till.now or sale.event_ts
        ahead = min(max(0, room.clock.now - before) + JUMP_MS, FAR_MS)  # of the host, or it takes three of them
        if not room.till.accept(sale, room.arrived, jump_ms=ahead):
            return
        key = order_key(sale.order or sale.id)
        placed = room.orders.get(key)
        if placed is None and room.placed.first(key, sale.event_ts // SECOND):
            room.orders[key] = Order(sale.event_ts, sale.sku, sale.amount)
        elif placed and sale.type == "pay":
            room.orders[key] = Order(placed.ts, sale.sku, sale.amount)
        room.placed.forget((room.till.now - BEHIND_MS) // SECOND, MOST_PLACED)
        oldest = max(min(room.till.now, room.heard or room.till.now), room.till.now - BEHIND_MS) - 3 * ORDERS_MS
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
        self._reader.tick(now_ms)
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            changed: Changes = {}
            forgotten = now_ms - room.arrived >= self._forget_ms
            if forgotten or self._reader.silent(now_ms, room.arrived) >= self._close_ms:
                if room.draft or room.waiting or room.lattice.waiting:
                    self._packer.changed(name)
                    self._end_all(room, changed)
            else:
                self._idle(name, room, now_ms, changed)
            if changed:
                room.ingest_ts = now_ms
                told += self._tell(name, room, changed, revision)
            if forgotten:
                del self._rooms[name]
        return told

    def _idle(self, name: str, room: Room, now_ms: int, changed: Changes) -> None:
        """One topic has fallen silent while others go on."""
        if self._reader.silent(now_ms, room.speech_arrived) >= SILENT_MS and (room.draft or room.lattice.waiting):
            self._packer.changed(name)
            self._fall_silent(room, changed)
        if room.waiting and room.till.run_on(self._reader, now_ms):
            self._packer.changed(name)
            self._confirm(room, self._sold(room) - SALES_BOUND_MS, changed)

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: records of an absurd time."""
        clocks = [clock for room in self._rooms.values() for clock in (room.clock, room.till.clock) if clock]
        return {"refused": sum(clock.refused for clock in clocks)}

    def dump(self) -> bytes:
        return dump_state("paragraphs", VERSION, (self._sentences.dump(), self._reader, self._packer.pack(self._rooms)))

    def load(self, data: bytes) -> None:
        state = load_state(data, "paragraphs", VERSION, tuple[bytes, Reader, dict[str, msgspec.Raw]])
        sentences, self._reader, rooms = state
        self._sentences.load(sentences)
        self._rooms = self._packer.unpack("paragraphs", rooms)


def _name(speech: Speech) -> str:
    return f"{len(speech.room)}:{speech.room}{len(speech.source)}:{speech.source}{speech.id}"
