"""What is counted of a room for its highlights: bins of one second, the signals made of them, and the score of a moment."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import log2
from zlib import crc32

import msgspec

from analytics.emotion import excitement
from analytics.signals import Signal, Track
from streams.records import UnderstoodChat

CHAT_BOUND_S, SALES_BOUND_S = 3, 10  # disorder waited for, of each topic by its own newest time
FINAL_S = 90
LEAST = 0.05
EMOTION, ORDERS, CHAT = 0.4, 0.4, 0.2  # the exponents of the score
MOST_TEXTS = 500
MOST_MOVED = 5  # of each second; enough to tell whether there were five people in several
BEHIND_S = 60  # how far behind the second that is judged its chat and orders are looked for
AROUND_S = 6  # seconds before and after that belong to a moment in chat
EXCITED = 200  # thousandths: any mark of feeling


class Bin(msgspec.Struct, array_like=True):
    """One second of chat: distinct messages; distinct texts with how often and how excited they are.

    ``example`` is its most excited text, out of those that may stand in a title.
    """

    chat: int = 0
    users: dict[int, None] = {}
    texts: dict[int, tuple[int, int]] = {}
    example: str = ""
    felt: int = 0
    moved: bytes = b""  # text and writer of the excited messages that counted, four bytes each

    def add(self, message: UnderstoodChat) -> None:
        """Take a message. It counts when neither its text nor its writer has been there in this second."""
        text = crc32(message.folded.encode("utf-8", "surrogatepass"))
        user = crc32(message.user.encode()) if message.user else text  # without names, a text is a voice
        often, felt = self.texts.get(text, (0, -1))
        if felt < 0:
            if user in self.users or len(self.texts) >= MOST_TEXTS:
                return
            felt = round(1000 * excitement(message))
            self.chat += 1
            if felt >= EXCITED and len(self.moved) < 8 * MOST_MOVED:
                self.moved += array("I", (text, user)).tobytes()
            if felt > max(self.felt, EXCITED) and message.sentiment != "negative" and not message.hits:
                self.felt, self.example = felt, message.folded[:16]
        self.users[user] = None
        self.texts[text] = often + 1, felt

    def emotion(self) -> float:
        """The excitement of the second: of many who write the same only the logarithm counts."""
        return sum(felt * log2(1 + often) for often, felt in self.texts.values()) / 1000

    def close(self) -> None:
        """Nothing more is written: only what a moment is judged by is needed."""
        self.chat, self.users, self.texts = 0, {}, {}

    def rank(self) -> tuple[int, str]:
        """What decides which text stands in a title."""
        return (self.felt, self.example) if self.example else (-1, "")

    def movers(self) -> list[tuple[int, int]]:
        """(text, writer) of the excited messages."""
        flat = array("I", self.moved)
        return list(zip(flat[::2], flat[1::2], strict=True))


class Signals(msgspec.Struct, array_like=True):
    """The bins and signals of one room since ``start``. ``newest`` is the newest second of chat."""

    start: int
    newest: int
    chat: Signal
    emotion: Signal
    orders: Signal
    bins: dict[int, Bin] = {}
    sold: bool = False

    def bin(self, second: int) -> Bin:
        found = self.bins.get(second)
        if found is None:
            found = self.bins[second] = Bin()
        return found

    def close_chat(self, until: int) -> None:
        """Close the seconds of chat before ``until``."""
        for second in range(self.chat.track.next, until):
            found = self.bins.get(second)
            self.chat.push(found.chat if found else 0)
            self.emotion.push(found.emotion() if found else 0.0)
            if found:
                found.close()
                self._thin(second, found)

    def close_orders(self, until: int, sales: Mapping[int, Mapping[str, int]]) -> None:
        """Close the seconds of orders before ``until``."""
        for second in range(self.orders.track.next, until):
            self.orders.push(sum(sales[second].values()) if second in sales else 0)

    def forget(self, judged: int) -> None:
        """Drop the bins that no moment asks for, when all seconds up to ``judged`` are judged to the end."""
        oldest = judged - BEHIND_S
        for second in [second for second in self.bins if second < oldest]:
            del self.bins[second]

    def _thin(self, second: int, closed: Bin) -> None:
        """Drop what no moment can ask for, now that ``second`` is closed.

        A moment asks for the most exciting text of 13 seconds, and whether five people were moved in them. A second between
        two others that are less than 13 apart is never asked without one of the two: when both have the better text, or five
        people each, its own is not needed.
        """
        text, crowd = (-1, ""), False
        for at in range(second - 2 * AROUND_S - 1, second):
            found = self.bins.get(at)
            if found is None:
                continue
            rank, full = found.rank(), len(found.moved) == 8 * MOST_MOVED
            if found.example and rank <= min(text, closed.rank()):
                found.felt, found.example = 0, ""
            if crowd and len(closed.moved) == 8 * MOST_MOVED:
                found.moved = b""
            text, crowd = max(text, rank), crowd or full
            if not (found.moved or found.example):
                del self.bins[at]
        if not (closed.moved or closed.example):
            del self.bins[second]

    def values(
        self, second: int, chat_lag: int, order_lag: int, judged: int | None = None
    ) -> tuple[float | None, float | None, float | None]:  # fmt: skip
        """Chat, emotion and orders that belong to a moment; None where they are not known.

        ``judged``: the second that is judged to the end. What is known later than that is left out, so that it changes
        nothing which topic comes first after a pause.
        """
        chat_until = None if judged is None else judged + FINAL_S - CHAT_BOUND_S
        orders_until = None if judged is None else judged + FINAL_S - SALES_BOUND_S
        return (
            self.chat.at(second + chat_lag, chat_until),
            self.emotion.at(second + chat_lag, chat_until),
            self.orders.at(second + order_lag, orders_until),
        )


def new_signals(start: int) -> Signals:
    """The signals of a room whose first second is ``start``."""
    return Signals(start, start, Signal(5, 180, Track(start)), Signal(5, 180, Track(start)), Signal(12, 300, Track(start)))


def score(chat: float | None, emotion: float | None, orders: float | None) -> float | None:
    """The weighted geometric mean of what is known; None when chat is not. A signal at or below normal is nearly nothing."""
    if chat is None or emotion is None:
        return None
    chat, emotion = max(chat, LEAST), max(emotion, LEAST)
    if orders is None:
        return float((chat**CHAT * emotion**EMOTION) ** (1 / (CHAT + EMOTION)))
    return float(chat**CHAT * emotion**EMOTION * max(orders, LEAST) ** ORDERS)
