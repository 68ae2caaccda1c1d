"""The nouns: everything that crosses a topic, how it is written as bytes, and the three ways in which work can fail.

On the wire a record is msgpack with a tag that names its kind and version (``"sale.1"``). A reader that meets a tag it does
not know refuses the record (:class:`InvalidError`), which sends it to the dead-letter topic: a new version never passes for an
old one.

Times are epoch milliseconds (UTC): ``event_ts`` when it happened, by the platform's clock; ``ingest_ts`` when the gateway took
it.
Money is an integer of fen (1/100 CNY); it becomes a decimal string only at the border (:func:`yuan`, :func:`fen`).

    LivetideError
    ├── InvalidError   this record is bad and will stay bad      → dead letter, go on
    ├── RetryError     the world is not ready                     → back off, try again
    └── FatalError     going on would lose or double something    → stop before the acknowledgement
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Protocol, TypeVar

import msgspec


class LivetideError(Exception):
    """Any failure that this product names. The message says what, where and what to do."""


class InvalidError(LivetideError):
    """A record that cannot be used, now or later."""


class RetryError(LivetideError):
    """A resource that does not answer for now."""


class FatalError(LivetideError):
    """A state from which going on would lose or double something."""


DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SQLITE_FULL = 13


@contextmanager
def needs_disk(what: str) -> Iterator[None]:
    """For what writes files or SQLite: a disk without room is a reason to wait and to try again (:class:`RetryError`)."""
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        if full or getattr(error, "sqlite_errorcode", None) == SQLITE_FULL:
            raise RetryError(f"{what} cannot be written, the disk is full ({error}): make room on it") from error
        raise


class Meter(Protocol):
    """What the parts count with; the names and their implementation live in ``livetide/metrics.py``.

    A gauge that is set to NaN is gone: what it spoke of is somebody else's now.
    """

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every record carries: where it belongs and its two clocks."""

    room: str
    event_ts: int
    ingest_ts: int


# ── What enters ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Chat(msgspec.Struct, frozen=True, array_like=True):
    """One chat message, inside an envelope.

    ``user`` is hashed; ``skew_ms`` was added to the platform's time; ``name`` is empty unless names are kept.
    """

    id: str
    event_ts: int
    user: str
    text: str
    skew_ms: int = 0
    name: str = ""


class DanmakuEnvelope(Record, frozen=True, kw_only=True, tag="danmaku.1"):
    """Up to 64 chat messages of one room and source, in order of arrival. ``event_ts`` is the newest message's."""

    source: str
    messages: list[Chat]


class Sale(Record, frozen=True, kw_only=True, tag="sale.1"):
    """An order, payment, refund, cart, click or stock count. ``amount`` in fen."""

    id: str
    source: str
    type: Literal["order", "pay", "refund", "cart", "click", "stock"]
    sku: str = ""
    quantity: int = 0
    amount: int = 0
    order: str = ""
    user: str = ""
    skew_ms: int = 0


class Viewer(Record, frozen=True, kw_only=True, tag="viewer.1"):
    """Somebody came, went, followed, liked or shared; ``dwell_ms`` on leave."""

    id: str
    source: str
    user: str
    type: Literal["enter", "leave", "follow", "like", "share"]
    dwell_ms: int = 0
    skew_ms: int = 0


class Speech(Record, frozen=True, kw_only=True, tag="speech.1"):
    """A recognised sentence, said from ``event_ts`` to ``end_ts``."""

    id: str
    source: str
    end_ts: int
    text: str
    skew_ms: int = 0


class Question(msgspec.Struct, frozen=True):
    """A FAQ entry of a product sheet."""

    question: str
    answer: str


class Product(Record, frozen=True, kw_only=True, tag="product.1"):
    """A product sheet and its moment: ``show`` (on air now), ``pin`` (its card is up), ``withdraw``. ``price`` in fen."""

    id: str
    source: str
    sku: str
    type: Literal["show", "pin", "withdraw"]
    name: str = ""
    price: int = 0
    attributes: dict[str, str] = {}
    faq: list[Question] = []
    skew_ms: int = 0


ALL_ROOMS = "*"
"""The room of what belongs to all rooms of a shop; no room at the border is called so."""


class FaqEntry(Record, frozen=True, kw_only=True, tag="faq.1"):
    """A question that a room answers, or every room (:data:`ALL_ROOMS`); the newest record of an ``id`` holds.

    A ``draft`` waits for a person and answers nothing; ``withdrawn`` takes the entry away. ``wordings`` are further ways of
    asking. With a ``sku`` it is about that product only. Nobody is told it from ``valid_until`` on (0: no end). ``price``, in
    fen, is what the answer counts on (0: none): where the catalogue says another, a person is asked. ``asked`` is how often
    viewers asked it where it was mined, ``by`` who changed it last.
    """

    id: str
    question: str
    answer: str
    wordings: list[str] = []
    sku: str = ""
    source: Literal["sheet", "import", "mined"] = "import"
    state: Literal["active", "draft", "withdrawn"] = "active"
    valid_until: int = 0
    price: int = 0
    asked: int = 0
    by: str = ""


