"""Highlights: moments in which the whole room was moved, found while they happen.

The popular way, the densest minute of chat, finds the opening hello. Here a moment needs several signals at once, each against
the room's own normal: chat (each text and each person once a second), excitement and orders. Viewers answer with a delay, so
chat is read 12 s and orders 35 s after the moment. The score is emotion^0.4 · orders^0.4 · chat^0.2, over those signals that
the room has at all. A peak must stand out within three minutes; a dull room has no highlight, and there is no quota.

A moment is told as provisional after 25 s, by chat alone, and as final or withdrawn after 90 s, when its orders are known. All
by event time; a room that has fallen silent is closed by a tick, with what is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from analytics.clock import RoomClock
from analytics.moment import AROUND_S, CHAT_BOUND_S, SALES_BOUND_S, Signals, new_signals, score
from analytics.placed import Placed, order_key
from analytics.signals import prominence
from analytics.state import Packer, dump_state, load_state
from streams.records import ComprehendedEnvelope, Highlight, Product, Record, Sale

VERSION = 2
SECOND = 1_000
HOUR = 3_600 * SECOND
PROVISIONAL_S, FINAL_S = 25, 90
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
    arrived: int
    clock: RoomClock | None = None
    signals: Signals | None = None
    judged: int = 0  # the last second that was judged to the end
    told: list[_Told] = []
    placed: Placed = msgspec.field(default_factory=Placed)
    names: dict[str, str] = {}
    shown: list[tuple[int, str]] = []
    late: int = 0


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

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        if isinstance(record, Product):
            self._show(self._room(record), record)
            return ()
        if isinstance(record, ComprehendedEnvelope):
            times = [(message.event_ts, message.user) for message in record.messages]
        elif isinstance(record, Sale) and record.type in ("order", "pay"):
            times = [(record.event_ts, record.user or record.order or record.id)]
        else:
            return ()
        room = self._room(record)
        told: list[Record] = []
        for index, (ts, voice) in enumerate(times):
            if room.clock is None:
                room.clock = RoomClock(ts)
            moves = room.clock.moves
            if not room.clock.accept(ts, voice):
                continue
            if room.signals and room.clock.moves > moves:
                told += self._close(record.room, room, record.ingest_ts, revision)
                room.signals = None
            if room.signals is None:
                start = room.clock.now // SECOND
                room.signals, room.judged = new_signals(start), start - 1
            room.signals.newest = max(room.signals.newest, min(ts, room.clock.now) // SECOND)
            self._count(room, room.signals, record, index, ts // SECOND)
        return told + self._advance(record.room, room, record.ingest_ts, revision)

    def _room(self, record: Record) -> _Room:
        room = self._rooms.get(record.room)
        if room is None:
            room = self._rooms[record.room] = _Room(record.ingest_ts)
        room.arrived = max(room.arrived, record.ingest_ts)
        self._packer.changed(record.room)
        return room

    def _show(self, room: _Room, product: Product) -> None:
        if product.name and (product.sku in room.names or len(room.names) < MOST_NAMES):
            room.names[product.sku] = product.name
        if product.type != "withdraw":
            room.shown = sorted([*room.shown, (product.event_ts // SECOND, product.sku)])[-MOST_SHOWN:]

    def _count(self, room: _Room, signals: Signals, record: Record, index: int, second: int) -> None:
        """Put one message or order into its second, unless that one is closed."""
        if isinstance(record, ComprehendedEnvelope):
            if second < signals.chat.track.next:
                room.late += 1
            else:
                signals.bin(second).add(record.messages[index])
        elif second < signals.orders.track.next:
            room.late += 1
        elif isinstance(record, Sale):
            if not room.placed.first(order_key(record.order or record.id), second):
                return  # placed before, paid now, or told twice: one order
            signals.sold = True
            sold = signals.bin(second).orders
            sold[record.sku] = sold.get(record.sku, 0) + 1

    def _advance(self, name: str, room: _Room, ingest_ts: int, revision: int) -> list[Record]:
        """Close the seconds that are old enough, one by one, and tell what follows."""
        signals = room.signals
        if signals is None:
            return []
        told: list[Record] = []
        for now in range(signals.chat.track.next, signals.newest - CHAT_BOUND_S + 1):
            signals.advance(now + 1, now + 1 - SALES_BOUND_S + CHAT_BOUND_S)
            told += self._judge(name, room, signals, now + CHAT_BOUND_S, ingest_ts, revision)
        room.placed.forget(signals.newest - 10 * 60, MOST_ORDERS)
        return told

    def _judge(self, name: str, room: _Room, signals: Signals, now: int, ingest_ts: int, revision: int) -> list[Record]:
        """What there is to tell in the second ``now``: a new provisional moment, and the end of waiting for an older one."""
        told: list[Record] = []
        fresh = now - PROVISIONAL_S
        if self._stands_out(signals, fresh, final=False) and not self._near(room, fresh, APART_S):
            room.told.append(_Told(fresh, fresh, "provisional"))
            told.append(self._highlight(name, room, signals, room.told[-1], ingest_ts, revision))
        return told + self._finish(name, room, signals, now - FINAL_S, ingest_ts, revision)

    def _finish(self, name: str, room: _Room, signals: Signals, second: int, ingest_ts: int, revision: int) -> list[Record]:
        """Judge all seconds up to ``second`` to the end."""
        told: list[Record] = []
        while room.judged < second:
            room.judged += 1
            waiting = next((m for m in room.told if m.status == "provisional" and m.second == room.judged), None)
            if waiting:
                around = range(waiting.second - SAME_S, waiting.second + SAME_S + 1)
                peak = max(around, key=lambda at: (self._score(signals, at) or 0.0, -at))
                waiting.peak = peak
                waiting.status = "final" if self._stands_out(signals, peak, final=True) else "withdrawn"
                told.append(self._highlight(name, room, signals, waiting, ingest_ts, revision))
            elif self._stands_out(signals, room.judged, final=True) and not self._near(room, room.judged, APART_S):
                room.told.append(_Told(room.judged, room.judged, "final"))
                told.append(self._highlight(name, room, signals, room.told[-1], ingest_ts, revision))
        room.told = [m for m in room.told if m.second > second - 2 * APART_S]
        return told

    def _near(self, room: _Room, second: int, apart: int) -> bool:
        return any(m.status != "withdrawn" and min(abs(m.second - second), abs(m.peak - second)) <= apart for m in room.told)

    def _score(self, signals: Signals, second: int) -> float | None:
        chat, emotion, orders = signals.values(second, self._chat_lag, self._order_lag)
        return score(chat, emotion, orders if signals.sold else None)

    def _chat_score(self, signals: Signals, second: int) -> float | None:
        chat, emotion, _ = signals.values(second, self._chat_lag, self._order_lag)
        return score(chat, emotion, None)

    def _stands_out(self, signals: Signals, second: int, *, final: bool) -> bool:
        """Whether a second is a moment: the highest far around, high, prominent, with people behind it."""
        if second < signals.start + self._drop:
            return False
        rate = self._score if final else self._chat_score
        floor, prominent = (FLOOR, PROMINENT) if signals.sold else (ALONE_FLOOR, ALONE_PROMINENT)
        height = rate(signals, second)
        if height is None or height < floor:
            return False
        around = [rate(signals, at) for at in range(second - APART_S, second + APART_S + 1)]
        if any(other is not None and other > height for other in around):
            return False
        if prominence(lambda at: rate(signals, at), second, REACH_S) < prominent:
            return False
        people, texts, orders = self._behind(signals, second)
        crowd = people >= FEWEST_PEOPLE and texts >= FEWEST_TEXTS
        return crowd and (not final or not signals.sold or orders >= FEWEST_ORDERS)

    def _behind(self, signals: Signals, second: int) -> tuple[int, int, int]:
        """How many people, in how many texts, were moved by a moment, and how many orders followed it."""
        bins = signals.bins
        moved = [pair for at in self._chat_of(second) if at in bins for pair in bins[at].movers()]
        orders = sum(sum(bins[at].orders.values()) for at in self._sales_of(second) if at in bins)
        return len({user for _, user in moved}), len({text for text, _ in moved}), orders

    def _chat_of(self, second: int) -> range:
        return range(second + self._chat_lag - AROUND_S, second + self._chat_lag + AROUND_S + 1)

    def _sales_of(self, second: int) -> range:
        return range(second + self._order_lag - 20, second + self._order_lag + 21)

    def _sku(self, room: _Room, signals: Signals, second: int) -> tuple[str, int]:
        """What was sold most in answer to a moment, and how often; else what was on show, 0."""
        counts: dict[str, int] = {}
        for at in self._sales_of(second):
            for sku, count in signals.bins[at].orders.items() if at in signals.bins else ():
                counts[sku] = counts.get(sku, 0) + count
        if counts:
            best = max(sorted(counts), key=counts.__getitem__)
            return best, counts[best]
        return next((sku for at, sku in reversed(room.shown) if at <= second), ""), 0

    def _highlight(
        self, name: str, room: _Room, signals: Signals, told: _Told, ingest_ts: int, revision: int
    ) -> Highlight:  # fmt: skip
        chat, emotion, orders = signals.values(told.peak, self._chat_lag, self._order_lag)
        value = self._score(signals, told.peak) if told.status != "provisional" else score(chat, emotion, None)
        sku, sold = self._sku(room, signals, told.peak)
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

    def _close(self, name: str, room: _Room, ingest_ts: int, revision: int) -> list[Record]:
        """Judge a room with what is known, up to the moments whose chat is known."""
        signals = room.signals
        if signals is None or room.judged >= self._last(signals):
            return []
        self._packer.changed(name)
        signals.advance(signals.newest + 1, signals.newest + 1)
        return self._finish(name, room, signals, self._last(signals), ingest_ts, revision)

    def _last(self, signals: Signals) -> int:
        return signals.newest - self._chat_lag - AROUND_S

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            silent = now_ms - room.arrived
            if silent >= self._close_ms:
                told += self._close(name, room, now_ms, revision)
            if silent >= self._forget_ms:
                del self._rooms[name]
        return told

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: records of an absurd time, and of a second that was closed."""
        rooms = self._rooms.values()
        return {"refused": sum(r.clock.refused for r in rooms if r.clock), "late": sum(r.late for r in rooms)}

    def dump(self) -> bytes:
        return dump_state("highlights", VERSION, self._packer.pack(self._rooms))

    def load(self, data: bytes) -> None:
        self._rooms = self._packer.unpack("highlights", load_state(data, "highlights", VERSION, dict[str, msgspec.Raw]))
