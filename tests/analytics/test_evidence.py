"""How surprising evidence is, and what counts as evidence."""

from __future__ import annotations

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from analytics.clock import RoomClock
from analytics.evidence import COPIES_A_SECOND, Topic, Traffic, surprise
from tests.analytics.talk import START, chat


@given(st.integers(1, 100), st.floats(0.1, 200))
def test_surprise_is_the_poisson_tail(users: int, mean: float) -> None:
    if users <= mean:
        assert surprise(users, mean) == 0
    else:
        assert surprise(users, mean) == pytest.approx(-poisson.logsf(users - 1, mean) / 2.302585092994046, rel=1e-6, abs=1e-9)


def test_surprise_at_its_borders() -> None:
    assert surprise(0, 0) == 0
    assert surprise(3, 0) == 99
    assert surprise(1, 0.1) == pytest.approx(-log10(1 - 2.718281828459045**-0.1))


def counted(texts: list[tuple[str, str]]) -> list[bool]:
    topic = Topic(0.002)
    return [topic.add(chat(START + i * 10, user, text), 1.0, [text]) for i, (user, text) in enumerate(texts)]


def test_a_user_counts_once() -> None:
    assert counted([("a", "假货"), ("a", "骗子"), ("b", "假货")]) == [True, False, True]


def test_a_long_text_counts_once_and_its_near_copies_with_it() -> None:
    long = "加我微信领正品大额优惠券数量有限先到先得"
    assert counted([("a", long), ("b", long), ("c", long + "8"), ("d", "这家的东西全是仿的别买")]) == [True, False, False, True]


def test_a_user_whose_paste_did_not_count_may_still_speak() -> None:
    long = "加我微信领正品大额优惠券数量有限先到先得"
    assert counted([("a", long), ("b", long), ("b", "我收到的就是假货")]) == [True, False, True]


def test_a_user_counts_again_after_half_a_minute() -> None:
    topic = Topic(0.002)
    assert topic.add(chat(START, "a", "假货"), 1.0, [])
    assert not topic.add(chat(START + 29_999, "a", "骗子"), 1.0, [])
    assert topic.add(chat(START + 30_000, "a", "退钱"), 1.0, [])


def test_a_flood_of_one_text_counts_little_among_the_messages() -> None:
    traffic = Traffic(RoomClock(START))
    for index in range(500):
        traffic.add(chat(START + index, f"u{index}", "扣1"))
    traffic.add(chat(START + 600, "u", "好看"))
    assert traffic.since(2, START + 999) == COPIES_A_SECOND + 1


def test_one_wrong_clock_moves_nothing_and_three_in_a_row_move_it() -> None:
    traffic = Traffic(RoomClock(START))
    assert not traffic.accept(START + 86_400_000)
    assert traffic.accept(START + 10)
    far = [traffic.accept(START + 3_600_000 + index) for index in range(3)]
    assert far == [False, False, True]
    assert traffic.now == START + 3_600_002
    assert [traffic.accept(START) for _ in range(30)] == [False] * 29 + [True]


def test_late_messages_within_the_memory_count() -> None:
    traffic = Traffic(RoomClock(START))
    assert traffic.accept(START + 20_000)
    assert traffic.accept(START)
    assert not traffic.accept(START - 10_001)
