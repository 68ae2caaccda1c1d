"""Alive by progress."""

from __future__ import annotations

import pytest

from streams.shell.progress import Progress

TP = ("live.sales", 1)


class Now:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def progress(now: Now) -> Progress:
    made = Progress("mood", now, stall_s=30, silence_s=15)
    made.beat(None)
    return made


def pass_time(now: Now, progress: Progress, seconds: int, end: int, at: int) -> None:
    for _ in range(seconds):
        now.at += 1
        progress.beat(None)
        progress.looked({TP: end}, {TP: at})


def test_records_that_wait_without_a_move_make_it_unwell(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 5, end=10, at=5)
    assert progress.alive() is None
    pass_time(now, progress, 31, end=50, at=5)
    assert "live.sales-1 has records waiting and has not moved" in str(progress.alive())
    pass_time(now, progress, 1, end=60, at=6)
    assert progress.alive() is None


def test_nothing_to_do_is_well_for_ever(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 500, end=10, at=10)
    assert progress.alive() is None
    assert progress.ready() is None


def test_a_new_record_after_a_long_rest_does_not_count_as_a_stall(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 500, end=10, at=10)
    pass_time(now, progress, 20, end=11, at=10)
    assert progress.alive() is None


def test_a_broker_that_is_away_is_not_ready_and_not_dead(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 5, end=10, at=5)
    for _ in range(100):
        now.at += 1
        progress.beat(None)
    assert progress.alive() is None
    assert "Kafka has not answered" in str(progress.ready())


def test_after_an_outage_there_is_time_to_move(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 5, end=10, at=5)
    for _ in range(100):
        now.at += 1
        progress.beat(None)
    assert progress.silent()
    pass_time(now, progress, 29, end=10, at=5)
    assert progress.alive() is None
    pass_time(now, progress, 5, end=10, at=5)
    assert "has not moved" in str(progress.alive())


def test_a_loop_that_does_not_run_is_dead(now: Now, progress: Progress) -> None:
    now.at += 31
    assert "loop has not run for 31 s" in str(progress.alive())


def test_it_says_why_it_is_not_ready(progress: Progress) -> None:
    progress.beat("its group is rebalancing")
    assert progress.ready() == "agent mood: its group is rebalancing"


def test_a_new_assignment_forgets(now: Now, progress: Progress) -> None:
    pass_time(now, progress, 29, end=10, at=5)
    progress.assigned()
    pass_time(now, progress, 29, end=10, at=5)
    assert progress.alive() is None


def test_lags_are_told(progress: Progress) -> None:
    assert progress.looked({TP: 10, ("live.sales", 2): 7}, {TP: 4}) == {TP: 6, ("live.sales", 2): 0}
