"""The answers operator: one answer a question, and a host who is not flooded."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from analytics.answers import AGAIN_MS, BETWEEN_MS, ROOMS, STATE_BYTES, Answers
from analytics.calibration import MOST
from analytics.comprehension import Comprehension
from analytics.encoders import load_encoder
from analytics.shelf import ROOM_BYTES, SHEETS_BYTES
from streams.agents.answers import AGENT
from streams.records import (
    ALL_ROOMS,
    Answer,
    Chat,
    ComprehendedEnvelope,
    DanmakuEnvelope,
    FaqEntry,
    FaqVerdict,
    HostCommand,
    InvalidError,
    Product,
    Question,
    Record,
)
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


def entry(question: str, said: str = "好的", ts: int = 0, *, room: str = "r", **given: Any) -> FaqEntry:
    return FaqEntry(room=room, event_ts=START + ts, ingest_ts=START + ts, id=question, question=question, answer=said, **given)


def word(id: str, right: bool, score: float = 0.99, *, room: str = "r") -> FaqVerdict:
    return FaqVerdict(room=room, event_ts=START, ingest_ts=START, id=id, score=score, right=right)


OWN: list[Step] = [
    sheet("fryer", START - 2), entry("几点下播", "十一点"), entry("几点下播", "十二点", room="q"),
    sheet("vest", START - 1, room="q"), asked(["几点下播", "会粘吗"]),
    asked(["几点下播啊", "能开发票吗"], 500, room="q"), START + 3_000,
    entry("能开发票吗", "能", 4_000, room="q"), word("answer:r:s:0.0", right=False), asked(["能开发票吗"], 9_000, room="q"),
    entry("几点下播", "不一定", 10_000, state="withdrawn"), asked(["几点下播", "会粘吗"], 20_000),
    entry("有啥活动", "满减", 21_000, valid_until=START + 40_000), entry("便宜的来一个", "89元", 22_000, sku="fryer"),
    asked(["有啥活动"], 30_000), asked(["有啥活动", "便宜的来一个吗"], 41_000), asked(["几点下播"], 61_000, room="q"),
]  # fmt: skip
SHOP: list[Step] = [
    entry("包税吗", "包税", room=ALL_ROOMS), *OWN, asked(["包税吗"], 70_000), asked(["包税吗"], 71_000, room="third"),
    entry("包税吗", "不包", 72_000, room=ALL_ROOMS), asked(["包税吗"], 80_000, room="q"),
    asked(["包税吗"], 81_000, room="fourth"),
    entry("包税吗", "", 82_000, room=ALL_ROOMS, state="withdrawn"), asked(["包税吗"], 90_000, room="q"),
]  # fmt: skip


def test_battery_with_entries_of_rooms() -> None:
    told = check_operator(Answers, OWN)
    said = [(r.question, r.status, r.answer) for r in told if isinstance(r, Answer)]
    assert said[:2] == [("几点下播", "given", "十一点"), ("会粘吗", "given", "陶瓷不粘涂层，不掉不糊")]
    assert ("几点下播啊", "given", "十二点") in said
    assert ("能开发票吗", "given", "能") in said
    assert [status for question, status, _ in said if question == "有啥活动"] == ["given", "unknown"], (
        "the second came too late"
    )
    assert ("便宜的来一个吗", "given", "89元") not in said
    check_hash_seeds("analytics.answers:Answers", OWN)


def test_battery_with_entries_of_all_rooms() -> None:
    told = check_operator(Answers, SHOP, isolated=False)  # what is of all rooms reaches all
    said = [(r.room, r.status, r.answer) for r in told if isinstance(r, Answer) and r.question == "包税吗"]
    assert said == [
        ("r", "given", "包税"), ("third", "given", "包税"), ("q", "given", "不包"), ("fourth", "given", "不包"),
        ("q", "unknown", ""),
    ]  # fmt: skip
    assert {r.room for r in told if isinstance(r, HostCommand)} == {"r", "q", "third", "fourth"}


def test_a_room_that_judges_its_answers_finds_its_own_limits() -> None:
    operator = Answers()
    operator.feed(sheet("vest"), 0)
    operator.feed(sheet("vest", room="q"), 0)
    for number in range(150):
        operator.feed(word(f"a{number}", right=number % 3 > 0), number)
        operator.feed(word(f"b{number}", right=True, room="nobody"), number)
    for again in (operator, Answers()):
        if again is not operator:
            again.load(operator.dump())
        (one,) = again.feed(asked(["能机洗吗"], 1), 200)
        two = again.feed(asked(["能机洗吗"], 1, room="q"), 201)[0]
        assert isinstance(one, Answer)
        assert isinstance(two, Answer)
        assert (one.status, two.status) == ("proposed", "given"), "a third was wrong in one room, and nothing is certain there"


def test_a_word_counts_that_comes_before_the_first_sheet() -> None:
    """Compaction keeps the newest record of a sheet, so that it may lie behind the words."""
    operator = Answers()
    for number in range(150):
        operator.feed(word(f"a{number}", right=number % 3 > 0), number)
    operator.feed(sheet("vest"), 150)
    (one,) = operator.feed(asked(["能机洗吗"], 1), 200)
    assert isinstance(one, Answer)
    assert one.status == "proposed"


def test_entries_stay_within_the_bound_that_sheets_have_too() -> None:
    operator = Answers(sheets_bytes=30_000, encoder=load_encoder("lexical"))
    for number in range(400):
        operator.feed(entry("问" * 30 + str(number), "答" * 100, number, room=f"room{number % 40}"), number)
        operator.feed(sheet("vest", START + number, room=f"room{number % 40}"), number)
        assert len(operator.dump()) <= 30_000 + 40 * 200
    told = operator.gauges()
    assert told["entries"] + told["entries_forgotten"] == 400
    assert 10 < told["entries"] < 40
    assert told["sheets"] > 10, "entries have a third at most"
    again = Answers(sheets_bytes=30_000, encoder=load_encoder("lexical"))
    again.load(operator.dump())
    assert (again.dump(), again.gauges()) == (operator.dump(), told)


def test_full_rooms_with_entries_and_words_stay_within_the_bound_of_a_partition() -> None:
    operator = Answers(encoder=load_encoder("lexical"))
    name = "r" * 500
    for number in range(ROOMS + 5):
        operator.feed(thin("s" * 500, 1, room=f"{name}{number}"), number)
        operator.feed(entry("问", room=f"{name}{number}"), number)
        for _ in range(MOST + 1):
            operator.feed(word("a", right=True, room=f"{name}{number}"), number)
    assert len(operator.dump()) <= STATE_BYTES


def test_a_state_of_before_there_were_entries_is_read() -> None:
    operator = Answers()
    operator.feed(sheet("vest"), 0)
    name, version, body = msgspec.msgpack.decode(operator.dump())
    body = [[[*room[:5]] for room in body[0]], *body[1:3]]
    again = Answers()
    again.load(msgspec.msgpack.encode((name, version, body)))
    assert again.dump() == operator.dump()


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


def big(sku: str, ts: int = 0, *, room: str = "r", pairs: int = 100, letters: int = 1_000) -> Product:
    """A sheet as large as the border lets through."""
    faq = [Question(f"{n}{'问' * 297}吗", "答" * letters) for n in range(pairs)]
    return Product(
        room=room, event_ts=START + ts, ingest_ts=START, id=f"{sku}{ts}", source="s", sku=sku, type="show", name="大",
        price=9_900, faq=faq,
    )  # fmt: skip


def thin(sku: str, ts: int, kind: Literal["show", "pin", "withdraw"] = "pin", *, room: str = "r") -> Product:
    return Product(room=room, event_ts=START + ts, ingest_ts=START, id=f"{sku}{ts}", source="s", sku=sku, type=kind)


def test_one_room_with_hundreds_of_huge_sheets_stays_within_its_bound() -> None:
    operator = Answers()
    operator.feed(sheet("vest", START, room="q"), 0)
    for number in range(120):
        operator.feed(big(f"sku{number}", number), number + 1)
    assert len(operator.dump()) < ROOM_BYTES + 10_000
    told = operator.gauges()
    assert told["sheets"] + told["sheets_forgotten"] == 121
    assert told["sheets_forgotten"] > 100
    (answer, *_) = operator.feed(asked([f"5{'问' * 297}吗"], 200), 200)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.sku) == ("given", "sku119"), "the one on show is there"
    assert [type(r) for r in operator.feed(asked(["能机洗吗"], 200, room="q"), 201)] == [Answer, HostCommand], (
        "others keep theirs"
    )


def test_many_rooms_with_many_sheets_stay_within_the_bound_of_a_partition() -> None:
    operator = Answers()
    for number in range(60):
        operator.feed(big(f"sku{number}", number, room=f"room{number % 30}"), number)
    assert len(operator.dump()) <= SHEETS_BYTES + 30 * 200
    assert STATE_BYTES <= 8_000_000
    small = Answers(sheets_bytes=20_000)
    for number in range(200):
        small.feed(sheet("vest", START + number, room=f"room{number % 40}"), number)
        assert len(small.dump()) <= 20_000 + 40 * 200
    assert [type(r) for r in small.feed(asked(["能机洗吗"], 300, room="room39"), 300)] == [Answer, HostCommand]
    again = Answers(sheets_bytes=20_000)
    again.load(small.dump())
    for operator in (small, again):
        operator.feed(sheet("fryer", START + 400, room="room39"), 400)
    assert again.dump() == small.dump(), "what goes first is the same after a restart"
    assert again.gauges() == small.gauges()


def test_what_is_used_stays() -> None:
    operator = Answers(sheets_bytes=5_000)
    operator.feed(sheet("vest", START, room="asked"), 0)
    operator.feed(sheet("vest", START, room="silent"), 1)
    for number in range(20):
        operator.feed(asked(["能机洗吗"], number * 9_000, room="asked"), 2 * number + 2)
        operator.feed(sheet("fryer", START + number, room=f"room{number}"), 2 * number + 3)
    (one,), silent = (operator.feed(asked(["能机洗吗"], 190_000, room=room), 99)[:1] for room in ("asked", "silent"))
    assert isinstance(one, Answer)
    assert one.status == "given"
    assert [r.status for r in silent if isinstance(r, Answer)] == ["unknown"]


def test_rooms_with_long_names_stay_within_the_bound() -> None:
    operator = Answers(sheets_bytes=1_000)
    for number in range(ROOMS + 50):
        operator.feed(thin("s" * 500 + str(number), 1, room="r" * 500 + str(number)), number)
    assert len(operator.dump()) <= 1_000 + STATE_BYTES - SHEETS_BYTES
    with pytest.raises(InvalidError, match="name"):
        operator.feed(thin("x", 1, room="r" * 513), 0)


def test_a_sheet_beyond_the_bounds_is_refused_and_no_other_product_answers_for_it() -> None:
    operator = Answers()
    operator.feed(sheet("vest", START), 0)
    for number, huge in enumerate((big("huge", 1, pairs=100, letters=3_000), big("huge", 2, pairs=200, letters=1))):
        with pytest.raises(InvalidError, match=r"sheet of 'huge' has \d+ (bytes|entries)"):
            operator.feed(huge, number)
    with pytest.raises(InvalidError, match="sku"):
        operator.feed(thin("x" * 513, 3), 3)
    (answer,) = operator.feed(asked(["多少钱"], 4), 4)
    assert isinstance(answer, Answer)
    assert answer.status == "unknown", "the vest is not on show"
    operator.feed(thin("vest", 5), 5)
    assert len(operator.feed(asked(["多少钱"], 6), 6)) == 2


@pytest.mark.parametrize("wrong_ms", [9 * 60_000, 4 * 60_000, 25_000, -9 * 60_000])
def test_one_wrong_time_stamp_does_not_silence_the_host(wrong_ms: int) -> None:
    steps: list[Record] = [sheet("vest", START), asked(["能机洗吗"])]
    steps += [asked(["哈哈"], 5_000), asked(["有什么颜色"], 10_000 + wrong_ms, first=5), asked(["哈哈"], 14_000)]
    steps += [asked(["尺码怎么选"], 24_000), asked(["能退吗"], 33_000)]
    assert [c.event_ts - START for c in play(steps)[1]][-2:] == [24_000, 33_000]


def test_a_quiet_room_with_one_viewer_is_answered() -> None:
    texts = ["能机洗吗", "尺码怎么选", "能退吗"]
    steps: list[Record] = [asked([text], number * 40_000) for number, text in enumerate(texts)]
    assert [c.event_ts - START for c in play([sheet("vest"), *steps])[1]] == [0, 40_000, 80_000]


def test_a_wish_without_the_form_of_a_question_is_not_told_as_unknown() -> None:
    answers, _ = play([sheet("vest"), asked(["上链接", "链接链接", "链接在哪", "求链接"])])
    assert [(a.question, a.status) for a in answers] == [("链接在哪", "unknown")]
    bag = thin("bag", 1)
    bag = msgspec.structs.replace(bag, faq=[Question("链接在哪", "点右下角小黄车")])
    answers, _ = play([bag, asked(["上链接"])])
    assert [a.status != "unknown" for a in answers] == [True], "what a sheet answers is answered"


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