class FaqVerdict(Record, frozen=True, kw_only=True, tag="faq_verdict.1"):
    """A person's word on one answer, by the answer's ``id``: whether what was given or proposed, with that score, was right."""

    id: str
    score: float
    right: bool
    question: str = ""
    matched: str = ""
    by: str = ""


class Frame(Record, frozen=True, kw_only=True, tag="frame.1"):
    """A claim check for one picture in the segment store. ``pts_ms`` counts from the start of the stream."""

    stream: str
    seq: int
    pts_ms: int
    uri: str
    sha256: str
    size: int
    keyframe: bool = True


class MediaSegment(Record, frozen=True, kw_only=True, tag="media_segment.1"):
    """A claim check for 2-4 s of video. It starts on a key frame at ``event_ts``; a cut never crosses a ``discontinuity``."""

    stream: str
    seq: int
    pts_ms: int
    duration_ms: int
    uri: str
    sha256: str
    size: int
    discontinuity: bool = False


# ── What is understood ───────────────────────────────────────────────────────────────────────────────────────────────

Sentiment = Literal["negative", "neutral", "positive"]


class SensitiveHit(msgspec.Struct, frozen=True, array_like=True):
    """A sensitive word found in a message: its plain form, its topic, and whether it was disguised."""

    word: str
    topic: str
    disguised: bool = False
    weight: float = 1.0


class UnderstoodChat(msgspec.Struct, frozen=True, array_like=True):
    """One chat message and what it means. ``folded`` is the normal form under which repeats are counted.

    ``asks`` is the probability that it asks the shop something, whatever that is; -1 where nobody said.
    """

    id: str
    event_ts: int
    user: str
    text: str
    folded: str
    sentiment: Sentiment = "neutral"
    sentiment_p: float = 0.0
    intent: str = "unknown"
    intent_p: float = 0.0
    hits: list[SensitiveHit] = []
    skew_ms: int = 0
    name: str = ""
    asks: float = -1.0


class ComprehendedEnvelope(Record, frozen=True, kw_only=True, tag="comprehended.1"):
    """A danmaku envelope, understood: each message once within the horizon of the exact deduplicator."""

    source: str
    messages: list[UnderstoodChat]


class Derived(Record, frozen=True, kw_only=True):
    """A record made from others.

    ``id`` is deterministic (room, window or source, kind). ``revision`` is the source offset of the newest record that went in,
    never a counter: the same id and revision always carry the same content. A later revision replaces an earlier one.
    """

    id: str
    revision: int


class IntentGroup(Derived, frozen=True, kw_only=True, tag="intent_group.1"):
    """What viewers ask now: one cluster of questions over a sliding window that ends at ``event_ts``."""

    title: str
    intent: str
    count: int
    users: int
    examples: list[str]
    window_ms: int
    product: str = ""
    answered: bool = False
    trend: float = 0.0


class Answer(Derived, frozen=True, kw_only=True, tag="answer.1"):
    """An answer to one chat message: ``given`` (certain), ``proposed`` (a person decides) or ``unknown``."""

    source_id: str
    user: str
    question: str
    status: Literal["given", "proposed", "unknown"]
    answer: str = ""
    matched: str = ""
    sku: str = ""
    score: float = 0.0


class Mood(Derived, frozen=True, kw_only=True, tag="mood.1"):
    """The mood of the second that ends at ``event_ts``: shares over the last 10 s, arousal against the room's normal."""

    messages: int
    users: int
    negative_share: float
    positive_share: float
    arousal: float
    forecast: float = 0.0
    late: int = 0


class Alert(Derived, frozen=True, kw_only=True, tag="alert.1"):
    """An opinion alert and one change of its state.

    ``evidence_ts`` is the ingest time of the message that completed the evidence.
    """

    topic: str
    level: int
    state: Literal["firing", "acknowledged", "resolved", "silenced", "inhibited"]
    started_ts: int
    evidence_ts: int
    score: float
    share: float
    baseline: float
    messages: int
    users: int
    examples: list[str]
    words: list[str] = []
    note: str = ""
    by: str = ""


class Paragraph(Derived, frozen=True, kw_only=True, tag="paragraph.1"):
    """A product paragraph: from ``event_ts`` to ``end_ts`` the host talks about ``sku``. Complete only with all four stages."""

    end_ts: int
    sku: str
    status: Literal["open", "complete", "partial"]
    stages: dict[str, int] = {}
    sentences: list[str] = []
    confidence: float = 0.0
    labels: dict[str, str] = {}


class Highlight(Derived, frozen=True, kw_only=True, tag="highlight.1"):
    """A moment worth keeping: its peak at ``event_ts``, its window, and the signals that made it one."""

    start_ts: int
    end_ts: int
    status: Literal["provisional", "final", "withdrawn"]
    score: float
    chat_z: float = 0.0
    emotion_z: float = 0.0
    orders_z: float = 0.0
    title: str = ""
    sku: str = ""


