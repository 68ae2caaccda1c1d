"""Paragraphs in the making, and how one is told."""

from __future__ import annotations

from typing import Literal

import msgspec

from analytics.clock import RoomClock
from analytics.labels import Sheet, spoken_labels
from analytics.placed import Placed
from analytics.stages import Lattice
from analytics.till import Till
from streams.records import Paragraph, yuan

SECOND = 1_000
ORDERS_MS = 60 * SECOND
NEEDED = ("intro", "feature", "price", "cta")
OPEN, ENDED, CONFIRMED = range(3)


class Draft(msgspec.Struct, array_like=True):
    """A paragraph in the making."""

    start: int
    end: int
    sku: str
    pinned: bool
    stages: dict[str, int] = {}
    sentences: list[str] = []
    sure: float = 0.0  # the sum of the certainties
    count: int = 0
    idle_since: int = 0
    opened: bool = False

    @property
    def complete(self) -> bool:
        return all(stage in self.stages for stage in NEEDED)


Changes = dict[int, tuple[Draft, int]]  # by start: the paragraph, and how far it is told


class Order(msgspec.Struct, array_like=True):
    """An order: when it was placed, of what, for how much."""

    ts: int
    sku: str
    amount: int


class Room(msgspec.Struct, array_like=True):
    """What is known of a room. ``*arrived`` are by the reader's clock; ``clock`` is the host's, by event time."""

    arrived: int
    clock: RoomClock
    till: Till = msgspec.field(default_factory=Till)
    speech_arrived: int = 0
    ingest_ts: int = 0
    heard: int = 0  # when the host was last heard
    lattice: Lattice = msgspec.field(default_factory=Lattice)
    draft: Draft | None = None
    waiting: list[Draft] = []  # ended, and waiting for the orders after their call
    sheets: dict[str, Sheet] = {}
    shown: str = ""
    shown_at: int = 0
    cued: int = 0  # when a link, a price or a call was last spoken of
    orders: dict[int, Order] = {}  # those that may still bear a paragraph out
    placed: Placed = msgspec.field(default_factory=Placed)


def paragraph_of(name: str, room: Room, draft: Draft, told: int, revision: int) -> Paragraph:
    """A paragraph as it is told: ``OPEN`` when it begins, ``ENDED``, or ``CONFIRMED`` by the orders that followed."""
    status: Literal["open", "complete", "partial"] = "open"
    if told >= ENDED:
        status = "complete" if draft.complete else "partial"
    labels, bought = {}, 0
    if told >= ENDED:
        labels = spoken_labels(draft.sentences, room.sheets.get(draft.sku))
        labels["seconds"] = str(round((draft.end - draft.start) / SECOND))
        if told == CONFIRMED:
            after = _after(room, draft)
            bought = len(after)
            labels["orders_60s"], labels["gmv_60s"] = str(bought), yuan(sum(order.amount for order in after))
    confidence = draft.sure / draft.count + (0.1 if draft.pinned else 0.0) + (0.1 if bought else 0.0)
    return Paragraph(
        room=name,
        event_ts=draft.start,
        ingest_ts=room.ingest_ts,
        id=f"paragraph:{name}:{draft.start}",
        revision=revision,
        end_ts=draft.end,
        sku=draft.sku,
        status=status,
        stages=dict(draft.stages),
        sentences=list(draft.sentences),
        confidence=round(min(confidence, 0.99), 2),
        labels=labels,
    )


def _after(room: Room, draft: Draft) -> list[Order]:
    """The orders of the minute after the call, of this product where it is known."""
    call = draft.stages["cta"]
    return [
        order for order in room.orders.values()
        if call <= order.ts <= call + ORDERS_MS and (not draft.sku or order.sku == draft.sku)
    ]  # fmt: skip
