"""The map: every topic, what it carries, who writes and who reads it.

Topic creation, the AsyncAPI document and the table in the docs are made from :data:`TOPICS`; tests check that they agree.
All room-keyed topics have the same partition count, so that one room has the same partition number everywhere; a record whose
key is not the room (``live.catalogue``: ``room/sku``) is placed by its room (:func:`partition_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from streams import records as r

HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass(frozen=True)
class Topic:
    """One topic. ``key`` in words; ``kinds`` are the records it may carry; ``retention_ms`` is how long Kafka keeps them;
    ``max_bytes`` is the largest record, where Kafka's 1 MB is not enough; of a compacted topic nothing is removed before
    ``lag_ms``, so a reader that was away that long has still seen every record."""

    name: str
    key: str
    kinds: tuple[type[msgspec.Struct], ...]
    carries: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    retention_ms: int = 7 * DAY
    compacted: bool = False
    max_bytes: int = 0
    lag_ms: int = 0

    def config(self) -> dict[str, str]:
        """Kafka's topic settings."""
        size = {"max.message.bytes": str(self.max_bytes)} if self.max_bytes else {}
        if self.compacted:
            lag = {"min.compaction.lag.ms": str(self.lag_ms)} if self.lag_ms else {}
            return size | lag | {"cleanup.policy": "compact", "segment.ms": "60000", "min.cleanable.dirty.ratio": "0.1"}
        return size | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}

    def decode(self, data: bytes | None) -> Any:
        """Read one record of this topic; raises ``InvalidError`` for anything else."""
        return r.decode(data, *self.kinds)


DANMAKU = Topic(
    "live.danmaku", "room", (r.DanmakuEnvelope,), "envelopes of chat", ("gateway",), ("comprehension",),
)  # fmt: skip
FRAMES = Topic(
    "live.frames", "room", (r.MediaSegment, r.Frame), "frame and segment references", ("media source",),
    ("clipper", "sink"),
)  # fmt: skip
SPEECH = Topic(
    "live.speech", "room", (r.Speech,), "recognised sentences with times", ("gateway",), ("segments", "sink"),
)  # fmt: skip
SALES = Topic(
    "live.sales", "room", (r.Sale,), "orders, payments, refunds, carts, clicks, stock", ("gateway",),
    ("highlights", "segments", "sink"), 30 * DAY,
)  # fmt: skip
VIEWERS = Topic("live.viewers", "room", (r.Viewer,), "enter, leave, dwell, follow", ("gateway",), ("sink",))
CATALOGUE = Topic(
    "live.catalogue", "room/sku", (r.Product, r.FaqEntry, r.FaqVerdict),
    "product sheets, FAQ entries and words on answers, compacted, placed by room",
    ("gateway", "console", "CLI"), ("answers", "segments", "highlights", "sink"), compacted=True, lag_ms=7 * DAY,
)  # fmt: skip
COMPREHENDED = Topic(
    "live.comprehended", "room", (r.ComprehendedEnvelope,), "chat with intent, sentiment and sensitive hits",
    ("comprehension",), ("opinion", "mood", "intents", "answers", "highlights", "sink"),
)  # fmt: skip
INTENTS = Topic(
    "live.intents", "room", (r.IntentGroup,), "clusters of what viewers ask now, with counts and examples", ("intents",),
    ("sink",),
)  # fmt: skip
ANSWERS = Topic(
    "live.answers", "room", (r.Answer,), "questions and their answers: given, proposed or unknown", ("answers",), ("sink",),
)  # fmt: skip
MOOD = Topic(
    "live.mood", "room", (r.Mood,), "negative share, arousal, forecast, per second", ("mood",), ("sink",),
)  # fmt: skip
ALERTS = Topic(
    "live.alerts", "room", (r.Alert,), "opinion alerts and every change of their state", ("opinion", "console", "CLI"),
    ("delivery", "sink"), 30 * DAY,
)  # fmt: skip
SEGMENTS = Topic(
    "live.segments", "room", (r.Paragraph,), "product paragraphs with stages and labels", ("segments",), ("sink",),
)  # fmt: skip
HIGHLIGHTS = Topic(
    "live.highlights", "room", (r.Highlight,), "moments: provisional, final, withdrawn", ("highlights",), ("clipper", "sink"),
)  # fmt: skip
CLIPS = Topic(
    "live.clips", "room", (r.Clip,), "finished files with their labels", ("clipper",), ("sink",), 30 * DAY,
)  # fmt: skip
HOST_COMMANDS = Topic(
    "host.commands", "room", (r.HostCommand,), "what the host should do, and why", ("answers", "opinion"), ("host", "sink"),
)  # fmt: skip
HOST_EVENTS = Topic(
    "host.events", "room", (r.HostEvent,), "utterances, decisions, latency, health, provenance", ("host",),
    ("sink",),
)  # fmt: skip
DEADLETTER = Topic(
    "live.deadletter", "source topic", (r.DeadLetter,), "the bytes, origin and reason of what could not be used", ("all",),
    ("replay command", "sink"), 30 * DAY, max_bytes=3 * 2**20,  # a record of 1 MB, whole, and what is said about it
)  # fmt: skip
LETTER_VALUE_BYTES = DEADLETTER.max_bytes - 2**16
LETTER_KEY_BYTES = 4_096
REASON_LENGTH = 500