class Clip(Derived, frozen=True, kw_only=True, tag="clip.1"):
    """A finished file of a highlight (``event_ts`` to ``end_ts`` on the room's clock), checked after writing."""

    highlight: str
    end_ts: int
    title: str
    path: str
    mode: Literal["copy", "smart", "render"]
    status: Literal["ready", "failed"]
    duration_ms: int = 0
    width: int = 0
    height: int = 0
    size: int = 0
    sha256: str = ""
    labels: dict[str, str] = {}
    reason: str = ""


class HostCommand(Derived, frozen=True, kw_only=True, tag="host_command.1"):
    """What the digital human should do, and why."""

    action: Literal["answer", "clarify", "soften", "stop"]
    text: str
    because: str
    sku: str = ""
    priority: int = 1


class HostEvent(Derived, frozen=True, kw_only=True, tag="host_event.1"):
    """What the host did: ``latency_ms`` by stage; ``simulated`` names every stage that is a stand-in."""

    command: str
    type: Literal["spoken", "skipped", "interrupted", "failed", "health"]
    text: str = ""
    path: str = ""
    duration_ms: int = 0
    latency_ms: dict[str, float] = {}
    model: str = ""
    device: str = ""
    simulated: list[str] = []
    reason: str = ""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="deadletter.1"):
    """What could not be used: its bytes, where they came from and why. ``offset`` is -1 for what never entered the log.
    ``cut`` where only the beginning of its bytes is kept: then there is nothing to send back."""

    topic: str
    partition: int
    offset: int
    reason: str
    stage: str
    failed_ts: int
    room: str = ""
    key: bytes = b""
    value: bytes = b""
    cut: bool = False


# ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

R = TypeVar("R", bound=msgspec.Struct)
_encoder = msgspec.msgpack.Encoder()


def encode(record: msgspec.Struct) -> bytes:
    """The record as it crosses a topic."""
    return _encoder.encode(record)


@cache
def decoder(*kinds: type[R]) -> msgspec.msgpack.Decoder[R]:
    """A reusable decoder of one kind, or of any of several kinds by their tags. Reused because building one costs 100 µs."""
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return msgspec.msgpack.Decoder(union)


def decode(data: bytes | None, *kinds: type[R]) -> R:
    """Read one record of one of ``kinds``.

    Raises :class:`InvalidError` for bytes that are no such record: broken, wrong types, or of an unknown version.
    """
    if data is None:
        raise InvalidError("an empty record (null value) where a " + " or ".join(kind.__name__ for kind in kinds) + " belongs")
    try:
        record: R = decoder(*kinds).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"not a {' or '.join(kind.__name__ for kind in kinds)}: {error}") from error
    return record


SEQUENCE_HEADER = "livetide-sequence"


def sequence_header(writer: str, number: int) -> tuple[str, bytes]:
    """The Kafka header that numbers what one writer puts on one partition: 1, 2, 3, …

    The number is part of the writer's checkpointed state, so what is sent again after a crash carries its first number, and a
    reader that keeps the highest number it has seen per writer and partition takes each record exactly once.
    """
    return SEQUENCE_HEADER, f"{writer}:{number}".encode()


def read_sequence(headers: Iterable[tuple[str, bytes | str | None]] | None) -> tuple[str, int] | None:
    """Writer and number from a record's headers; None when its writer does not number (the gateway, a person)."""
    for name, value in headers or ():
        if name == SEQUENCE_HEADER and value:
            writer, _, number = (value if isinstance(value, str) else value.decode()).rpartition(":")
            return writer, int(number)
    return None


REPLAY_HEADER = "livetide-replay-for"
"""On a record that a person replayed from the dead letters: the one stage that had buried it. All others have had it."""


def meant_for(headers: Iterable[tuple[str, bytes | str | None]] | None, stage: str) -> bool:
    """Whether a reader, by its stage's name, should take a record; false only for what was replayed for another stage."""
    for name, value in headers or ():
        if name == REPLAY_HEADER:
            return (value if isinstance(value, str) else (value or b"").decode("utf-8", "replace")) == stage
    return True


# ── Money ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fen(amount: str) -> int:
    """Fen of a decimal string in yuan: ``"12.30"`` → 1230. Raises :class:`InvalidError` for anything finer, huge or else."""
    try:
        value = Decimal(amount).scaleb(2)
    except InvalidOperation as error:
        raise InvalidError(f"amount {amount[:40]!r} is not a decimal number of yuan such as '12.30'") from error
    if not value.is_finite() or value != value.to_integral_value() or abs(value) > 10**15:
        raise InvalidError(f"amount {amount[:40]!r} must be a whole number of fen below ten trillion yuan")
    return int(value)


def yuan(amount: int) -> str:
    """The decimal string of an amount of fen: 1230 → ``"12.30"``."""
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"
