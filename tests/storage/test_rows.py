from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from storage.client import StoreClient
from storage.rows import LAST_MS, TABLE_OF, TABLES, Table, deadletter_id
from streams import records as r
from streams.records import InvalidError
from streams.topics import DANMAKU, TOPICS

NOW = time.time_ns() // 1_000_000  # rows that were taken long ago are dropped as they arrive
BASE: dict[str, Any] = {"room": "r1", "event_ts": 1_700_000_000_123, "ingest_ts": NOW}
DERIVED: dict[str, Any] = {**BASE, "id": "r1:x", "revision": 7}
ENTERED: dict[str, Any] = {**BASE, "id": "e1", "source": "sim", "skew_ms": -3}
SAMPLES: list[Any] = [
    r.ComprehendedEnvelope(
        **BASE, source="sim",
        messages=[
            r.UnderstoodChat(
                "m1", 1_700_000_000_001, "u1", "退 款！\x00", "退款", "negative", 0.5, "refund", 0.25,
                [r.SensitiveHit("退款", "refund", True, 2.0)], 5,
            ),
            r.UnderstoodChat("m2", 1_700_000_000_002, "u2", "好看", "好看"),
        ],
    ),
    r.Sale(**ENTERED, type="pay", sku="s", quantity=2, amount=-1230, order="o", user="u"),
    r.Viewer(**ENTERED, user="u", type="leave", dwell_ms=12),
    r.Speech(**ENTERED, end_ts=1_700_000_001_000, text="欢迎"),
    r.Product(**ENTERED, sku="s", type="show", name="裙", price=9900, attributes={"色": "红"}, faq=[r.Question("q", "a")]),
    r.FaqEntry(
        **BASE, id="f1", question="能退吗", answer="七天内都行", wordings=["退换", "不合适"], sku="s", source="mined",
        state="draft", valid_until=1_800_000_000_000, price=9900, asked=7, by="me",
    ),
    r.FaqVerdict(**BASE, id="answer:r:s:1", score=0.5, right=True, question="q", matched="m", by="me"),
    r.MediaSegment(
        **BASE, stream="main", seq=3, pts_ms=6000, duration_ms=2000, uri="f", sha256="h", size=9,
        discontinuity=True,
    ),
    r.Frame(**BASE, stream="main", seq=3, pts_ms=6000, uri="f", sha256="h", size=9),
    r.Answer(
        **DERIVED, source_id="m1", user="u", question="q", status="given", answer="a", matched="m",
        sku="s", score=0.5,
    ),
    r.IntentGroup(
        **DERIVED, title="t", intent="price", count=3, users=2, examples=["a"], window_ms=60000,
        answered=True, trend=1.5,
    ),
    r.Mood(**DERIVED, messages=3, users=2, negative_share=0.3, positive_share=0.1, arousal=1, forecast=0.2, late=1),
    r.Alert(
        **DERIVED, topic="refund", level=2, state="firing", started_ts=1_700_000_000_000,
        evidence_ts=1_700_000_000_001, score=1.0,
        share=0.5, baseline=0.1, messages=9, users=8, examples=["退款"], words=["退款"], note="n", by="me",
    ),
    r.Paragraph(
        **DERIVED, end_ts=1_700_000_002_000, sku="s", status="open", stages={"hook": 1},
        sentences=["x"], labels={"a": "b"},
    ),
    r.Highlight(**DERIVED, start_ts=1_700_000_000_000, end_ts=1_700_000_030_000, status="final", score=3.2, title="t"),
    r.Clip(
        **DERIVED, highlight="h", end_ts=1_700_000_030_000, title="t", path="p", mode="copy",
        status="ready", labels={"a": "b"},
    ),
    r.HostCommand(**DERIVED, action="answer", text="t", because="b", priority=2),
    r.HostEvent(**DERIVED, command="c", type="spoken", latency_ms={"speak": 1.5}, simulated=["avatar"]),
    r.DeadLetter(topic="live.sales", partition=1, offset=5, reason="x", stage="sink", failed_ts=NOW,
        key=b"\xff", value=b"\x00\xfe",
    ),
]  # fmt: skip


def test_every_topic_but_raw_chat_has_a_table() -> None:
    assert set(TOPICS) - set(TABLE_OF) == {DANMAKU.name}
    assert {type(sample) for sample in SAMPLES} == {kind for table in TABLES for kind in table.topic.kinds}


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_rows_have_all_columns(record: Any) -> None:
    table = _table(record)
    rows = table.rows(record, 2, 41)
    assert rows
    assert all(len(row) == len(table.columns) and row[-2:] == (2, 41) for row in rows)
    assert table.ids is None or len(table.ids(record)) == len(rows)


@pytest.mark.store
@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_rows_are_stored_as_they_were_said(client: StoreClient, record: Any) -> None:
    table = _table(record)
    room = f"rows-{type(record).__name__}"
    given = msgspec.structs.replace(record, room=room)
    rows = table.rows(given, 2, 41)
    client.insert(f"live.{table.name}", table.columns, [list(column) for column in zip(*rows, strict=True)])
    found = client.dicts(f"SELECT * FROM live.{table.name} WHERE room_id = %(room)s ORDER BY id", {"room": room})
    assert len(found) == len(rows)
    for said, stored in zip(rows, found, strict=True):
        for name, value in zip(table.columns, said, strict=True):
            seen = _seen(stored[name])
            assert (pytest.approx(value, rel=1e-6) if isinstance(value, float) else _seen(value)) == seen, name


def _seen(value: Any) -> Any:
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
@pytest.mark.parametrize("value", [-1, LAST_MS + 1, 2**63, 2**64 - 1])
def test_what_no_column_holds_is_invalid(record: Any, value: int) -> None:
    times = [name for name in record.__struct_fields__ if name.endswith("_ts")]
    if isinstance(record, r.ComprehendedEnvelope):
        times.remove("event_ts")  # each message has its own
    for name in times:
        with pytest.raises(InvalidError):
            _table(record).rows(msgspec.structs.replace(record, **{name: value}), 0, 0)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (r.Sale, {"amount": 10**17}), (r.Sale, {"quantity": 2**63}), (r.Sale, {"skew_ms": -(2**63) - 1}),
        (r.Mood, {"messages": 2**63}), (r.Mood, {"revision": -1}), (r.Paragraph, {"stages": {"x": 2**63}}),
        (r.MediaSegment, {"size": 2**64 - 1}),
        (r.DeadLetter, {"partition": 2**31}), (r.Clip, {"width": 2**63}), (r.HostEvent, {"duration_ms": 2**63}),
    ],
)  # fmt: skip
def test_numbers_beyond_their_column_are_invalid(kind: type[Any], change: dict[str, Any]) -> None:
    record = next(sample for sample in SAMPLES if type(sample) is kind)
    with pytest.raises(InvalidError):
        _table(record).rows(msgspec.structs.replace(record, **change), 0, 0)


def test_dead_letters_are_named_by_their_origin() -> None:
    letter = SAMPLES[-1]
    assert deadletter_id(letter) == "live.sales:1:5:sink"
    refused = msgspec.structs.replace(letter, offset=-1)
    other = msgspec.structs.replace(refused, value=b"other")
    assert deadletter_id(refused) != deadletter_id(other)
    assert deadletter_id(refused) != deadletter_id(msgspec.structs.replace(refused, room="another"))
    assert deadletter_id(refused) == deadletter_id(msgspec.structs.replace(refused, failed_ts=refused.failed_ts + 60_000))


def _table(record: Any) -> Table:
    return next(table for table in TABLES if type(record) in table.topic.kinds).of(record)
