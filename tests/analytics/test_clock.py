"""The clock of a room: what moves it, and what does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.clock import FAR_MS, JUMP_MS, RoomClock

NOW = 1_700_000_000_000


def test_ordinary_time_is_followed_at_once() -> None:
    clock = RoomClock(NOW)
    assert clock.accept(NOW + JUMP_MS, "a")
    assert clock.accept(NOW, "a")
    assert clock.now == NOW + JUMP_MS


@pytest.mark.parametrize("ahead", [JUMP_MS + 1, 60_000, FAR_MS])
def test_one_voice_ahead_is_accepted_and_moves_nothing(ahead: int) -> None:
    clock = RoomClock(NOW)
    for repeat in range(50):
        assert clock.accept(NOW + ahead + repeat % 2, "wrong") is (ahead + repeat % 2 <= FAR_MS)
    assert clock.now == NOW
    assert clock.accept(NOW + 100, "right")
    assert clock.now == NOW + 100


def test_after_a_pause_the_third_voice_moves_the_clock_to_the_least_of_three() -> None:
    clock = RoomClock(NOW)
    assert [clock.accept(NOW + 60_000 + 20_000 * index, f"u{index}") for index in range(3)] == [True] * 3
    assert (clock.now, clock.moves, clock.refused) == (NOW + 60_000, 0, 0)


def test_a_source_that_is_ahead_is_followed_though_another_speaks_between() -> None:
    clock = RoomClock(NOW)
    for index in range(3):
        clock.accept(NOW + 60_000 + index, f"a{index}")
        clock.accept(NOW + index, f"b{index}")
    assert clock.now == NOW + 60_002


def test_strays_that_do_not_agree_move_nothing_while_others_speak() -> None:
    clock, rng = RoomClock(NOW), random.Random(1)
    for index in range(2_000):
        if rng.random() < 0.03:
            clock.accept(NOW + index * 10 + rng.randrange(30_000, FAR_MS), f"wrong{index}")
        clock.accept(NOW + index * 10, f"u{index}")
    assert clock.now == NOW + 1_999 * 10
    claims = RoomClock(NOW)
    for index in range(3):
        claims.accept(NOW + 60_000 + index * 30_000, f"wrong{index}")
        claims.accept(NOW, "u")
    assert claims.now == NOW


def test_a_claim_fades() -> None:
    clock = RoomClock(NOW)
    for round_ in range(3):
        clock.accept(NOW + 60_000, f"wrong{round_}")
        for index in range(30):
            clock.accept(NOW, f"u{index}")
    assert clock.now == NOW
    assert clock.claims == []


def test_strays_are_refused_and_counted_until_the_many_agree() -> None:
    clock = RoomClock(NOW)
    assert [clock.accept(NOW + 3_600_000 + index, f"u{index}") for index in range(3)] == [False, False, True]
    assert (clock.now, clock.moves, clock.refused) == (NOW + 3_600_002, 1, 2)
    assert [clock.accept(NOW, "late") for _ in range(30)] == [False] * 29 + [True]
    assert (clock.now, clock.moves, clock.refused) == (NOW, 2, 31)


def test_a_trusted_source_moves_the_clock_alone_up_to_five_minutes() -> None:
    clock = RoomClock(NOW)
    assert clock.accept(NOW + FAR_MS, jump_ms=FAR_MS)
    assert clock.now == NOW + FAR_MS
    assert not clock.accept(NOW + 2 * FAR_MS + 1, jump_ms=FAR_MS)


@given(st.lists(st.tuples(st.integers(-2 * FAR_MS, 2 * FAR_MS), st.sampled_from(["a", "b", None])), max_size=200))
def test_its_state_stays_small_and_time_runs_back_only_with_a_move(claims: list[tuple[int, str | None]]) -> None:
    clock = RoomClock(NOW)
    for ts, voice in claims:
        before, moves = clock.now, clock.moves
        accepted = clock.accept(NOW + ts, voice)
        assert len(clock.claims) < 3
        assert clock.now >= before or clock.moves == moves + 1
        assert accepted or abs(NOW + ts - clock.now) > FAR_MS
