"""The store's tables, read as they lie, and the rows that records should have become by the verifier's own reading of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from clickhouse_driver import Client

from streams import records as r
from tests.faults.stack.reading import Entry

Row = dict[str, Any]
PLACE = ("log_partition", "log_offset")
RENAMED: dict[type[Any], dict[str, str]] = {
    r.Sale: {"id": "source_id", "order": "order_id", "user": "user_id"},
    r.Viewer: {"id": "source_id", "user": "user_id"},
    r.Speech: {"id": "source_id"},
    r.Product: {"id": "source_id"},
    r.Answer: {"user": "user_id"},
    r.Alert: {"by": "changed_by"},
}
ENTERED = {"live.sales": "sales", "live.viewers": "viewers", "live.speech": "speech", "live.catalogue": "products"}
DERIVED = {
    "live.answers": "answers", "live.intents": "intents", "live.mood": "mood", "live.alerts": "alerts",
    "live.segments": "segments", "live.highlights": "highlights", "live.clips": "clips", "host.commands": "host_commands",
    "host.events": "host_events",
}  # fmt: skip


def row_of(record: Any) -> Row:
    """The columns that a record should have become."""
    names = {"room": "room_id", "event_ts": "ts"} | RENAMED.get(type(record), {})
    row = {names.get(name, name): value for name, value in msgspec.structs.asdict(record).items()}
    for money in ("amount", "price"):
        if money in row:
            row[money] = Decimal(row[money]) / 100
    if isinstance(record, r.Product):
        faq = row.pop("faq")
        row |= {"faq_questions": [q.question for q in faq], "faq_answers": [q.answer for q in faq]}
    return row


def rows_of_chat(envelope: r.ComprehendedEnvelope) -> list[Row]:
    return [
        {
            "room_id": envelope.room, "ts": m.event_ts, "ingest_ts": envelope.ingest_ts, "source": envelope.source,
            "source_id": m.id, "user_id": m.user, "user_name": m.name, "text": m.text, "folded": m.folded,
            "sentiment": m.sentiment, "sentiment_p": float(np.float32(m.sentiment_p)),
            "intent": m.intent, "intent_p": float(np.float32(m.intent_p)),
            "hit_words": [h.word for h in m.hits], "hit_topics": [h.topic for h in m.hits],
            "hit_disguised": [h.disguised for h in m.hits], "hit_weights": [float(np.float32(h.weight)) for h in m.hits],
            "skew_ms": m.skew_ms,
        }
        for m in envelope.messages
    ]  # fmt: skip


def row_of_frame(record: r.Frame | r.MediaSegment) -> Row:
    row: Row = {"duration_ms": 0, "keyframe": True, "discontinuity": False} | row_of(record)
    row["kind"] = "frame" if isinstance(record, r.Frame) else "segment"
    return row | {"id": f"{record.stream}:{row['kind']}:{record.seq}"}


def select(store: Client, table: str, *, final: bool = False, left_out: Iterable[str] = ()) -> list[Row]:
    """All rows with all columns; times as epoch milliseconds."""
    columns = store.execute(
        "SELECT name, type FROM system.columns WHERE database = 'live' AND table = %(table)s", {"table": table}
    )
    wanted = [(name, kind) for name, kind in columns if name not in left_out]
    asked = ", ".join(f"toUnixTimestamp64Milli({name})" if kind.startswith("DateTime64") else name for name, kind in wanted)
    rows = store.execute(f"SELECT {asked} FROM live.{table} SETTINGS final = {int(final)}")
    names = [name for name, _ in wanted]
    return [dict(zip(names, row, strict=True)) for row in rows]


def keeps_all(store: Client, table: str) -> bool:
    """Whether every revision of an id stays a row, and not only the newest."""
    where = "database = 'live' AND name = %(table)s"
    return "revision" in str(store.execute(f"SELECT sorting_key FROM system.tables WHERE {where}", {"table": table}))


def keyed(rows: Iterable[Row], key: tuple[str, ...], left_out: tuple[str, ...] = ()) -> list[tuple[Any, Row]]:
    return [
        (tuple(row[name] for name in key), {name: value for name, value in row.items() if name not in left_out}) for row in rows
    ]


def first(rows: Iterable[tuple[Any, Row]]) -> dict[Any, Row]:
    """Of rows with one key the first."""
    found: dict[Any, Row] = {}
    for key, row in rows:
        found.setdefault(key, row)
    return found


def placed(entry: Entry, row: Row) -> Row:
    """A row with the place of its record in the log."""
    return row | {"log_partition": entry.partition, "log_offset": entry.offset}
