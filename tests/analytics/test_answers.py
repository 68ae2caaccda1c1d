"""The answers operator: one answer a question, and a host who is not flooded."""

from __future__ import annotations

from analytics.answers import AGAIN_MS, BETWEEN_MS, Answers
from analytics.comprehension import Comprehension
from streams.agents.answers import AGENT
from streams.records import Answer, Chat, ComprehendedEnvelope, DanmakuEnvelope, HostCommand, Record
from streams.topics import CATALOGUE, COMPREHENDED
from tests.analytics.contract import Step, check_hash_seeds, check_operator
from tests.analytics.sheets import sheet

START = 1_700_000_000_000


def asked(texts: list[str], ts: int = 0, *, room: str = "r", first: int | None = None) -> ComprehendedEnvelope:
    number = ts if first is None else first
    chats = [Chat(f"{number}.{n}", START + ts, f"u{n}", text) for n, text in enumerate(texts)]
    raw = DanmakuEnvelope(room=room, event_ts=START + ts, ingest_ts=START + ts + 100, source="s", messages=chats)
    (out,) = Comprehension().feed(raw, 0)
    assert isinstance(out, ComprehendedEnvelope)
    return out


def play(steps: list[Record]) -> tuple[list[Answer], list[HostCommand]]:
    operator = Answers()
    told: list[Record] = []
    for revision, step in enumerate(steps):
        told += operator.feed(step, revision)
    return [r for r in told if isinstance(r, Answer)], [r for r in told if isinstance(r, HostCommand)]


STEPS: list[Step] = [
    sheet("fryer", START - 2), sheet("vest", START - 1), sheet("fryer", START - 1, room="q"),
    asked(["多少钱", "哈哈", "尺码怎么选"]), asked(["会粘吗"], 500, room="q"), START + 3_000,
    asked(["多少钱", "能退吗"], 9_000), sheet("fryer", START + 10_000, "pin"),
    asked(["两件多少钱", "主播几岁", "能退吗"], 20_000),
    asked(["半夜用会吵吗"], 30_000, room="q"), sheet("vest", START + 40_000, "withdraw"),
    asked(["尺码怎么选", "会粘吗"], 61_000),
]  # fmt: skip


def test_battery() -> None:
    told = check_operator(Answers, STEPS)
    assert {type(record) for record in told} == {Answer, HostCommand}
    assert {record.status for record in told if isinstance(record, Answer)} == {"given", "proposed", "unknown"}
    check_hash_seeds("analytics.answers:Answers", STEPS)


def test_only_questions_are_answered_each_once() -> None:
    answers, _ = play([sheet("vest"), asked(["多少钱", "哈哈哈", "主播好", "能机洗吗", "今晚月亮圆吗", "怎么全是假货？"])])
    assert [(a.id, a.status) for a in answers] == [
        ("answer:r:s:0.0", "given"), ("answer:r:s:0.3", "given"), ("answer:r:s:0.4", "unknown"),
    ]  # fmt: skip
    first = answers[0]
    assert (first.source_id, first.user, first.question, first.sku) == ("0.0", "u0", "多少钱", "vest")
    assert (first.matched, first.answer, first.event_ts, first.revision) == ("多少钱", "跳跳儿童羽绒马甲现在159.00元", START, 1)
    assert answers[2].answer == answers[2].matched == answers[2].sku == ""


def test_a_given_answer_commands_the_host() -> None:
    answers, (command,) = play([sheet("vest"), asked(["能机洗吗"])])
    assert (command.action, command.text, command.because, command.sku) == ("answer", answers[0].answer, answers[0].id, "vest")
    assert command.id == "command:answer:r:s:0.0"


def test_proposed_and_unknown_do_not_reach_the_host() -> None:
    answers, commands = play([sheet("vest"), asked(["两件多少钱", "主播几岁"])])
    assert [a.status for a in answers] == ["proposed", "unknown"]
    assert commands == []


def test_the_host_speaks_one_at_a_time() -> None:
    texts = ["能机洗吗", "尺码怎么选", "有什么颜色"]
    answers, commands = play([sheet("vest"), asked(texts), asked(texts[1:], BETWEEN_MS - 1), asked(texts[1:], BETWEEN_MS)])
    assert len(answers) == 7
    assert [(c.event_ts - START, c.text) for c in commands] == [(0, answers[0].answer), (BETWEEN_MS, answers[1].answer)]


def test_the_same_entry_is_not_spoken_again_within_a_minute() -> None:
    steps: list[Record] = [sheet("vest"), asked(["能机洗吗"])]
    steps += [asked(["可以放洗衣机机洗吗"], ts) for ts in (10_000, AGAIN_MS - 1, AGAIN_MS)]
    assert [c.event_ts - START for c in play(steps)[1]] == [0, AGAIN_MS]


def test_rooms_have_hosts_of_their_own() -> None:
    steps: list[Record] = [sheet("vest"), sheet("vest", room="q"), asked(["能机洗吗"]), asked(["能机洗吗"], room="q")]
    assert [c.room for c in play(steps)[1]] == ["r", "q"]


def test_a_recording_that_begins_anew_is_answered_again() -> None:
    steps: list[Record] = [sheet("vest"), asked(["能机洗吗"], 3_600_000), asked(["哈哈"] * 30, 1), asked(["能机洗吗"], 2)]
    assert len(play(steps)[1]) == 2


def test_rooms_are_bounded_and_the_last_used_stay() -> None:
    operator = Answers(rooms=3)
    for number in range(10):
        operator.feed(sheet("vest", room=f"room{number}"), number)
    operator.feed(asked(["能机洗吗"], room="room8"), 10)
    operator.feed(sheet("vest", room="room10"), 11)
    state = operator.dump()
    assert [number for number in range(11) if f"room{number}".encode() in state] == [1, 8, 9, 10], "room1 begins room10"
    again = Answers(rooms=3)
    again.load(state)
    assert again.dump() == state


def test_many_rooms_that_ask_are_answered() -> None:
    operator = Answers()
    told: list[Record] = []
    for number in range(80):
        operator.feed(sheet("vest", room=f"room{number}"), number)
        told += operator.feed(asked(["能机洗吗"], room=f"room{number}"), number)
    told += operator.feed(asked(["有什么颜色"], 10_000, room="room0"), 99)
    assert len([record for record in told if isinstance(record, HostCommand)]) == 81


def test_the_agent() -> None:
    assert AGENT.sources == (COMPREHENDED, CATALOGUE)
    assert isinstance(AGENT.operator(), Answers)