TOPICS = {
    topic.name: topic
    for topic in (
        DANMAKU, FRAMES, SPEECH, SALES, VIEWERS, CATALOGUE, COMPREHENDED, INTENTS, ANSWERS, MOOD, ALERTS, SEGMENTS,
        HIGHLIGHTS, CLIPS, HOST_COMMANDS, HOST_EVENTS, DEADLETTER,
    )
}  # fmt: skip

CHECKPOINT_PREFIX = "livetide.checkpoint."


def checkpoint_topic(agent: str) -> Topic:
    """Where the state of an agent is checkpointed: one partition beside each source partition, compacted."""
    return Topic(
        CHECKPOINT_PREFIX + agent, "partition", (), f"checkpoints of the {agent} agent", (agent,), (agent,), compacted=True,
        max_bytes=64 * 2**20,
    )  # fmt: skip


def dead_letter(
    topic: str, partition: int, offset: int, reason: str, *, stage: str, failed_ts: int, key: bytes, value: bytes,
    room: str | None = None,
) -> r.DeadLetter:  # fmt: skip
    """The dead letter of a record, as its topic takes it. Its room is what its key begins with, up to a slash (``room/sku``),
    where no other is named."""
    if room is None:
        room = key.decode("utf-8", "replace").partition("/")[0]
    return fitting(
        r.DeadLetter(
            topic=topic, partition=partition, offset=offset, reason=reason, stage=stage, failed_ts=failed_ts, room=room,
            key=key, value=value,
        )
    )  # fmt: skip


def fitting(letter: r.DeadLetter) -> r.DeadLetter:
    """A dead letter as its topic takes it, whatever lay in the log: of what is too large the beginning, and the reason says so.

    A producer that writes letters needs ``message.max.bytes`` of :data:`DEADLETTER`; Kafka's clients stop at 1,000,000 bytes.
    """
    parts = (("value", letter.value, LETTER_VALUE_BYTES), ("key", letter.key, LETTER_KEY_BYTES))
    notes = [
        f"of the {len(data)} bytes of its {name} the first {most} are kept" for name, data, most in parts if len(data) > most
    ]
    reason = letter.reason[:REASON_LENGTH].encode("utf-8", "replace").decode()
    if not notes and (letter.cut or reason == letter.reason):
        return letter
    return msgspec.structs.replace(
        letter, reason=f"{reason} ({'; '.join(notes)})" if notes else reason, value=letter.value[:LETTER_VALUE_BYTES],
        key=letter.key[:LETTER_KEY_BYTES], room=letter.room[:LETTER_KEY_BYTES], cut=letter.cut or bool(notes),
    )  # fmt: skip


def key_of(record: msgspec.Struct) -> bytes:
    """The key of a record in its topic: its room; the source topic for a dead letter; ``room/sku`` for a product sheet.

    A product event without a sheet (a bare pin) has a key of its own, ``room/sku/moment``: compaction keeps the newest record
    of a key, and must not keep the pin for the sake of which the sheet would go. A FAQ entry has ``room//faq/id``, as if of a
    sku that begins with a slash, and a word on an answer ``room//verdict/id``.
    """
    if isinstance(record, r.FaqEntry):
        return f"{record.room}//faq/{record.id}".encode()
    if isinstance(record, r.FaqVerdict):
        return f"{record.room}//verdict/{record.id}".encode()
    if isinstance(record, r.Product):
        bare = not (record.name or record.price or record.attributes or record.faq)
        return f"{record.room}/{record.sku}{'/moment' if bare else ''}".encode()
    if isinstance(record, r.DeadLetter):
        return record.topic.encode()
    assert isinstance(record, r.Record)
    return record.room.encode()


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 of ``data`` as a non-negative 31-bit integer (org.apache.kafka.common.utils.Utils, then toPositive)."""
    mask, m, length = 0xFFFFFFFF, 0x5BD1E995, len(data)
    h = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ (k >> 24)) * m & mask)
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return (h ^ (h >> 15)) & 0x7FFFFFFF


def partition_of(room: str, partitions: int) -> int:
    """The partition of a room: what ``murmur2_random`` gives to ``room`` as a key."""
    return murmur2(room.encode()) % partitions


def asyncapi(partitions: int) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the topics, with JSON schemas of their records."""
    kinds = {kind for topic in TOPICS.values() for kind in topic.kinds}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    channels = {
        topic.name: {
            "address": topic.name,
            "description": topic.carries,
            "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in topic.kinds},
            "bindings": {"kafka": {"partitions": partitions, "topicConfiguration": topic.config()}},
        }
        for topic in TOPICS.values()
    }
    messages = {
        kind.__name__: {"contentType": "application/msgpack", "payload": {"$ref": f"#/components/schemas/{kind.__name__}"}}
        for kind in ordered
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Livetide topics", "version": "1"},
        "defaultContentType": "application/msgpack",
        "channels": channels,
        "components": {"messages": messages, "schemas": schemas},
    }


def markdown_table() -> str:
    """The table of topics in docs/reference/topics.md."""
    rows = ["| topic | key | carries | written by | read by |", "|---|---|---|---|---|"]
    rows += [
        f"| `{t.name}` | {t.key} | {t.carries} | {', '.join(t.written_by)} | {', '.join(t.read_by)} |" for t in TOPICS.values()
    ]
    return "\n".join(rows) + "\n"


TOPIC_OF: dict[type[msgspec.Struct], Topic] = {kind: topic for topic in TOPICS.values() for kind in topic.kinds}
"""The one topic of every kind of record: an operator returns records, and this says where they go."""
