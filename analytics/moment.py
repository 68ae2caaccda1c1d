"""What is counted of a room for its highlights: bins of one second, the signals made of them, and the score of a moment."""

from __future__ import annotations

from math import log2
from zlib import crc32

import msgspec

from analytics.emotion import excitement
from analytics.signals import KEPT_S, Signal, Track
from streams.records import UnderstoodChat

CHAT_BOUND_S, SALES_BOUND_S = 3, 10  # disorder waited for; sales come by another topic, which may run behind
LEAST = 0.05
EMOTION, ORDERS, CHAT = 0.4, 0.4, 0.2  # the exponents of the score
MOST_TEXTS = 500
MOST_MOVED = 8
EXCITED = 200  # thousandths: any mark of feeling


class Bin(msgspec.Struct, array_like=True):
    """One second: distinct messages; distinct texts with how often and how excited they are; orders by sku.

    ``example`` is its most excited text, out of those that may stand in a title.
    """

    chat: int = 0
    users: dict[int, None] = {}
    texts: dict[int, tuple[int, int]] = {}
    orders: dict[str, int] = {}
    example: str = ""
    felt: int = 0
    moved: list[tuple[int, int]] = []  # (text, writer) of the excited messages that counted

    def add(self, message: UnderstoodChat) -> None:
        """Take a message. It counts when neither its text nor its writer has been there in this second."""
        text, user = crc32(message.folded.encode("utf-8", "surrogatepass")), crc32(message.user.encode())
        often, felt = self.texts.get(text, (0, -1))
        if felt < 0:
            if user in self.users or len(self.texts) >= MOST_TEXTS:
                return
            felt = round(1000 * excitement(message))
            self.chat += 1
            if felt >= EXCITED and len(self.moved) < MOST_MOVED:
                self.moved.append((text, user))
            if felt > max(self.felt, EXCITED) and message.sentiment != "negative" and not message.hits:
                self.felt, self.example = felt, message.folded[:16]
        self.users[user] = None
        self.texts[text] = often + 1, felt

    def emotion(self) -> float:
        """The excitement of the second: of many who write the same only the logarithm counts."""
        return sum(felt * log2(1 + often) for often, felt in self.texts.values()) / 1000

    def close(self) -> None:
        """Nothing more comes: only the counts are needed."""
        self.users, self.texts = {}, {}


class Signals(msgspec.Struct, array_like=True):
    """The bins and signals of one room since ``start``."""

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

    def advance(self, chat_until: int, orders_until: int) -> None:
        """Close the seconds before the two given ones."""
        for second in range(self.chat.track.next, chat_until):
            found = self.bins.get(second)
            self.chat.push(found.chat if found else 0)
            self.emotion.push(found.emotion() if found else 0.0)
            if found:
                found.close()
        for second in range(self.orders.track.next, orders_until):
            found = self.bins.get(second)
            self.orders.push(sum(found.orders.values()) if found else 0)
        oldest = self.chat.track.next - KEPT_S
        if len(self.bins) > KEPT_S + 60:
            self.bins = {second: found for second, found in self.bins.items() if second >= oldest}

    def values(self, second: int, chat_lag: int, order_lag: int) -> tuple[float | None, float | None, float | None]:
        """Chat, emotion and orders that belong to a moment; None where they are not known."""
        return self.chat.at(second + chat_lag), self.emotion.at(second + chat_lag), self.orders.at(second + order_lag)


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
