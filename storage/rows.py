"""From records to rows: which table a topic fills, its columns, and the rows of one record.

A value that its column could not hold makes the whole record invalid here, before it can spoil a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from streams import records as r
from streams import topics as t
from streams.records import InvalidError

Row = tuple[Any, ...]
LAST_MS: Final = 10_413_791_999_999  # the end of 2299, as far as DateTime64 goes
INT64: Final = 1 << 63
LOG: Final = ("log_partition", "log_offset")
_NONE: Final[list[Any]] = []


@dataclass(frozen=True)
class Table:
    """A table and how records become its rows. ``ids`` names the rows of topics whose writers do not number their records.

    ``rows(record, partition, offset)`` and ``ids(record)`` have the same length and order. ``part`` divides a record of several
    rows into what a table can hold and what it cannot. ``beside`` are the tables of the topic's other kinds of record,
    told apart by ``kinds``; their rows replace by what names them, so repeats of them are not looked for.
    """

    name: str
    topic: t.Topic
    columns: tuple[str, ...]
    rows: Callable[[Any, int, int], list[Row]]
    ids: Callable[[Any], list[str]] | None = None
    part: Callable[[Any], tuple[Any, Any]] | None = None
    urgent: bool = False
    kinds: tuple[type[msgspec.Struct], ...] = ()
    beside: tuple[Table, ...] = ()

    def of(self, record: Any) -> Table:
        """The table of this record of the topic: this one, or one beside it."""
        return next((table for table in self.beside if isinstance(record, table.kinds)), self)


def _ms(value: int) -> int:
    if not 0 <= value <= LAST_MS:
        raise InvalidError(f"time {value}: epoch milliseconds between 1970 and 2299 belong here")
    return value


def _int(value: int) -> int:
    if not -INT64 <= value < INT64:
        raise InvalidError(f"number {value} has more than 64 bits")
    return value


def _yuan(value: int) -> Decimal:
    if abs(value) >= 10**17:
        raise InvalidError(f"amount {value} fen is more than a table holds")
    return Decimal(value).scaleb(-2)


def _ints(values: dict[str, int]) -> dict[str, int]:
    return {name: _int(value) for name, value in values.items()}


def _storable(message: r.UnderstoodChat) -> bool:
    return 0 <= message.event_ts <= LAST_MS and -INT64 <= message.skew_ms < INT64


def _by_message(record: r.ComprehendedEnvelope) -> tuple[r.ComprehendedEnvelope, r.ComprehendedEnvelope]:
    good, bad = ([m for m in record.messages if _storable(m) is fine] for fine in (True, False))
    return msgspec.structs.replace(record, messages=good), msgspec.structs.replace(record, messages=bad)


def _danmaku(record: r.ComprehendedEnvelope, partition: int, offset: int) -> list[Row]:
    room, ingest, source = record.room, _ms(record.ingest_ts), record.source
    rows = []
    for m in record.messages:
        if not _storable(m):
            raise InvalidError(f"message {m.id[:80]!r}: time {m.event_ts} or skew {m.skew_ms} out of range")
        hits = m.hits
        rows.append(
            (
                room, m.event_ts, ingest, source, m.id, m.user, m.name, m.text, m.folded, m.sentiment, m.sentiment_p,
                m.intent, m.intent_p,
                [hit.word for hit in hits] if hits else _NONE, [hit.topic for hit in hits] if hits else _NONE,
                [hit.disguised for hit in hits] if hits else _NONE, [hit.weight for hit in hits] if hits else _NONE,
                m.skew_ms, partition, offset,
            )
        )  # fmt: skip
    return rows


def _head(record: Any) -> Row:
    return record.room, _ms(record.event_ts), _ms(record.ingest_ts)


def _entered(record: Any) -> Row:
    return (*_head(record), record.source, record.id)


def _derived(record: Any) -> Row:
    if not 0 <= record.revision < 2 * INT64:
        raise InvalidError(f"revision {record.revision} must be a source offset")
    return (*_head(record), record.id, record.revision)


def _one(columns: str, head: Callable[[Any], Row], rest: Callable[[Any], Row]) -> dict[str, Any]:
    """The common shape of a table with one row a record."""
    first = ("room_id", "ts", "ingest_ts", *(("source", "source_id") if head is _entered else ("id", "revision")))
    return {
        "columns": (*first, *columns.split(), *LOG),
        "rows": lambda record, partition, offset: [(*head(record), *rest(record), partition, offset)],
        "ids": (lambda record: [f"{record.source}:{record.id}"]) if head is _entered else None,
    }


def _frame_id(record: r.Frame | r.MediaSegment) -> str:
    return f"{record.stream}:{'frame' if isinstance(record, r.Frame) else 'segment'}:{record.seq}"


def _frames(record: r.Frame | r.MediaSegment, partition: int, offset: int) -> list[Row]:
    if isinstance(record, r.Frame):
        kind, duration, keyframe, cut = "frame", 0, record.keyframe, False
    else:
        kind, duration, keyframe, cut = "segment", _int(record.duration_ms), True, record.discontinuity
    return [
        (
            *_head(record), _frame_id(record), kind, record.stream, _int(record.seq), _int(record.pts_ms), duration, record.uri,
            record.sha256, _int(record.size), keyframe, cut, partition, offset,
        )
    ]  # fmt: skip


def deadletter_id(letter: r.DeadLetter) -> str:
    """Origin and stage; of what never entered the log, a hash of what was refused, from whom and why.

    Not when: a client that had no answer sends it again, and a gateway that was started anew refuses it again.
    """
    if letter.offset >= 0:
        return f"{letter.topic}:{letter.partition}:{letter.offset}:{letter.stage}"
    digest = hashlib.sha256(r.encode(msgspec.structs.replace(letter, failed_ts=0))).hexdigest()[:32]
    return f"{letter.topic}:{letter.stage}:{digest}"


def _deadletters(letter: r.DeadLetter, partition: int, offset: int) -> list[Row]:
    if not -(1 << 31) <= letter.partition < 1 << 31:
        raise InvalidError(f"partition {letter.partition} of a dead letter")
    when = _ms(letter.failed_ts)
    return [
        (
            letter.room, when, when, deadletter_id(letter), letter.topic, letter.partition, _int(letter.offset), letter.stage,
            letter.reason, letter.key, letter.value, partition, offset,
        )
    ]  # fmt: skip


FAQ: Final = Table(
    "faq", t.CATALOGUE,
    ("room_id", "ts", "ingest_ts", "id", "state", "question", "wordings", "answer", "sku", "source", "valid_until", "price",
     "asked", "changed_by", *LOG),
    lambda e, partition, offset: [(
        *_head(e), e.id, e.state, e.question, e.wordings, e.answer, e.sku, e.source, _ms(e.valid_until), _yuan(e.price),
        _int(e.asked), e.by, partition, offset)],
    kinds=(r.FaqEntry,),
)  # fmt: skip
VERDICTS: Final = Table(
    "faq_verdicts", t.CATALOGUE,
    ("room_id", "ts", "ingest_ts", "id", "score", "is_right", "question", "matched", "changed_by", *LOG),
    lambda v, partition, offset: [(*_head(v), v.id, v.score, v.right, v.question, v.matched, v.by, partition, offset)],
    kinds=(r.FaqVerdict,),
)  # fmt: skip
TABLES: Final = (
    Table(
        "danmaku", t.COMPREHENDED,
        ("room_id", "ts", "ingest_ts", "source", "source_id", "user_id", "user_name", "text", "folded", "sentiment",
         "sentiment_p", "intent", "intent_p", "hit_words", "hit_topics", "hit_disguised", "hit_weights", "skew_ms", *LOG),
        _danmaku, part=_by_message,
    ),
    Table("sales", t.SALES, **_one("type sku quantity amount order_id user_id skew_ms", _entered, lambda s: (
        s.type, s.sku, _int(s.quantity), _yuan(s.amount), s.order, s.user, _int(s.skew_ms)))),
    Table("viewers", t.VIEWERS, **_one("user_id type dwell_ms skew_ms", _entered, lambda v: (
        v.user, v.type, _int(v.dwell_ms), _int(v.skew_ms)))),
    Table("speech", t.SPEECH, **_one("end_ts text skew_ms", _entered, lambda s: (_ms(s.end_ts), s.text, _int(s.skew_ms)))),
    Table("products", t.CATALOGUE, kinds=(r.Product,), beside=(FAQ, VERDICTS), **_one(
        "sku type name price attributes faq_questions faq_answers skew_ms", _entered,
        lambda p: (p.sku, p.type, p.name, _yuan(p.price), p.attributes, [q.question for q in p.faq], [q.answer for q in p.faq],
                   _int(p.skew_ms)))),
    FAQ,
    VERDICTS,
    Table(
        "frames", t.FRAMES,
        ("room_id", "ts", "ingest_ts", "id", "kind", "stream", "seq", "pts_ms", "duration_ms", "uri", "sha256", "size",
         "keyframe", "discontinuity", *LOG),
        _frames, lambda record: [_frame_id(record)],
    ),
    Table("answers", t.ANSWERS, **_one("source_id user_id question status answer matched sku score", _derived, lambda a: (
        a.source_id, a.user, a.question, a.status, a.answer, a.matched, a.sku, a.score))),
    Table("intents", t.INTENTS, **_one(
        "title intent count users examples window_ms product answered trend", _derived,
        lambda g: (g.title, g.intent, _int(g.count), _int(g.users), g.examples, _int(g.window_ms), g.product, g.answered,
                   g.trend))),
    Table("mood", t.MOOD, **_one("messages users negative_share positive_share arousal forecast late", _derived, lambda m: (
        _int(m.messages), _int(m.users), m.negative_share, m.positive_share, m.arousal, m.forecast, _int(m.late)))),
    Table("alerts", t.ALERTS, urgent=True, **_one(
        "topic level state started_ts evidence_ts score share baseline messages users examples words note changed_by", _derived,
        lambda a: (a.topic, _int(a.level), a.state, _ms(a.started_ts), _ms(a.evidence_ts), a.score, a.share, a.baseline,
                   _int(a.messages), _int(a.users), a.examples, a.words, a.note, a.by))),
    Table("segments", t.SEGMENTS, **_one("end_ts sku status stages sentences confidence labels", _derived, lambda p: (
        _ms(p.end_ts), p.sku, p.status, _ints(p.stages), p.sentences, p.confidence, p.labels))),
    Table("highlights", t.HIGHLIGHTS, **_one(
        "start_ts end_ts status score chat_z emotion_z orders_z title sku", _derived,
        lambda h: (_ms(h.start_ts), _ms(h.end_ts), h.status, h.score, h.chat_z, h.emotion_z, h.orders_z, h.title, h.sku))),
    Table("clips", t.CLIPS, **_one(
        "highlight end_ts title path mode status duration_ms width height size sha256 labels reason", _derived,
        lambda c: (c.highlight, _ms(c.end_ts), c.title, c.path, c.mode, c.status, _int(c.duration_ms), _int(c.width),
                   _int(c.height), _int(c.size), c.sha256, c.labels, c.reason))),
    Table("host_commands", t.HOST_COMMANDS, **_one("action text because sku priority", _derived, lambda c: (
        c.action, c.text, c.because, c.sku, _int(c.priority)))),
    Table("host_events", t.HOST_EVENTS, **_one(
        "command type text path duration_ms latency_ms model device simulated reason", _derived,
        lambda e: (e.command, e.type, e.text, e.path, _int(e.duration_ms), e.latency_ms, e.model, e.device, e.simulated,
                   e.reason))),
    Table(
        "deadletters", t.DEADLETTER,
        ("room_id", "ts", "ingest_ts", "id", "topic", "partition", "offset", "stage", "reason", "key", "value", *LOG),
        _deadletters, lambda letter: [deadletter_id(letter)],
    ),
)  # fmt: skip

TABLE_OF: Final = {table.topic.name: table for table in TABLES if table not in (FAQ, VERDICTS)}
"""The table of a topic; where there are several, the one that has the others beside it."""
