"""How surprising evidence is, and what counts as evidence."""

from __future__ import annotations

import random
from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from analytics.clock import RoomClock
from analytics.evidence import Topic, surprise
from analytics.traffic import COPIES_A_SECOND, LATE_MS, SECOND, Counts, Traffic
from analytics.wordings import COMPARED, MOST_GROUPS, MOST_NAMED, Group
from streams.gateway.app import GatewayConfig
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
    return [topic.add(chat(START + i * 10, user, text), 1.0, [text]) is not None for i, (user, text) in enumerate(texts)]


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


def test_messages_as_late_as_the_gateway_lets_them_through_count() -> None:
    traffic = Traffic(RoomClock(START))
    for seconds in range(0, 126, 9):
        assert traffic.accept(START + seconds * SECOND)
    newest = GatewayConfig.skew_ahead_ms + START + 117 * SECOND
    assert traffic.accept(newest)
    assert traffic.accept(newest - GatewayConfig.skew_ahead_ms - GatewayConfig.skew_behind_ms + 1)
    assert not traffic.accept(newest - LATE_MS)
    assert traffic.late == 1


def test_counts_of_any_order_are_those_of_the_messages() -> None:
    rng, counts = random.Random(1), Counts()
    ats = [rng.randrange(1_000, 1_400) for _ in range(500)]
    for at in ats:
        counts.add(at)
    for start, end in ((900, 1_500), (1_100, 1_101), (1_350, 1_300), (1_200, 1_260), (1_390, 1_600)):
        assert counts.between(start, end) == sum(start <= at < end for at in ats)
    counts.trim(1_200)
    assert counts.between(900, 1_500) == sum(at >= 1_200 for at in ats)
    assert len(counts.bins) <= 200


def test_the_normal_waits_for_the_source_that_is_furthest_behind_and_for_none_that_is_silent() -> None:
    traffic = Traffic(RoomClock(START))
    traffic.accept(START, source="b")
    for second in range(0, 60):
        traffic.accept(START + second * SECOND, source="a")
    assert traffic.settled() == START // SECOND - 20
    for second in range(60, 130):
        traffic.accept(START + second * SECOND, source="a")
    traffic.trim()
    assert traffic.settled() == START // SECOND + 129 - 20


def test_without_a_name_a_text_is_a_voice() -> None:
    texts = ["假货", "假货", "假货1", "假货23", "骗子", "加我微信领正品大额优惠券数量有限", "加我微信领正品大额优惠券数量有限8"]
    assert counted([("", text) for text in texts]) == [True, False, False, False, True, True, False]
    topic = Topic(0.002)
    topic.add(chat(START, "", "假货"), 1.0, [])
    topic.add(chat(START, "", "骗子"), 1.0, [])
    assert topic.users(START) == 1


def test_one_user_who_jumps_back_and_forth_counts_once() -> None:
    topic = Topic(0.002)
    counted = [topic.add(chat(START + ts * SECOND, "a", f"骗子{ts}"), 1.0, []) for ts in (100, 60, 61, 101, 62, 102)]
    assert [user is not None for user in counted] == [True, True, False, False, False, False]


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
    now = START + 1_999 * SECOND + 2
    assert 3 * 29 <= len(group.users) == group.messages(now) == topic.messages(now) <= 3 * 31
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
    assert "6 个账号共 6 条，其中 6 条（6 个账号）" in topic.note(START + 41 * SECOND)
