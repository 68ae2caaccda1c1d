"""The event objects of the border: what a client sends, field by field, with the limits of each.

They are strict: a number is no string and a string is no number. Fields that are not named here are ignored, so that a client
may send more than we read. All checks happen while an event is decoded, so an event that exists is a good one.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

YEAR_2000 = 946_684_800_000
YEAR_2100 = 4_102_444_800_000
LONGEST_SENTENCE_MS = 3_600_000
MONEY = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,2})?")

Id = Annotated[
    str, Meta(min_length=1, max_length=128, description="The id that the platform gave, unique per source and kind.")
]
Name = Annotated[str, Meta(max_length=200)]
User = Annotated[str, Meta(max_length=128, description="The platform's id of a viewer; it is hashed before it is kept.")]
Text = Annotated[str, Meta(max_length=2000)]
Time = Annotated[int, Meta(ge=YEAR_2000, lt=YEAR_2100, description="Epoch milliseconds.")]
Duration = Annotated[int, Meta(ge=0, le=7 * 86_400_000, description="Milliseconds.")]
Quantity = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Money = Annotated[str, Meta(max_length=17, description='A decimal number of yuan, such as "12.30"; empty where none applies.')]
Sku = Annotated[str, Meta(max_length=128)]


def _check_money(field: str, amount: str) -> None:
    if amount and not MONEY.fullmatch(amount):
        raise ValueError(f"{field}: {amount!r} is not a decimal number of yuan with at most two decimals, such as '12.30'")


class BorderEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every event carries: its id and when it happened by the platform's clock."""

    id: Id
    ts: Time


class ChatEvent(BorderEvent, frozen=True, kw_only=True, tag="chat"):
    """A chat message. ``name`` is kept only where the installation is set to keep names."""

    user: User
    text: Text
    name: Name = ""


class SaleEvent(BorderEvent, frozen=True, kw_only=True, tag="sale"):
    """An order, payment, refund, cart, click or stock count; the other fields where they apply."""

    type: Literal["order", "pay", "refund", "cart", "click", "stock"]
    sku: Sku = ""
    quantity: Quantity = 0
    amount: Money = ""
    order: Annotated[str, Meta(max_length=128)] = ""
    user: User = ""

    def __post_init__(self) -> None:
        _check_money("amount", self.amount)


class ViewerEvent(BorderEvent, frozen=True, kw_only=True, tag="viewer"):
    """Somebody came, went, followed, liked or shared; ``dwell_ms`` on leave."""

    user: User
    type: Literal["enter", "leave", "follow", "like", "share"]
    dwell_ms: Duration = 0


class SpeechEvent(BorderEvent, frozen=True, kw_only=True, tag="speech"):
    """A recognised sentence, said from ``ts`` to ``end``."""

    end: Time
    text: Text

    def __post_init__(self) -> None:
        if self.end < self.ts:
            raise ValueError(f"end: {self.end} is before ts {self.ts}")
        if self.end - self.ts > LONGEST_SENTENCE_MS:
            raise ValueError(f"end: {self.end} is more than an hour after ts {self.ts}")


class QuestionEntry(msgspec.Struct, frozen=True):
    """A question that viewers ask about a product, and its answer."""

    question: Annotated[str, Meta(min_length=1, max_length=300)]
    answer: Annotated[str, Meta(min_length=1, max_length=1000)]


class ProductEvent(BorderEvent, frozen=True, kw_only=True, tag="product"):
    """A product sheet and its moment: ``show`` (on air now), ``pin`` (its card is up) or ``withdraw``."""

    sku: Annotated[str, Meta(min_length=1, max_length=128)]
    type: Literal["show", "pin", "withdraw"]
    name: Name = ""
    price: Money = ""
    attributes: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=500)]], Meta(max_length=64)
    ] = {}
    faq: Annotated[list[QuestionEntry], Meta(max_length=100)] = []

    def __post_init__(self) -> None:
        _check_money("price", self.price)


Event = ChatEvent | SaleEvent | ViewerEvent | SpeechEvent | ProductEvent
KIND_OF: dict[type[msgspec.Struct], str] = {
    ChatEvent: "chat",
    SaleEvent: "sale",
    ViewerEvent: "viewer",
    SpeechEvent: "speech",
    ProductEvent: "product",
}


class Document(msgspec.Struct, frozen=True):
    """The body of a request that is no NDJSON."""

    events: list[Event]


class Rejected(msgspec.Struct, frozen=True):
    """An event that was not taken: its place in the request, counted from 0 (blank lines do not count), and why."""

    index: int
    reason: str


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a request. Every event is in exactly one of the three.

    ``skew_ms`` is what was added to the time-stamps of a source whose clock is minutes wrong; ``error`` says why the status is
    not 202.
    """

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    skew_ms: int = 0
    error: str = ""


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused as a whole."""

    error: str
