"""What was planted: the answer sheet of a simulated room, for whoever checks what came out.

Times are epoch milliseconds of the room's true clock, money is fen, ids are those of the border events. "Unique" counts each
event once however often it was sent.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

VERSION = 1


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence of the host. ``stage`` is intro, feature, price, cta or close inside a paragraph, empty between them."""

    start_ts: int
    end_ts: int
    text: str
    sku: str = ""
    stage: str = ""


class PlantedParagraph(msgspec.Struct, frozen=True, kw_only=True):
    """A product paragraph. ``stages`` gives the start of each; ``complete`` when intro, feature, price and cta were spoken."""

    sku: str
    start_ts: int
    end_ts: int
    complete: bool
    stages: dict[str, int]
    call_ts: int = 0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question in chat. ``faq`` is the FAQ question of ``sku`` that answers it, empty when none does."""

    id: str
    ts: int
    text: str
    sku: str = ""
    faq: str = ""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One wish in many wordings, and every time it was asked."""

    name: str
    wordings: int
    asked: list[Asked]


class ExpectedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A rise of complaints that must alarm. ``evidence_id`` is the message that completes the evidence by ``rule``."""

    topic: str
    words: list[str]
    speed: str
    onset_ts: int
    end_ts: int
    evidence_ts: int
    evidence_id: str
    rule: str
    users: int
    messages: list[str]


class ForbiddenAlert(msgspec.Struct, frozen=True, kw_only=True):
    """What must not alarm: one spammer, or a crowd that only wants to buy. ``word`` is what is repeated."""

    reason: str
    word: str
    start_ts: int
    end_ts: int
    users: int
    messages: list[str]


class PlantedMoment(msgspec.Struct, frozen=True, kw_only=True):
    """A moment worth keeping: the call at ``peak_ts``; excited chat and orders follow with their own lags."""

    sku: str
    peak_ts: int
    start_ts: int
    end_ts: int
    chat_peak_ts: int
    order_peak_ts: int
    messages: int
    orders: int


class Decoy(msgspec.Struct, frozen=True, kw_only=True):
    """A flood of chat without orders, which is no moment."""

    reason: str
    start_ts: int
    end_ts: int
    messages: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What was sold, of one product or of all: ``gmv`` is what was paid, ``refunded`` what was given back, in fen."""

    orders: int = 0
    pays: int = 0
    quantity: int = 0
    gmv: int = 0
    refunds: int = 0
    refunded: int = 0
    carts: int = 0
    clicks: int = 0


class Poison(msgspec.Struct, frozen=True, kw_only=True):
    """A line that no event can be: why, and the SHA-256 of its bytes."""

    why: str
    sha256: str


class VideoLaw(msgspec.Struct, frozen=True, kw_only=True):
    """Frame ``n`` is on screen from ``base_ts + 1000 n / fps`` ms and carries ``n`` in its counter."""

    width: int
    height: int
    fps: int
    gop: int
    segment_ms: int
    frames: int
    stream: str


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was planted. ``skew_ms`` is what the source's own clock adds to every time-stamp (0 in the demo)."""

    version: int = VERSION
    seed: int
    minutes: float
    base_ts: int
    end_ts: int
    skew_ms: int
    events: dict[str, int]
    chat_by_class: dict[str, int]
    sales_by_type: dict[str, int]
    viewers_by_type: dict[str, int]
    sent: int
    duplicates: dict[str, int]
    disordered: int
    late: int
    poison: list[Poison]
    sales: Totals
    sales_by_sku: dict[str, Totals]
    products: list[str]
    speech: list[Spoken]
    paragraphs: list[PlantedParagraph]
    families: list[Family]
    alerts_expected: list[ExpectedAlert]
    alerts_forbidden: list[ForbiddenAlert]
    moments: list[PlantedMoment]
    decoys: list[Decoy]
    video: VideoLaw


def write_truth(truth: Truth, path: Path) -> None:
    """Write the answer sheet as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")


def read_truth(path: Path) -> Truth:
    """Read what :func:`write_truth` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Truth)
