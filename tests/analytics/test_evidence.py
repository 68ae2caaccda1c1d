"""How surprising evidence is, and what counts as evidence."""

from __future__ import annotations

import random
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from analytics.clock import RoomClock
from analytics.evidence import COMPARED, COPIES_A_SECOND, MOST_GROUPS, MOST_NAMED, SECOND, Group, Topic, Traffic, surprise
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
    assert traffic.accept(START + 9_000)
    assert traffic.accept(START + 18_000)
    assert traffic.accept(START)
    assert not traffic.accept(START - 12_000)
    assert traffic.late == 1


def test_the_work_of_one_message_has_a_bound() -> None:
    """At most 64 texts are compared, by at most 79 pairs each, whatever has come before and however long it was."""
    rng, topic = random.Random(1), Topic(0.002)
    letters = [chr(0x4E00 + index) for index in range(3_000)]
    texts = ["".join(rng.choices(letters, k=2_000)) for _ in range(130)]
    for index, text in enumerate(texts):
        topic.add(chat(START + index, f"u{index}", text), 1.0, [])
        rivals = list(topic.rivals(Group(text[:COMPARED])))
        assert len(rivals) <= MOST_GROUPS
        assert all(len(rival.pairs) < COMPARED and len(rival.text) <= COMPARED for rival in rivals)
    assert len(rivals) == MOST_GROUPS  # they are all of one length: nothing is ruled out before
    assert rivals[0].pairs is rivals[0].pairs  # made once


def test_texts_that_differ_far_behind_are_copies() -> None:
    start = "".join(chr(0x4E00 + index) for index in range(COMPARED))
    assert counted([("a", start + "一二三"), ("b", start + "四五六" * 600)]) == [True, False]


def test_people_of_a_text_are_those_of_the_memory() -> None:
    topic = Topic(0.002)
    for second in range(2_000):
        for index in range(3):
            topic.add(chat(START + second * SECOND + index, f"u{second}-{index}", "假货"), 1.0, [])
        topic.trim(START + second * SECOND)
    (group,) = topic.groups
    assert 3 * 29 <= len(group.users) == group.messages == topic.messages() <= 3 * 31
    assert topic.said == 6_000
    for index in range(4 * MOST_NAMED):
        topic.add(chat(START + 2_000 * SECOND, f"v{index}", "假货"), 1.0, [])
    assert len(group.users) <= 2 * MOST_NAMED


def test_a_note_speaks_of_the_memory() -> None:
    topic = Topic(0.002)
    for index in range(40):
        topic.add(chat(START + index, f"old{index}", "假货"), 1.0, [])
    for index in range(6):
        topic.add(chat(START + 40 * SECOND + index, f"new{index}", "假货"), 1.0, [])
    topic.trim(START + 41 * SECOND)
    assert "6 个账号共 6 条，其中 6 条（6 个账号）" in topic.note()
