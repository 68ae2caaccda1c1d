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
from typing import Literal

import msgspec

from analytics.clock import FAR_MS, RoomClock
from analytics.moment import AROUND_S, BEHIND_S, CHAT_BOUND_S, FINAL_S, SALES_BOUND_S, Signals, new_signals, score
from analytics.placed import Placed, order_key
from analytics.reader import Reader
from analytics.signals import prominence
from analytics.state import Packer, dump_state, load_state
from streams.records import ComprehendedEnvelope, Highlight, Product, Record, Sale, UnderstoodChat

VERSION = 3
SECOND = 1_000
HOUR = 3_600 * SECOND
PROVISIONAL_S = 25
WAIT_S = 120  # of chat, for sales that are behind
SALES_IDLE_MS = 5 * SECOND
MOST_SOLD = 3_600  # seconds with sales, which may be that far ahead of chat
APART_S, REACH_S, SAME_S = 45, 90, 30
FLOOR, PROMINENT = 2.0, 1.8
ALONE_FLOOR, ALONE_PROMINENT = 3.0, 2.5  # where there are no sales to bear a moment out
FEWEST_PEOPLE, FEWEST_TEXTS, FEWEST_ORDERS = 5, 4, 3
BEFORE_S, AFTER_S = 18, 12
MOST_NAMES, MOST_SHOWN, MOST_ORDERS = 500, 100, 1_000
Status = Literal["provisional", "final", "withdrawn"]


class _Told(msgspec.Struct, array_like=True):
    """A moment that was told: the second of its id, the second where it is now, and its status."""

    second: int
    peak: int
    status: Status


class _Room(msgspec.Struct, array_like=True):
    """``*arrived`` are by the reader's clock, ``clock`` and ``till`` by event time: chat's and the shop's."""

    arrived: int
    chat_arrived: int = 0
    sale_arrived: int = 0
    clock: RoomClock | None = None
    till: RoomClock | None = None
    sales_until: int = 0  # while no sale comes: how far the shop's time has run on
    signals: Signals | None = None
    judged: int = 0  # the last second that was judged to the end
    told: list[_Told] = []
    placed: Placed = msgspec.field(default_factory=Placed)
    sales: dict[int, dict[str, int]] = {}  # second → sku → orders
    names: dict[str, str] = {}
    shown: list[tuple[int, str]] = []
    late: int = 0

    def orders_until(self, chat_until: int) -> int:
        """Before which second orders may be closed, when chat is closed before ``chat_until``."""
        due = chat_until + CHAT_BOUND_S - SALES_BOUND_S
        if self.till is None:
            return due
        sold = max(self.till.now, self.sales_until) // SECOND - SALES_BOUND_S + 1
        return min(due, max(sold, due - WAIT_S))


