"""In which order a round of inserts goes to the store."""

from __future__ import annotations

import time

import msgspec
import pytest

from storage.client import Address, StoreClient
from storage.rows import TABLE_OF
from storage.writer import DAY_MS, DAYS_AT_ONCE, Job, Writer, by_urgency, portions
from streams import records as r
from streams.topics import ALERTS, COMPREHENDED, MOOD, VIEWERS
from tests.storage.support import StoreProcess
from tests.support.gateway import Counts


def job(topic: str, rows: int, token: str) -> Job:
    return Job(TABLE_OF[topic], [("room",)] * rows, token)


def test_alerts_come_first_and_then_what_is_largest() -> None:
    few, many, alert, chat = (
        job(MOOD.name, 2, "few"), job(MOOD.name, 9, "many"), job(ALERTS.name, 1, "alert"), job(COMPREHENDED.name, 300, "chat"),
    )  # fmt: skip
    assert [one.token for one in by_urgency([few, many, alert, chat])] == ["alert", "chat", "many", "few"]


def test_equal_jobs_keep_their_order() -> None:
    jobs = [job(MOOD.name, 3, str(number)) for number in range(5)]
    assert by_urgency(jobs) == jobs


def over_days(room: str, days: int) -> Job:
    """Two rows a day; they were taken now."""
    table, now = TABLE_OF[VIEWERS.name], time.time_ns() // 1_000_000
    like = r.Viewer(room=room, event_ts=now, ingest_ts=now, id="", source="s", user="u", type="like")
    rows = []
    for number in range(2 * days):
        record = msgspec.structs.replace(like, id=str(number), event_ts=now - number % days * DAY_MS)
        rows += table.rows(record, 0, number)
    return Job(table, rows, f"{room}:token")


def test_rows_of_many_days_go_in_several_inserts_and_none_is_lost() -> None:
    job = over_days("r", 2 * DAYS_AT_ONCE + 1)
    parts = portions(job)
    assert [len({row[1] // DAY_MS for row in part.rows}) for part in parts] == [DAYS_AT_ONCE, DAYS_AT_ONCE, 1]
    assert sorted(row for part in parts for row in part.rows) == sorted(job.rows)
    assert len({part.token for part in parts}) == 3
    assert portions(job) == parts


def test_rows_of_a_few_days_go_in_one_under_their_own_token() -> None:
    job = over_days("r", DAYS_AT_ONCE)
    assert portions(job) == [job]


@pytest.mark.store
def test_rows_of_many_days_count_once_however_often_they_are_written(store: StoreProcess, client: StoreClient) -> None:
    writer = Writer(Address.parse(store.url), Counts())
    days = DAYS_AT_ONCE + 20
    for _ in range(2):
        writer.write([over_days("many-days", days)])
    writer.close()
    question = "SELECT count(), uniqExact(toDate(ts)) FROM live.viewers WHERE room_id = 'many-days' SETTINGS final = 0"
    assert client.execute(question) == [(2 * days, days)]
