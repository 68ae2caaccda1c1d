"""When rounds of inserts begin, and whose rows are in them."""

from __future__ import annotations

import pytest

from storage.batches import Message, Partition
from storage.pace import PATIENT, in_round, pause_ms, ripe
from storage.recent import Recent
from storage.rows import TABLE_OF, TABLES
from streams.records import Alert, ComprehendedEnvelope, Mood, Record, UnderstoodChat, encode
from streams.topics import COMPREHENDED, TOPIC_OF

CHAT = ComprehendedEnvelope(
    room="r", event_ts=1, ingest_ts=1, source="s", messages=[UnderstoodChat("1", 1, "u", "多少钱", "多少钱")]
)
FEELING = Mood(
    room="r", event_ts=1, ingest_ts=1, id="m", revision=1, messages=1, users=1, negative_share=0, positive_share=0, arousal=0
)
ALARM = Alert(
    room="r", event_ts=1, ingest_ts=1, id="a", revision=1, topic="quality", level=1, state="firing", started_ts=1,
    evidence_ts=1, score=3, share=1, baseline=0, messages=4, users=4, examples=[],
)  # fmt: skip


@pytest.mark.parametrize(
    ("took", "pause", "apart"), [(0, 300, 300), (90, 210, 300), (150, 150, 300), (400, 400, 800), (2000, 500, 2500)]
)
def test_rounds_begin_apart_and_leave_a_slow_store_some_time(took: int, pause: int, apart: int) -> None:
    assert pause_ms(300, took) == pause
    assert took + pause == apart


def partition(record: Record | None, at: int, topic: str = "") -> Partition:
    """A partition that has taken ``record`` at the time ``at``."""
    if record is not None:
        topic = TOPIC_OF[type(record)].name
    found = Partition(TABLE_OF[topic], 0, {}, lambda: Recent(()))
    if record is not None:
        found.take(Message(7, b"r", encode(record)), lambda: at)
    return found


def test_rows_begin_a_round_when_they_have_waited_and_empty_partitions_never_do() -> None:
    chat = partition(CHAT, 1_000)
    assert not ripe(chat, 1_299, 300)
    assert ripe(chat, 1_300, 300)
    assert not ripe(partition(None, 0, COMPREHENDED.name), 9_999, 300)


def test_what_is_said_about_a_room_waits_for_company() -> None:
    mood = partition(FEELING, 1_000)
    assert not ripe(mood, 1_999, 300)
    assert ripe(mood, 2_000, 300)


def test_a_round_takes_chat_and_alerts_along_and_leaves_what_can_wait() -> None:
    chat, alert, young, old = (
        partition(CHAT, 1_900),
        partition(ALARM, 2_000),
        partition(FEELING, 1_500),
        partition(FEELING, 900),
    )
    assert in_round([chat, alert, young, old], 2_000, 300) == [chat, alert, old]


def test_who_has_patience_is_a_table_and_is_not_urgent() -> None:
    tables = {table.name: table for table in TABLES}
    assert tables.keys() >= PATIENT
    assert not [name for name in PATIENT if tables[name].urgent]
