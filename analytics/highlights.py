"""Highlights: moments in which the whole room was moved, found while they happen.

The popular way, the densest minute of chat, finds the opening hello. Here a moment needs several signals at once, each against
the room's own normal: chat (each text and each person once a second), excitement and orders. Viewers answer with a delay, so
chat is read 12 s and orders 35 s after the moment. The score is emotion^0.4 · orders^0.4 · chat^0.2, over those signals that
the room has at all. A peak must stand out within three minutes; a dull room has no highlight, and there is no quota.

A moment is told as provisional after 25 s, by chat alone, and as final or withdrawn after 90 s, when its orders are known. All
by event time; a room that has fallen silent is closed by a tick, with what is known.

Chat and sales come by two topics. After a pause of the reader either may run far ahead, and a shop's clock may be another than
the platform's; so each has its own newest time, and the end of a moment is judged when both have passed it. Sales are waited
for up to two minutes of chat; when none have come for five seconds of the reader's clock, their time runs on with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from analytics.clock import FAR_MS, RoomClock
from analytics.highlight_judge import APART_S, SECOND, HighlightRoom, Judge, Told
from analytics.moment import BEHIND_S, CHAT_BOUND_S, FINAL_S, SALES_BOUND_S, Signals, new_signals
from analytics.placed import Placed, order_key
from analytics.reader import Reader
from analytics.state import Packer, dump_state, load_state
from analytics.till import Till
from streams.records import ComprehendedEnvelope, Highlight, Product, Record, Sale, UnderstoodChat

VERSION = 4
HOUR = 3_600 * SECOND
PROVISIONAL_S = 25
MOST_SOLD = 3_600  # seconds with sales, which may be that far ahead of chat
SAME_S = 30
MOST_NAMES, MOST_SHOWN, MOST_ORDERS = 500, 100, 1_000


class HighlightOperator:
    """Comprehended chat, sales and product sheets in, :class:`Highlight` out.

    ``chat_lag_s`` and ``order_lag_s``: how long after a moment viewers write and orders come, the most important settings.
    ``drop_s``: what is left out at a room's start. ``close_ms``: silence after which a tick closes a room.
    """

    def __init__(
        self, *, chat_lag_s: int = 12, order_lag_s: int = 35, drop_s: int = 120,
        close_ms: int = 15 * SECOND, forget_ms: int = HOUR,
    ) -> None:  # fmt: skip
        self._judge = Judge(chat_lag_s, order_lag_s, drop_s)
        self._close_ms, self._forget_ms = close_ms, forget_ms
        self._rooms: dict[str, HighlightRoom] = {}
        self._packer: Packer[HighlightRoom] = Packer(HighlightRoom)
        self._reader = Reader()

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        if isinstance(record, Product):
            self._show(self._room(record), record)
            return ()
        told: list[Highlight] = []
        if isinstance(record, ComprehendedEnvelope):
            room = self._room(record)
            room.chat_arrived = room.arrived
            for message in record.messages:
                told += self._hear(record.room, room, message, record.ingest_ts, revision)
        elif isinstance(record, Sale) and record.type in ("order", "pay"):
            room = self._room(record)
            self._sell(room, record)
        else:
            return ()
        told += self._advance(record.room, room, record.ingest_ts, revision)
        return _last(told) if told else ()

    def _room(self, record: Record) -> HighlightRoom:
        room = self._rooms.get(record.room)
        if room is None:
            room = self._rooms[record.room] = HighlightRoom(record.ingest_ts)
        room.arrived = max(room.arrived, self._reader.arrived(record.ingest_ts))
        self._packer.changed(record.room)
        return room

    def _show(self, room: HighlightRoom, product: Product) -> None:
        if product.name and (product.sku in room.names or len(room.names) < MOST_NAMES):
            room.names[product.sku] = product.name
        if product.type != "withdraw":
            room.shown = sorted([*room.shown, (product.event_ts // SECOND, product.sku)])[-MOST_SHOWN:]

    def _hear(self, name: str, room: HighlightRoom, message: UnderstoodChat, ingest_ts: int, revision: int) -> list[Highlight]:
        """Put a message into its second, unless that one is closed. A clock that moves ends what was before."""
        ts, told = message.event_ts, list[Highlight]()
        if room.clock is None:
            room.clock = RoomClock(ts)
        before, moves = room.clock.now, room.clock.moves
        if not room.clock.accept(ts, message.user):
            return told
        if room.signals and room.clock.moves > moves:
            told = self._close(name, room, ingest_ts, revision)
            room.signals = None
            if room.clock.now < before:  # a recording that is played again: its orders are new ones
                room.told, room.sales, room.placed, room.till = [], {}, Placed(), Till()
        if room.signals is None:
            start = room.clock.now // SECOND
            room.signals, room.judged = new_signals(start), start - 1
            room.sales = {second: sold for second, sold in room.sales.items() if second >= start}
            room.signals.sold = bool(room.sales)
        signals, second = room.signals, ts // SECOND
        signals.newest = max(signals.newest, min(ts, room.clock.now) // SECOND)
        if second < signals.chat.track.next:
            room.late += 1
        else:
            signals.bin(second).add(message)
        return told

    def _sell(self, room: HighlightRoom, sale: Sale) -> None:
        """Put an order into its second, unless that one is closed. Its chat may not be here yet."""
        # Sales are few, so each may move their time: what is closed goes no further than chat, whatever one says.
        if not room.till.accept(sale, room.arrived, jump_ms=FAR_MS):
            return
        second = sale.event_ts // SECOND
        if room.signals and second < room.signals.orders.track.next:
            room.late += 1
            return
        if not room.placed.first(order_key(sale.order or sale.id), second):
            return  # placed before, paid now, or told twice: one order
        sold = room.sales.setdefault(second, {})
        sold[sale.sku] = sold.get(sale.sku, 0) + 1
        if len(room.sales) > MOST_SOLD:
            del room.sales[min(room.sales)]
        if room.signals:
            room.signals.sold = True

    def _advance(self, name: str, room: HighlightRoom, ingest_ts: int, revision: int) -> list[Highlight]:
        """Close the seconds that are old enough, one by one, and tell what follows."""
        signals = room.signals
        if signals is None:
            return []
        told: list[Highlight] = []
        closed, last = signals.chat.track.next, signals.newest - CHAT_BOUND_S + 1
        if last <= closed and room.orders_until(closed) <= signals.orders.track.next:
            return []
        for until in range(closed, max(closed, last) + 1):
            signals.close_chat(until)
            told += self._find(name, room, signals, until - 1 + CHAT_BOUND_S, ingest_ts, revision) if until > closed else []
            signals.close_orders(room.orders_until(until), room.sales)
            judged = min(until - 1 + CHAT_BOUND_S - FINAL_S, signals.orders.track.next - 1 + SALES_BOUND_S - FINAL_S)
            told += self._finish(name, room, signals, judged, ingest_ts, revision)
        if signals.chat.track.next > closed:
            self._forget(room, signals)
        return told

    def _forget(self, room: HighlightRoom, signals: Signals) -> None:
        signals.forget(room.judged)
        oldest = min(room.judged - BEHIND_S, signals.orders.track.next)
        if room.sales and min(room.sales) < oldest:
            room.sales = {second: sold for second, sold in room.sales.items() if second >= oldest}
        room.placed.forget(signals.newest - 10 * 60, MOST_ORDERS)

    def _find(
        self, name: str, room: HighlightRoom, signals: Signals, now: int, ingest_ts: int, revision: int
    ) -> list[Highlight]:
        """A new provisional moment, in the second ``now``."""
        fresh = now - PROVISIONAL_S
        if not self._judge.stands_out(signals, room, fresh, final=False) or room.near(fresh, APART_S):
            return []
        room.told.append(Told(fresh, fresh, "provisional"))
        return [self._judge.tell(name, room, signals, room.told[-1], ingest_ts, revision)]

    def _finish(
        self, name: str, room: HighlightRoom, signals: Signals, second: int, ingest_ts: int, revision: int
    ) -> list[Highlight]:
        """Judge all seconds up to ``second`` to the end."""
        told: list[Highlight] = []
        while room.judged < second:
            room.judged += 1
            waiting = next((m for m in room.told if m.status == "provisional" and m.second == room.judged), None)
            if waiting:
                around = range(waiting.second - SAME_S, waiting.second + SAME_S + 1)
                peak = max(around, key=lambda at: (self._judge.score(signals, at, room.judged) or 0.0, -at))
                waiting.peak = peak
                waiting.status = "final" if self._judge.stands_out(signals, room, peak, final=True) else "withdrawn"
                told.append(self._judge.tell(name, room, signals, waiting, ingest_ts, revision))
            elif self._judge.stands_out(signals, room, room.judged, final=True) and not room.near(room.judged, APART_S):
                room.told.append(Told(room.judged, room.judged, "final"))
                told.append(self._judge.tell(name, room, signals, room.told[-1], ingest_ts, revision))
            room.told = [m for m in room.told if m.second > room.judged - 2 * APART_S]
        return told

    def _close(self, name: str, room: HighlightRoom, ingest_ts: int, revision: int) -> list[Highlight]:
        """Judge a room with what is known, up to the moments whose chat is known."""
        signals = room.signals
        if signals is None or room.judged >= self._judge.last(signals):
            return []
        self._packer.changed(name)
        signals.close_chat(signals.newest + 1)
        signals.close_orders(signals.newest + 1, room.sales)
        return self._finish(name, room, signals, self._judge.last(signals), ingest_ts, revision)

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        self._reader.tick(now_ms)
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            forgotten = now_ms - room.arrived >= self._forget_ms
            if forgotten or self._reader.silent(now_ms, room.arrived) >= self._close_ms:
                told += _last(self._close(name, room, now_ms, revision))
            else:
                told += _last(self._idle(name, room, now_ms, revision))
            if forgotten:
                del self._rooms[name]
        return told

    def _idle(self, name: str, room: HighlightRoom, now_ms: int, revision: int) -> list[Highlight]:
        """One topic has fallen silent while the other goes on: let its time run on."""
        if room.clock is None or room.signals is None or room.till.clock is None:
            return []
        newest = room.signals.newest
        if self._reader.silent(now_ms, room.chat_arrived) >= self._close_ms:
            newest = max(newest, min(room.till.now, room.clock.now + now_ms - room.chat_arrived) // SECOND)
        if not room.till.run_on(self._reader, now_ms) and newest == room.signals.newest:
            return []
        self._packer.changed(name)
        room.signals.newest = newest
        return self._advance(name, room, now_ms, revision)

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: records of an absurd time, and of a second that was closed."""
        rooms = self._rooms.values()
        clocks = [clock for room in rooms for clock in (room.clock, room.till.clock) if clock]
        return {"refused": sum(clock.refused for clock in clocks), "late": sum(room.late for room in rooms)}

    def dump(self) -> bytes:
        return dump_state("highlights", VERSION, (self._reader, self._packer.pack(self._rooms)))

    def load(self, data: bytes) -> None:
        self._reader, rooms = load_state(data, "highlights", VERSION, tuple[Reader, dict[str, msgspec.Raw]])
        self._rooms = self._packer.unpack("highlights", rooms)


def _last(told: Sequence[Highlight]) -> list[Highlight]:
    """Of each moment its last state: one id has one content in one revision. What came and went says nothing."""
    last = {highlight.id: highlight for highlight in told}
    fresh = {highlight.id for highlight in told if highlight.status == "provisional"}
    return [each for each in last.values() if each.status != "withdrawn" or each.id not in fresh]
