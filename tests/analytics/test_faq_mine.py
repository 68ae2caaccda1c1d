"""Repeated questions of past broadcasts, what was said to them, and how many had an answer."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from analytics.answers import Answers
from analytics.encoders import load_encoder
from analytics.faq_mine import HEARD_MS, PAUSE_MS, Said, Sentence, coverage, drafts, repeated
from analytics.fold import fold
from streams.records import Answer, FaqEntry
from streams.sources.simulator.questions import FAMILIES
from tests.analytics.rooms import simulated

STATIC = load_encoder("static")
START = 1_700_000_000_000


def asked(text: str, at: int, status: str = "unknown", answer: str = "", *, room: str = "r", sku: str = "") -> Said:
    return Said(room, START + at, f"u{at}", text, status, answer, sku)


def said(text: str, at: int, room: str = "r") -> Sentence:
    return Sentence(room, START + at, text)


INVOICE = [asked("能开发票吗", 0), asked("可以开发票吗", 60_000), asked("能开发票吗？", 120_000), asked("开不开发票", 180_000)]
NOISE = [asked("主播多高", 5_000), asked("这个包有几个颜色", 9_000), asked("晚上吃什么", 70_000)]


def test_what_is_asked_three_times_in_other_words_is_one_group() -> None:
    groups = repeated([*NOISE, *INVOICE], STATIC)
    assert [(group.room, group.begin, len(group.asked)) for group in groups] == [("r", START, 4)]
    assert groups[0].texts[0] == "能开发票吗", "the commonest wording is its title, as somebody typed it"
    assert len(groups[0].texts) == 3
    assert repeated([*NOISE, *INVOICE], STATIC, least=5) == []


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = [*NOISE, *INVOICE]
    random.Random(1).shuffle(rows)
    assert [sorted(group.asked) for group in repeated(rows, STATIC)] == [sorted(INVOICE)]


def test_broadcasts_and_rooms_are_counted_apart() -> None:
    later = [asked("能开发票吗", PAUSE_MS + 200_000 + n) for n in range(2)]
    assert len(repeated([*INVOICE[:2], *later], STATIC)) == 0, "twice in each of two broadcasts"
    others = [asked("能开发票吗", n, room=room) for room in "qs" for n in range(2)]
    assert len(repeated([*INVOICE[:2], *others], STATIC)) == 0
    assert [len(group.asked) for group in repeated([*INVOICE, *others], STATIC)] == [4]


def test_subjects_that_words_tell_apart_stay_apart() -> None:
    rows = [asked(text, 1_000 * n) for n, text in enumerate(["运费谁出", "退货运费谁出"] * 3)]
    assert [len(group.asked) for group in repeated(rows, STATIC)] == [3, 3]


def test_the_answer_is_what_the_host_said_next() -> None:
    speech = [
        said("发票是电子的，下单备注抬头就能开", -1_000), said("好的宝宝们", 2_000),
        said("可以开发票的，下单的时候备注抬头就行", 8_000), said("有没有人要开发票？", 61_000),
        said("这件马甲真的很暖和", 65_000), said("发票在订单里开", 180_000 + HEARD_MS + 1),
        said("可以开发票", 3_000, "q"),
    ]  # fmt: skip
    (draft,) = drafts(repeated([*NOISE, *INVOICE], STATIC), speech, STATIC, 9)
    assert draft.answer == "可以开发票的，下单的时候备注抬头就行"
    assert (draft.question, draft.state, draft.source, draft.asked, draft.sku) == ("能开发票吗", "draft", "mined", 4, "")
    assert sorted(draft.wordings) == ["可以开发票吗", "开不开发票"]
    assert (draft.room, draft.event_ts, draft.ingest_ts) == ("r", START, 9)


def test_without_speech_it_is_what_was_proposed_most() -> None:
    rows = [asked("能开发票吗", n, "proposed", answer) for n, answer in enumerate(["能", "不能", "能"])]
    (draft,) = drafts(repeated(rows, STATIC), [], STATIC, 9)
    assert draft.answer == "能"
    (empty,) = drafts(repeated(INVOICE, STATIC), [said("这件马甲真的很暖和", 1_000)], STATIC, 9)
    assert empty.answer == "", "nobody answered: that is for a person"


def test_what_is_answered_already_is_not_drafted() -> None:
    rows = [asked("能开发票吗", n, "given", "能") for n in range(5)]
    assert len(repeated(rows, STATIC)) == 1
    assert drafts(repeated(rows, STATIC), [], STATIC, 9) == []


def test_the_product_on_show_is_named_if_it_was_always_the_same() -> None:
    rows = [asked("会起球吗", n, sku="vest") for n in range(3)]
    assert [draft.sku for draft in drafts(repeated(rows, STATIC), [], STATIC, 9)] == ["vest"]
    mixed = [*rows, asked("会起球吗", 4, sku="fryer")]
    assert [draft.sku for draft in drafts(repeated(mixed, STATIC), [], STATIC, 9)] == [""]


def test_the_same_question_of_two_broadcasts_is_one_draft() -> None:
    later = [Said(one.room, one.ts + 10 * PAUSE_MS, one.user, one.text) for one in [*INVOICE, INVOICE[0]]]
    (draft,) = drafts(repeated([*INVOICE, *later], STATIC), [], STATIC, 9)
    assert draft.asked == 5


def test_coverage() -> None:
    rows = [*INVOICE, *(asked("会起球吗", 1_000 * n, "given", "不会") for n in range(3)), *NOISE]
    rows += [asked("几点下播", 1_500 * n, "proposed", "十一点") for n in range(3)]
    (one,) = coverage(rows, STATIC)
    assert (one.room, one.begin, one.repeated, one.given, one.proposed) == ("r", START, 3, 1, 1)
    assert one.share == 2 / 3
    assert coverage(NOISE, STATIC) == []


def test_hostile_rows() -> None:
    rows = [asked(text, n) for n, text in enumerate(["", "\0", "？？？", "\ud800", "问" * 5_000, "问" * 5_000, "问" * 5_000])]
    (group,) = repeated(rows, STATIC)
    assert len(group.asked) == 3
    assert len(drafts([group], [said("", 1), said("\ud800", 2)], STATIC, 9)) == 1


@pytest.mark.slow
def test_what_is_mined_of_one_broadcast_answers_the_repeated_questions_of_another() -> None:
    """Two simulated rooms of other seeds. Drafts are taken as they are, with an answer that says which question it is of."""
    owners = sorted(
        ((fold(text), family) for family, texts in FAMILIES.items() for text in texts), key=lambda pair: -len(pair[0])
    )

    def family(text: str) -> str:
        return next((owner for wording, owner in owners if wording in fold(text)), "")

    def play(seed: int, entries: list[FaqEntry]) -> list[Answer]:
        operator, told = Answers(), list[Answer]()
        records = simulated(seed, minutes=12, rate=15)[1]
        for revision, record in enumerate([*(replace(one, room=records[0].room) for one in entries), *records]):
            told += [one for one in operator.feed(record, revision) if isinstance(one, Answer)]
        return told

    def as_rows(told: list[Answer]) -> list[Said]:
        return [Said(one.room, one.event_ts, one.user, one.question, one.status, one.answer, one.sku) for one in told]

    def share(told: list[Answer]) -> float:
        (found,) = coverage(as_rows(told), STATIC)
        return found.share

    mined = drafts(repeated(as_rows(play(1, [])), STATIC), [], STATIC, 1)
    entries = [replace(one, state="active", answer="答", sku="") for one in mined if family(one.question)]
    before, after = play(2, []), play(2, entries)
    assert share(after) >= 0.85 > share(before)
    own = [one for one in after if one.status == "given" and one.answer == "答" and family(one.question)]
    assert len(own) > 100
    given = [one for one in after if one.status == "given"]
    assert sum(family(one.question) != family(one.matched) for one in own) <= 0.02 * len(given)
