"""In which order a round of inserts goes to the store."""

from __future__ import annotations

from storage.rows import TABLE_OF
from storage.writer import Job, by_urgency
from streams.topics import ALERTS, COMPREHENDED, MOOD


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