class HighlightOperator:
    """Comprehended chat, sales and product sheets in, :class:`Highlight` out.

    ``chat_lag_s`` and ``order_lag_s``: how long after a moment viewers write and orders come, the most important settings.
    ``drop_s``: what is left out at a room's start. ``close_ms``: silence after which a tick closes a room.
    """

    def __init__(
        self, *, chat_lag_s: int = 12, order_lag_s: int = 35, drop_s: int = 120,
        close_ms: int = 15 * SECOND, forget_ms: int = HOUR,
    ) -> None:  # fmt: skip
        self._chat_lag, self._order_lag, self._drop = chat_lag_s, order_lag_s, drop_s
        self._close_ms, self._forget_ms = close_ms, forget_ms
        self._rooms: dict[str, _Room] = {}
        self._packer: Packer[_Room] = Packer(_Room)
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

    def _room(self, record: Record) -> _Room:
        room = self._rooms.get(record.room)
        if room is None:
            room = self._rooms[record.room] = _Room(record.ingest_ts)
        room.arrived = max(room.arrived, self._reader.arrived(record.ingest_ts))
        self._packer.changed(record.room)
        return room

    def _show(self, room: _Room, product: Product) -> None:
        if product.name and (product.sku in room.names or len(room.names) < MOST_NAMES):
            room.names[product.sku] = product.name
        if product.type != "withdraw":
            room.shown = sorted([*room.shown, (product.event_ts // SECOND, product.sku)])[-MOST_SHOWN:]

    def _hear(self, name: str, room: _Room, message: UnderstoodChat, ingest_ts: int, revision: int) -> list[Highlight]:
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
                room.told, room.sales, room.placed, room.till, room.sales_until = [], {}, Placed(), None, 0
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

    def _sell(self, room: _Room, sale: Sale) -> None:
        """Put an order into its second, unless that one is closed. Its chat may not be here yet."""
        if room.till is None:
            room.till = RoomClock(sale.event_ts)
        # Sales are few, so each may move their time: what is closed goes no further than chat, whatever one says.
        if not room.till.accept(sale.event_ts, sale.user or sale.order or sale.id, jump_ms=FAR_MS):
            return
        room.sale_arrived = room.arrived
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

    def _advance(self, name: str, room: _Room, ingest_ts: int, revision: int) -> list[Highlight]:
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

    def _forget(self, room: _Room, signals: Signals) -> None:
        signals.forget(room.judged)
        oldest = min(room.judged - BEHIND_S, signals.orders.track.next)
        if room.sales and min(room.sales) < oldest:
            room.sales = {second: sold for second, sold in room.sales.items() if second >= oldest}
        room.placed.forget(signals.newest - 10 * 60, MOST_ORDERS)

    def _find(self, name: str, room: _Room, signals: Signals, now: int, ingest_ts: int, revision: int) -> list[Highlight]:
        """A new provisional moment, in the second ``now``."""
        fresh = now - PROVISIONAL_S
        if not self._stands_out(signals, room, fresh, final=False) or self._near(room, fresh, APART_S):
            return []
        room.told.append(_Told(fresh, fresh, "provisional"))
        return [self._highlight(name, room, signals, room.told[-1], ingest_ts, revision)]

    def _finish(self, name: str, room: _Room, signals: Signals, second: int, ingest_ts: int, revision: int) -> list[Highlight]:
        """Judge all seconds up to ``second`` to the end."""
        told: list[Highlight] = []
        while room.judged < second:
            room.judged += 1
            waiting = next((m for m in room.told if m.status == "provisional" and m.second == room.judged), None)
            if waiting:
                around = range(waiting.second - SAME_S, waiting.second + SAME_S + 1)
                peak = max(around, key=lambda at: (self._score(signals, at, room.judged) or 0.0, -at))
                waiting.peak = peak
                waiting.status = "final" if self._stands_out(signals, room, peak, final=True) else "withdrawn"
                told.append(self._highlight(name, room, signals, waiting, ingest_ts, revision))
            elif self._stands_out(signals, room, room.judged, final=True) and not self._near(room, room.judged, APART_S):
                room.told.append(_Told(room.judged, room.judged, "final"))
                told.append(self._highlight(name, room, signals, room.told[-1], ingest_ts, revision))
            room.told = [m for m in room.told if m.second > room.judged - 2 * APART_S]
        return told

    def _near(self, room: _Room, second: int, apart: int) -> bool:
        return any(m.status != "withdrawn" and min(abs(m.second - second), abs(m.peak - second)) <= apart for m in room.told)

    def _score(self, signals: Signals, second: int, judged: int | None = None) -> float | None:
        chat, emotion, orders = signals.values(second, self._chat_lag, self._order_lag, judged)
        return score(chat, emotion, orders if signals.sold else None)

    def _chat_score(self, signals: Signals, second: int) -> float | None:
        chat, emotion, _ = signals.values(second, self._chat_lag, self._order_lag)
        return score(chat, emotion, None)

    def _stands_out(self, signals: Signals, room: _Room, second: int, *, final: bool) -> bool:
        """Whether a second is a moment: the highest far around, high, prominent, with people behind it."""
        if second < signals.start + self._drop:
            return False

        def rate(at: int) -> float | None:
            return self._score(signals, at, room.judged) if final else self._chat_score(signals, at)

        floor, prominent = (FLOOR, PROMINENT) if signals.sold else (ALONE_FLOOR, ALONE_PROMINENT)
        height = rate(second)
        if height is None or height < floor:
            return False
        around = [rate(at) for at in range(second - APART_S, second + APART_S + 1)]
        if any(other is not None and other > height for other in around):
            return False
        if prominence(rate, second, REACH_S) < prominent:
            return False
        people, texts, orders = self._behind(signals, room, second)
        crowd = people >= FEWEST_PEOPLE and texts >= FEWEST_TEXTS
        return crowd and (not final or not signals.sold or orders >= FEWEST_ORDERS)

    def _behind(self, signals: Signals, room: _Room, second: int) -> tuple[int, int, int]:
        """How many people, in how many texts, were moved by a moment, and how many orders followed it."""
        bins = signals.bins
        moved = [pair for at in self._chat_of(second) if at in bins for pair in bins[at].movers()]
        orders = sum(sum(room.sales[at].values()) for at in self._sales_of(second) if at in room.sales)
        return len({user for _, user in moved}), len({text for text, _ in moved}), orders

    def _chat_of(self, second: int) -> range:
        return range(second + self._chat_lag - AROUND_S, second + self._chat_lag + AROUND_S + 1)

    def _sales_of(self, second: int) -> range:
        return range(second + self._order_lag - 20, second + self._order_lag + 21)

    def _sku(self, room: _Room, second: int) -> tuple[str, int]:
        """What was sold most in answer to a moment, and how often; else what was on show, 0."""
        counts: dict[str, int] = {}
        for at in self._sales_of(second):
            for sku, count in room.sales.get(at, {}).items():
                counts[sku] = counts.get(sku, 0) + count
        if counts:
            best = max(sorted(counts), key=counts.__getitem__)
            return best, counts[best]
        return next((sku for at, sku in reversed(room.shown) if at <= second), ""), 0

    def _highlight(
        self, name: str, room: _Room, signals: Signals, told: _Told, ingest_ts: int, revision: int
    ) -> Highlight:  # fmt: skip
        judged = None if told.status == "provisional" else room.judged
        chat, emotion, orders = signals.values(told.peak, self._chat_lag, self._order_lag, judged)
        value = score(chat, emotion, orders if judged is not None and signals.sold else None)
        sku, sold = self._sku(room, told.peak)
        return Highlight(
            room=name,
            event_ts=told.peak * SECOND,
            ingest_ts=ingest_ts,
            id=f"highlight:{name}:{told.second}",
            revision=revision,
            start_ts=(told.peak - BEFORE_S) * SECOND,
            end_ts=(told.peak + AFTER_S) * SECOND,
            status=told.status,
            score=round(value or 0.0, 3),
            chat_z=round(chat or 0.0, 3),
            emotion_z=round(emotion or 0.0, 3),
            orders_z=round(orders or 0.0, 3),
            title=self._title(room, signals, told.peak, sku, sold),
            sku=sku,
        )

    def _title(self, room: _Room, signals: Signals, second: int, sku: str, sold: int) -> str:
        product = room.names.get(sku, sku)
        if product and sold:
            return f"{product} · {sold} 单"
        if product:
            return product
        chat = (signals.bins.get(at) for at in self._chat_of(second))
        said = max((b for b in chat if b and b.example), key=lambda b: (b.felt, b.example), default=None)
        return f"弹幕：{said.example}" if said else "高光时刻"

    def _close(self, name: str, room: _Room, ingest_ts: int, revision: int) -> list[Highlight]:
        """Judge a room with what is known, up to the moments whose chat is known."""
        signals = room.signals
        if signals is None or room.judged >= self._last(signals):
            return []
        self._packer.changed(name)
        signals.close_chat(signals.newest + 1)
        signals.close_orders(signals.newest + 1, room.sales)
        return self._finish(name, room, signals, self._last(signals), ingest_ts, revision)

    def _last(self, signals: Signals) -> int:
        return signals.newest - self._chat_lag - AROUND_S

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

    def _idle(self, name: str, room: _Room, now_ms: int, revision: int) -> list[Highlight]:
        """One topic has fallen silent while the other goes on: let its time run on."""
        if room.clock is None or room.signals is None or room.till is None:
            return []
        newest, until = room.signals.newest, room.sales_until
        if self._reader.silent(now_ms, room.chat_arrived) >= self._close_ms:
            newest = max(newest, min(room.till.now, room.clock.now + now_ms - room.chat_arrived) // SECOND)
        if self._reader.silent(now_ms, room.sale_arrived) >= SALES_IDLE_MS:
            until = max(until, room.till.now + now_ms - room.sale_arrived)
        if (newest, until) == (room.signals.newest, room.sales_until):
            return []
        self._packer.changed(name)
        room.signals.newest, room.sales_until = newest, until
        return self._advance(name, room, now_ms, revision)

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: records of an absurd time, and of a second that was closed."""
        rooms = self._rooms.values()
        clocks = [clock for room in rooms for clock in (room.clock, room.till) if clock]
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
