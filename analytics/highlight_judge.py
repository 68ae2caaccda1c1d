"""What makes a second of a room a moment worth showing, and how it is told.

Pure questions over the room's signals: nothing here changes them. See :mod:`analytics.highlights`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from analytics.clock import RoomClock
from analytics.moment import AROUND_S, CHAT_BOUND_S, SALES_BOUND_S, Signals, score
from analytics.placed import Placed
from analytics.signals import prominence
from analytics.till import WAIT_MS, Till
from streams.records import Highlight

SECOND: Final = 1_000
APART_S: Final = 45
_REACH_S: Final = 90
_FLOOR, _PROMINENT = 2.0, 1.8
_ALONE_FLOOR, _ALONE_PROMINENT = 3.0, 2.5  # where there are no sales to bear a moment out
FEWEST_PEOPLE, FEWEST_TEXTS, FEWEST_ORDERS = 5, 4, 3
BEFORE_S, AFTER_S = 18, 12
Status = Literal["provisional", "final", "withdrawn"]


class Told(msgspec.Struct, array_like=True):
    """A moment that was told: the second of its id, the second where it is now, and its status."""

    second: int
    peak: int
    status: Status


class HighlightRoom(msgspec.Struct, array_like=True):
    """``*arrived`` are by the reader's clock, ``clock`` is chat's and ``till`` the shop's, by event time."""

    arrived: int
    chat_arrived: int = 0
    clock: RoomClock | None = None
    till: Till = msgspec.field(default_factory=Till)
    signals: Signals | None = None
    judged: int = 0  # the last second that was judged to the end
    told: list[Told] = []
    placed: Placed = msgspec.field(default_factory=Placed)
    sales: dict[int, dict[str, int]] = {}  # second → sku → orders
    names: dict[str, str] = {}
    shown: list[tuple[int, str]] = []
    late: int = 0

    def orders_until(self, chat_until: int) -> int:
        """Before which second orders may be closed, when chat is closed before ``chat_until``."""
        due = chat_until + CHAT_BOUND_S - SALES_BOUND_S
        if self.till.clock is None:
            return due
        sold = self.till.sold_until(0) // SECOND - SALES_BOUND_S + 1
        return min(due, max(sold, due - WAIT_MS // SECOND))

    def near(self, second: int, apart: int) -> bool:
        return any(m.status != "withdrawn" and min(abs(m.second - second), abs(m.peak - second)) <= apart for m in self.told)


class Judge:
    """How long after a moment viewers write (``chat_lag_s``) and orders come (``order_lag_s``), and what is left out at a
    room's start (``drop_s``)."""

    def __init__(self, chat_lag_s: int, order_lag_s: int, drop_s: int) -> None:
        self._chat_lag, self._order_lag, self._drop = chat_lag_s, order_lag_s, drop_s

    def score(self, signals: Signals, second: int, judged: int | None = None) -> float | None:
        chat, emotion, orders = signals.values(second, self._chat_lag, self._order_lag, judged)
        return score(chat, emotion, orders if signals.sold else None)

    def _chat_score(self, signals: Signals, second: int) -> float | None:
        chat, emotion, _ = signals.values(second, self._chat_lag, self._order_lag)
        return score(chat, emotion, None)

    def stands_out(self, signals: Signals, room: HighlightRoom, second: int, *, final: bool) -> bool:
        """Whether a second is a moment: the highest far around, high, prominent, with people behind it."""
        if second < signals.start + self._drop:
            return False

        def rate(at: int) -> float | None:
            return self.score(signals, at, room.judged) if final else self._chat_score(signals, at)

        floor, prominent = (_FLOOR, _PROMINENT) if signals.sold else (_ALONE_FLOOR, _ALONE_PROMINENT)
        height = rate(second)
        if height is None or height < floor:
            return False
        around = [rate(at) for at in range(second - APART_S, second + APART_S + 1)]
        if any(other is not None and other > height for other in around):
            return False
        if prominence(rate, second, _REACH_S) < prominent:
            return False
        people, texts, orders = self._behind(signals, room, second)
        crowd = people >= FEWEST_PEOPLE and texts >= FEWEST_TEXTS
        return crowd and (not final or not signals.sold or orders >= FEWEST_ORDERS)

    def _behind(self, signals: Signals, room: HighlightRoom, second: int) -> tuple[int, int, int]:
        """How many people, in how many texts, were moved by a moment, and how many orders followed it."""
        bins = signals.bins
        moved = [pair for at in self._chat_of(second) if at in bins for pair in bins[at].movers()]
        orders = sum(sum(room.sales[at].values()) for at in self._sales_of(second) if at in room.sales)
        return len({user for _, user in moved}), len({text for text, _ in moved}), orders

    def _chat_of(self, second: int) -> range:
        return range(second + self._chat_lag - AROUND_S, second + self._chat_lag + AROUND_S + 1)

    def _sales_of(self, second: int) -> range:
        return range(second + self._order_lag - 20, second + self._order_lag + 21)

    def _sku(self, room: HighlightRoom, second: int) -> tuple[str, int]:
        """What was sold most in answer to a moment, and how often; else what was on show, 0."""
        counts: dict[str, int] = {}
        for at in self._sales_of(second):
            for sku, count in room.sales.get(at, {}).items():
                counts[sku] = counts.get(sku, 0) + count
        if counts:
            best = max(sorted(counts), key=counts.__getitem__)
            return best, counts[best]
        return next((sku for at, sku in reversed(room.shown) if at <= second), ""), 0

    def tell(
        self, name: str, room: HighlightRoom, signals: Signals, told: Told, ingest_ts: int, revision: int
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

    def _title(self, room: HighlightRoom, signals: Signals, second: int, sku: str, sold: int) -> str:
        product = room.names.get(sku, sku)
        if product and sold:
            return f"{product} · {sold} 单"
        if product:
            return product
        chat = (signals.bins.get(at) for at in self._chat_of(second))
        said = max((b for b in chat if b and b.example), key=lambda b: (b.felt, b.example), default=None)
        return f"弹幕：{said.example}" if said else "高光时刻"

    def last(self, signals: Signals) -> int:
        """The last second whose chat is known."""
        return signals.newest - self._chat_lag - AROUND_S
