"""What viewers ask now: what is one question, how groups slide, are told and end, and figures on a simulated crowd."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from analytics.comprehension import Comprehension
from analytics.groups import EVERY_MS, GROUPS, WINDOW_MS, Groups
from streams.agents.intents import AGENT
from streams.records import Chat, ComprehendedEnvelope, DanmakuEnvelope, IntentGroup, Record
from streams.sources.simulator.questions import FAMILIES
from tests.analytics.contract import Step, check_hash_seeds, check_operator

START = 1_700_000_000_000


def chat(lines: list[tuple[int, str, str]], *, room: str = "r", late_ms: int = 200) -> ComprehendedEnvelope:
    """An envelope of ``(event time from the start, user, text)``."""
    chats = [Chat(f"{ts}.{user}", START + ts, user, text) for ts, user, text in lines]
    newest = max(message.event_ts for message in chats)
    raw = DanmakuEnvelope(room=room, event_ts=newest, ingest_ts=newest + late_ms, source="s", messages=chats)
    (out,) = Comprehension().feed(raw, 0)
    assert isinstance(out, ComprehendedEnvelope)
    return out


def play(operator: Groups, steps: list[Step]) -> list[IntentGroup]:
    told: list[Record] = []
    for revision, step in enumerate(steps):
        told += operator.tick(step, revision) if isinstance(step, int) else operator.feed(step, revision)
    return [record for record in told if isinstance(record, IntentGroup)]


def last(told: list[IntentGroup]) -> dict[str, IntentGroup]:
    return {group.id: group for group in told}


STEPS: list[Step] = [
    chat([(0, "a", "多少钱"), (100, "b", "多少钱啊"), (200, "c", "哈哈哈")], room="first"),
    chat([(900, "a", "包邮吗"), (950, "b", "包邮吗？")], room="second"),
    chat([(1_500, "d", "怎么卖"), (1_600, "a", "会掉色吗")], room="first"),
    START + 2_000,
    chat([(3_000, "e", "啥价"), (2_500, "f", "掉不掉色")], room="first"),
    chat([(30_000, "g", "多少钱"), (29_000, "h", "会不会掉色")], room="first"),
    START + 36_000,
    chat([(62_000, "i", "多少钱")], room="second"),
    START + 70_000,
    chat([(80_000, "i", "哈哈")], room="first"),
    START + 200_000,
]


def test_battery() -> None:
    told = check_operator(Groups, STEPS, silence_ms=2 * WINDOW_MS)
    assert any(isinstance(record, IntentGroup) and record.count == 0 for record in told)
    check_hash_seeds("analytics.groups:Groups", STEPS)


def test_battery_on_a_busy_room() -> None:
    """Groups that begin, grow, end and begin again, with disorder, other rooms and ticks between."""
    rng = Random(3)
    wordings = [text for name in sorted(FAMILIES)[::3] for text in FAMILIES[name]] + ["哈哈哈", "666"]
    steps: list[Step] = []
    for number in range(90):
        now = number * 1_500
        if rng.random() < 0.2:
            steps.append(START + now + 4_000)
        lines = [
            (max(0, now - rng.choice((0, 0, 0, 4_000, 70_000)) + n), f"u{rng.randrange(30)}", rng.choice(wordings))
            for n in range(5)
        ]
        steps.append(chat(lines, room=rng.choice(("first", "first", "second"))))
    assert len(check_operator(Groups, steps, crashes=6)) > 100


def test_other_words_for_one_question_are_one_group() -> None:
    texts = ["多少钱", "怎么卖", "啥价", "这个多少米", "多少钱", "價格多少"]
    steps: list[Step] = [chat([(n, f"u{n}", text) for n, text in enumerate(texts)]), chat([(2_000, "a", "哈哈")])]
    (group,) = last(play(Groups(), steps)).values()
    assert (group.count, group.users, group.intent, group.window_ms) == (6, 6, "ask_price", WINDOW_MS)
    assert group.title == "多少钱", "the wording that most people use"
    assert group.examples[0] == "多少钱"
    assert len(group.examples) == 3
    assert group.id == "group:r:s:0.u0"


def test_chatter_and_single_questions_are_no_group() -> None:
    steps: list[Step] = [chat([(0, "a", "哈哈哈"), (1, "b", "哈哈哈"), (2, "c", "好看"), (3, "d", "多少钱"), (4, "e", "退钱")])]
    assert play(Groups(), steps) == []


def test_users_are_counted_once() -> None:
    (group,) = play(Groups(), [chat([(n, "a", "多少钱") for n in range(5)])])
    assert (group.count, group.users) == (5, 1)


def test_a_group_is_told_when_it_changes_and_not_too_often() -> None:
    steps: list[Step] = [chat([(ts, f"u{ts}", "多少钱")]) for ts in range(0, 10_000, 250)]
    told = play(Groups(), steps)
    times = [group.event_ts for group in told]
    assert 4 <= len(told) <= 6
    assert all(later - earlier >= EVERY_MS for earlier, later in pairwise(times))
    quiet = play(Groups(), [*steps, *[chat([(10_000 + ts, "x", "哈哈")]) for ts in range(0, 9_000, 250)]])
    assert len(quiet) - len(told) <= 1, "nothing new, nothing told"


def test_the_window_slides_and_an_empty_group_ends() -> None:
    operator = Groups()
    steps: list[Step] = [chat([(0, "a", "多少钱"), (1, "b", "多少钱")])]
    steps += [chat([(ts, "x", "多少钱" if ts == 31_000 else "哈哈")]) for ts in range(7_000, 92_000, 6_000)]
    told = play(operator, steps)
    assert [group.count for group in told] == [2, 3, 1, 0]
    assert len({group.id for group in told}) == 1
    assert told[-1].title == "多少钱"
    again = play(operator, [chat([(92_000, "d", "多少钱"), (92_001, "e", "多少钱")]), chat([(94_000, "x", "哈哈")])])
    assert again[-1].id != told[-1].id, "what comes after the end is a new group"


def test_a_rise_has_a_trend() -> None:
    slow: list[Step] = [chat([(ts, f"u{ts}", "多少钱")]) for ts in range(0, 40_000, 8_000)]
    burst: list[Step] = [chat([(45_000 + ts, f"v{ts}", "多少钱")]) for ts in range(0, 12_000, 500)]
    told = play(Groups(), [*slow, *burst])
    assert told[-1].trend > 2


def test_silence_is_told_by_ticks() -> None:
    operator = Groups()
    operator.feed(chat([(0, "a", "多少钱"), (1, "b", "多少钱")]), 0)
    assert [group.count for group in play(operator, [START + ts for ts in range(1_000, 70_000, 1_000)])] == [0]


def test_late_questions_count_in_their_window_or_not_at_all() -> None:
    operator = Groups()
    steps: list[Step] = [chat([(70_000, "a", "多少钱")]), chat([(69_000, "b", "多少钱"), (5_000, "c", "多少钱")])]
    told = play(operator, [*steps, chat([(72_000, "x", "哈哈")])])
    assert [group.count for group in told] == [2]


def test_a_recording_that_begins_anew_ends_the_old_groups() -> None:
    told = play(Groups(), [
        chat([(3_600_000, "a", "多少钱"), (3_600_001, "b", "多少钱")]), chat([(n, f"u{n}", "哈哈") for n in range(30)]),
        chat([(30, "c", "多少钱"), (31, "d", "多少钱")]),
    ])  # fmt: skip
    assert [(group.count, group.id) for group in told] == [
        (2, "group:r:s:3600000.a"), (0, "group:r:s:3600000.a"), (2, "group:r:s:30.c"),
    ]  # fmt: skip


@pytest.mark.parametrize("wrong_ms", [9 * 60_000, 4 * 60_000, 25_000, -9 * 60_000])
def test_one_wrong_time_stamp_does_not_silence_a_room(wrong_ms: int) -> None:
    steps: list[Step] = [chat([(ts, f"u{ts}", "多少钱")]) for ts in range(0, 6_000, 1_000)]
    stray = chat([(6_000 + wrong_ms, "stray", "包邮吗")])
    after: list[Step] = [chat([(ts, f"u{ts}", "多少钱")]) for ts in range(7_000, 20_000, 1_000)]
    plain, told = play(Groups(), [*steps, *after]), play(Groups(), [*steps, stray, *after])
    assert {group.id for group in told} == {"group:r:s:0.u0"}
    assert told[-1].count >= plain[-1].count - 3
    assert len(told) >= 4, "it goes on being told"


def test_an_end_is_not_told_twice_under_one_revision() -> None:
    """The recording begins anew with the very message that began the group that ends."""
    first = [(3_600_000, "a", "多少钱"), (3_600_001, "b", "多少钱")]
    again = [*[(n, "a", "哈哈") for n in range(29)], (29, "c", "多少钱"), (30, "d", "多少钱")]
    operator = Groups()
    operator.feed(chat(first), 0)
    told = operator.feed(chat(again), 1)
    assert len({(record.id, record.revision) for record in told if isinstance(record, IntentGroup)}) == len(told) == 1


def test_bounded_under_a_flood_of_different_questions() -> None:
    rng, operator = Random(1), Groups(rooms=2)
    letters = [chr(0x4E00 + n) for n in range(3_000)]
    for number in range(40):
        lines = [(number * 1_000 + n, f"u{n}", "".join(rng.choices(letters, k=12)) + "多少斤") for n in range(64)]
        operator.feed(chat(lines, room=f"r{number % 4}"), number)
    assert len(operator.dump()) < 2 * (GROUPS * 300 + 2_000 * 120)


def test_a_simulated_crowd() -> None:
    """Pairs of questions that belong together, among 60 % chatter, by the simulator's families (its topics were in view)."""
    rng = Random(5)
    names = rng.sample(sorted(name for name in FAMILIES if name not in {"host_age", "host_makeup"}), 12)
    asked = [(name, rng.choice(FAMILIES[name])) for name in names for _ in range(8)]
    talk = [
        ("-", rng.choice(["哈哈哈", "666", "主播好", "太好看了", "冲冲冲", "刚下班", "已拍"]))
        for _ in range(len(asked) * 3 // 2)
    ]
    lines = asked + talk
    rng.shuffle(lines)
    family_of = {text: name for name, text in lines}
    steps: list[Step] = [chat([(n * 100, f"u{n}", text)]) for n, (_, text) in enumerate(lines)]
    told = last(play(Groups(), [*steps, chat([(len(lines) * 100 + 2_000, "x", "哈哈")])]))
    assert sum(group.count for group in told.values()) >= 0.6 * len(asked)
    for group in told.values():
        assert len({family_of[text] for text in group.examples}) <= 2
    pure = sum(len(set(map(family_of.get, group.examples))) == 1 for group in told.values())
    assert pure / len(told) >= 0.8


def test_the_agent() -> None:
    assert isinstance(AGENT.operator(), Groups)
    assert Counter(topic.name for topic in AGENT.sources) == {"live.comprehended": 1}
