from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.skew import DAY_MS, Skews

NOW = 1_795_550_000_000
MINUTE = 60_000


def play(skews: Skews, stamps: list[int], step_ms: int = 1000) -> list[int]:
    """One event a second; the offset of each corrected stamp from our clock."""
    placed = []
    for number, off in enumerate(stamps):
        now = NOW + number * step_ms
        shift = skews.shift("r", "s", [now + off], now)
        placed.append(skews.place(now + off, shift, now) - now)
    return placed


def test_a_clock_that_is_right_is_left_alone() -> None:
    assert play(Skews(), [-300, 0, -2000, 4000, -90_000]) == [-300, 0, -2000, 4000, -90_000]


def test_nothing_of_a_clock_that_is_ahead_lies_in_the_future_from_the_first_event_on() -> None:
    for wrong in (5 * MINUTE, 6000):
        assert play(Skews(), [wrong] * 20) == [0] * 20


def test_a_clock_that_is_behind_is_corrected_when_it_has_been_so_for_ten_seconds() -> None:
    for wrong in (-5 * MINUTE, -121_000):
        assert play(Skews(), [wrong] * 20) == [wrong] * 10 + [0] * 10


def test_a_request_whose_stamps_agree_is_enough_for_a_clock_that_is_ahead() -> None:
    skews = Skews()
    assert skews.shift("r", "s", [NOW + 5 * MINUTE - delay for delay in (0, 400, 900, 0)], NOW) == -5 * MINUTE
    assert skews.shift("r", "s", [NOW + 5 * MINUTE + 1000], NOW + 1000) == -5 * MINUTE


def test_order_within_a_wrong_source_is_kept() -> None:
    jitter = [0, -400, -100, -900, 0, -2500, -30, -700] * 5
    skews, shifts = Skews(), []
    for number, delay in enumerate(jitter):
        now = NOW + number * 1000
        shifts.append(skews.shift("r", "s", [now + 5 * MINUTE + delay], now))
    assert set(shifts[:2]) == {0}
    assert len(set(shifts[2:])) == 1
    assert abs(shifts[2] + 5 * MINUTE) < 1000


def test_late_events_of_a_right_source_are_late_and_not_moved() -> None:
    placed = play(Skews(), [0] * 10 + [-10 * MINUTE] * 5 + [0] * 10)
    assert placed == [0] * 10 + [-10 * MINUTE] * 5 + [0] * 10


def test_one_stamp_out_of_the_future_is_brought_to_now_alone() -> None:
    assert play(Skews(), [0, 0, 0, 60 * MINUTE, 0, 0]) == [0] * 6


@pytest.mark.parametrize("stray", [10_000, 59_000, 60 * MINUTE, 6 * DAY_MS, -50_000, -6 * DAY_MS])
@pytest.mark.parametrize("others", [1, 2, 9, 50])
def test_one_wrong_stamp_moves_nobody_else_of_its_request(stray: int, others: int) -> None:
    for place in (0, others):
        stamps = [NOW - number * 10 for number in range(others)]
        stamps.insert(place, NOW + stray)
        assert Skews().shift("r", "s", stamps, NOW) == 0


@pytest.mark.parametrize("stray", [60 * MINUTE, 6 * DAY_MS, -6 * DAY_MS])
def test_a_request_of_one_wrong_stamp_moves_nobody_after_it(stray: int) -> None:
    for later in (0, -MINUTE, -10 * MINUTE):
        placed = play(Skews(), [stray] + [later] * 5)
        assert placed == [min(stray, 0)] + [later] * 5


@pytest.mark.parametrize(("events", "pause_ms"), [(1, 5), (1, 200), (100, 200), (100, 2000), (600, 0)])
def test_a_backlog_that_is_sent_again_keeps_its_times(events: int, pause_ms: int) -> None:
    """Ten minutes of events, one a second, sent faster than they happened to a gateway that does not know their source."""
    skews, now = Skews(), NOW
    for first in range(0, 600, events):
        stamps = [NOW - 600_000 + number * 1000 for number in range(first, first + events)]
        assert skews.shift("r", "s", stamps, now) == 0
        now += pause_ms


def test_a_clock_that_is_set_right_is_trusted_again() -> None:
    ahead = play(Skews(), [5 * MINUTE] * 20 + [0] * 30 + [5 * MINUTE] * 5)
    assert ahead == [0] * 55
    behind = play(Skews(), [-5 * MINUTE] * 20 + [0] * 30 + [-5 * MINUTE] * 5)
    assert behind == [-5 * MINUTE] * 10 + [0] * 40 + [-5 * MINUTE] * 5


def test_a_delayed_event_of_a_wrong_source_disturbs_nobody_else() -> None:
    assert play(Skews(), [5 * MINUTE] * 8 + [0] + [5 * MINUTE] * 8) == [0] * 17


def test_a_first_late_batch_does_not_stick() -> None:
    assert play(Skews(), [-10 * MINUTE] + [0] * 10) == [-10 * MINUTE] + [0] * 10


def test_a_delay_about_the_limit_does_not_flap() -> None:
    skews, shifts = Skews(), []
    for number in range(40):
        now = NOW + number * 1000
        shifts.append(skews.shift("r", "s", [now - 120_000 + (1000 if number % 2 else -1000)], now))
    assert len(set(shifts[15:])) == 1


def test_a_stamp_that_is_days_off_is_told_apart() -> None:
    skews = Skews()
    assert [skews.is_far(NOW + days * DAY_MS, NOW) for days in (-8, -7, 0, 7, 8)] == [True, False, False, False, True]
    assert "8 days before our clock" in skews.why_far(NOW - 8 * DAY_MS, NOW)
    assert "clock=replay" in skews.why_far(NOW - 8 * DAY_MS, NOW)
    assert "365 days ahead of our clock" in skews.why_far(NOW + 365 * DAY_MS, NOW)


def test_sources_and_rooms_are_apart() -> None:
    skews = Skews()
    assert skews.shift("r", "wrong", [NOW + 5 * MINUTE] * 3, NOW) == -5 * MINUTE
    assert skews.shift("r", "right", [NOW + 5 * MINUTE], NOW) == 0
    assert skews.shift("r2", "wrong", [NOW + 5 * MINUTE], NOW) == 0


def test_memory_is_bounded_and_the_sources_heard_last_are_kept() -> None:
    skews = Skews(sources=2)
    for source, off in (("a", 5 * MINUTE), ("b", 5 * MINUTE), ("a", 5 * MINUTE), ("c", 0)):
        skews.shift("r", source, [NOW + off] * 3, NOW)
    # whoever is remembered goes on with what was known of it, whoever is not starts anew
    assert skews.shift("r", "a", [NOW + 5 * MINUTE], NOW) == -5 * MINUTE
    assert skews.shift("r", "b", [NOW + 5 * MINUTE], NOW) == 0


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60))
def test_nothing_leaves_with_a_stamp_in_the_future(stamps: list[int]) -> None:
    assert all(off <= 5000 for off in play(Skews(), stamps))


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60), st.lists(st.integers(0, 3600_000), min_size=2, max_size=9)
)
def test_one_request_keeps_its_order(before: list[int], gaps: list[int]) -> None:
    skews = Skews()
    play(skews, before)
    now = NOW + 10**6
    stamps = [now - sum(gaps[:i]) for i in range(len(gaps))]
    shift = skews.shift("r", "s", stamps, now)
    placed = [skews.place(ts, shift, now) for ts in stamps]
    if max(stamps) + shift <= now + skews.ahead_ms:
        assert [a - b for a, b in zip(placed, stamps, strict=True)] == [shift] * len(stamps)
