"""Entries of a room and of all rooms: which one answers, what is certain, and what goes when there are too many."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from analytics.comprehension import understand
from analytics.encoders import load_encoder
from analytics.faq_entries import ENTRY_BYTES, ROOM_ENTRIES, WORDINGS, EntryShelf, check
from analytics.faq_judge import Limits, Match
from analytics.fold import fold
from analytics.shelf import RoomFaq, Shelf
from streams.records import ALL_ROOMS, FaqEntry, InvalidError, encode
from tests.analytics.sheets import sheet

DAY = 86_400_000


def entry(question: str, answer: str = "好的", id: str = "", room: str = "r", **given: Any) -> FaqEntry:
    return FaqEntry(room=room, event_ts=1, ingest_ts=1, id=id or question, question=question, answer=answer, **given)


def room(*entries: FaqEntry, name: str = "r", shelf: Shelf | None = None) -> RoomFaq:
    faq = RoomFaq(name, shelf)
    for one in entries:
        faq.shelf.entries.put(one)
    return faq


def ask(faq: RoomFaq, text: str, ts: int = 0, limits: Limits | None = None) -> Match:
    return faq.best(fold(text), understand(text).intent, ts, limits)


def told(match: Match) -> tuple[str, str]:
    return match.status, match.entry.answer if match.entry and match.status != "unknown" else ""


def test_an_entry_answers_in_its_own_words_and_in_every_wording() -> None:
    faq = room(entry("发票怎么开", "下单时备注抬头", wordings=["能开票吗", "要發票"]), entry("几点下播", "十一点"))
    for text in ("发票怎么开？", "能开票吗", "要发票"):
        assert told(ask(faq, text)) == ("given", "下单时备注抬头")
    assert told(ask(faq, "几点下播呀"))[1] == "十一点"


def test_near_wordings_find_their_entry() -> None:
    faq = room(entry("发票怎么开"), entry("几点下播"), entry("能不能货到付款"), entry("有实体店吗"))
    match = ask(faq, "开发票要怎么弄")
    assert match.entry is not None
    assert match.entry.question == "发票怎么开"
    assert match.status in ("given", "proposed")
    assert ask(faq, "今晚月亮圆吗").status != "given"


def test_entries_of_all_rooms_answer_everywhere_and_a_rooms_own_only_there() -> None:
    shelf = Shelf()
    here = room(entry("几点下播", "十一点"), entry("能开发票吗", "能", room=ALL_ROOMS), shelf=shelf)
    there = RoomFaq("q", shelf)
    assert told(ask(here, "能开发票吗")) == told(ask(there, "能开发票吗")) == ("given", "能")
    assert told(ask(there, "几点下播"))[0] == "unknown"


def test_the_newest_of_an_id_holds_and_withdrawn_ones_are_gone() -> None:
    faq = room(entry("几点下播", "十点", "e"), entry("几点下播", "十一点", "e"))
    assert told(ask(faq, "几点下播")) == ("given", "十一点")
    faq.shelf.entries.put(entry("几点下播", "十二点", "e", state="draft"))
    assert told(ask(faq, "几点下播"))[0] == "unknown", "a draft waits for a person, and the old one is not it any more"
    faq.shelf.entries.put(entry("几点下播", "十二点", "e"))
    assert told(ask(faq, "几点下播")) == ("given", "十二点")
    faq.shelf.entries.put(entry("几点下播", "十二点", "e", state="withdrawn"))
    assert told(ask(faq, "几点下播"))[0] == "unknown"
    assert (len(faq.shelf.entries), faq.shelf.entries.bytes) == (0, 0)


def test_an_entry_out_of_date_is_not_told() -> None:
    faq = room(entry("有什么活动", "满减", valid_until=DAY))
    assert told(ask(faq, "有什么活动", DAY - 1)) == ("given", "满减")
    assert told(ask(faq, "有什么活动", DAY))[0] == "unknown"


def test_an_entry_about_another_product_is_never_given() -> None:
    faq = room(entry("会起球吗", "不会", sku="vest"), entry("会起球吗", "塑料不起球", "b", sku="fryer"))
    faq.put(sheet("fryer", 1))
    faq.put(sheet("vest", 2))
    assert told(ask(faq, "会起球吗")) == ("given", "不会")
    faq.shelf.entries.put(entry("会起球吗", "塑料不起球", "b", sku="fryer", state="withdrawn"))
    faq.put(sheet("fryer", 3))
    assert ask(faq, "会起球吗").status != "given", "the fryer is on show, and only the vest has an answer"
    faq.on_show = ""
    assert ask(faq, "会起球吗").status == "proposed", "nothing is meant"


@pytest.mark.parametrize(
    ("answer", "given", "status"),
    [
        ("白鸭绒", {}, "given"), ("到手{price}元", {}, "given"), ("159元", {}, "given"), ("139元", {}, "proposed"),
        ("一百五十九元", {}, "proposed"), ("看小黄车", {"price": 15_900}, "given"), ("看小黄车", {"price": 13_900}, "proposed"),
    ],
)  # fmt: skip
def test_prices_must_be_the_catalogues(answer: str, given: dict[str, Any], status: str) -> None:
    faq = room(entry("充的啥绒", answer, sku="vest", **given))
    faq.put(sheet("vest"))
    match = ask(faq, "充的啥绒")
    assert match.status == status
    assert match.entry is not None
    assert match.entry.answer == answer.replace("{price}", "159.00")


def test_without_a_product_no_amount_is_certain() -> None:
    faq = room(entry("快递费多少", "运费10元"), entry("充的啥绒", "白鸭绒159元", sku="vest"))
    assert told(ask(faq, "快递费多少")) == ("proposed", "运费10元")
    assert told(ask(faq, "充的啥绒"))[0] == "proposed", "its sheet is not known"


def test_a_link_number_leaves_open_what_is_meant() -> None:
    assert ask(room(entry("3号链接还有吗")), "3号链接还有吗").status == "proposed"


def test_a_rooms_own_limits_hold() -> None:
    faq = room(entry("发票怎么开"), entry("几点下播"))
    assert ask(faq, "发票怎么开").status == "given"
    match = ask(faq, "发票怎么开", limits=Limits(1.5, 0.2))
    assert match.status == "proposed", "nothing is certain in this room"


def test_a_sheet_and_an_entry_the_more_certain_holds() -> None:
    faq = room(entry("怎么充电", "底座上充", sku="vest"))
    faq.put(sheet("vest"))
    assert told(ask(faq, "能机洗吗")) == ("given", "建议手洗，机洗装网袋，不跑绒")
    assert told(ask(faq, "怎么充电")) == ("given", "底座上充")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (entry("", id="e"), "needs a question"), (entry("[]", id="e"), "needs a question"), (entry("问", "  "), "an answer"),
        (entry("问", id="x" * 513), "id has"), (entry("问", id="a\0b"), "id has"),
        (entry("问", wordings=["问"] * (WORDINGS + 1)), "33 wordings"), (entry("问", "答" * ENTRY_BYTES), "bytes"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused_and_takes_the_old_one_with_it(wrong: FaqEntry, said: str) -> None:
    shelf = EntryShelf(load_encoder("lexical"))
    if said != "id has":
        shelf.put(replace(entry("问"), id=wrong.id))
    with pytest.raises(InvalidError, match=said):
        shelf.put(wrong)
    assert len(shelf) == 0
    with pytest.raises(InvalidError, match=said):
        check(wrong)


def test_a_room_keeps_the_entries_that_it_used_last() -> None:
    faq = room(entry("发票怎么开", "备注"), shelf=Shelf(load_encoder("lexical")))
    for number in range(ROOM_ENTRIES + 10):
        faq.shelf.entries.put(entry(f"第{number}个问题", id=f"n{number}"))
        if number % 100 == 0:
            assert told(ask(faq, "发票怎么开")) == ("given", "备注")
    assert (len(faq.shelf.entries), faq.shelf.entries.forgotten) == (ROOM_ENTRIES, 11)
    assert told(ask(faq, "发票怎么开")) == ("given", "备注")
    assert told(ask(faq, "第3个问题"))[0] != "given"


def test_all_rooms_together_stay_within_the_bound_of_bytes() -> None:
    shelf = EntryShelf(load_encoder("lexical"), most_bytes=20_000)
    for number in range(300):
        shelf.put(entry("问" * 20, "答" * 50, f"e{number}", room=f"room{number % 20}"))
        assert shelf.bytes == sum(len(one) + 24 for one in shelf.packed()) <= 20_000
    assert len(shelf) + shelf.forgotten == 300
    assert shelf.packed()[-1] == encode(entry("问" * 20, "答" * 50, "e299", room="room19"))


def test_indexes_are_bounded_and_change_no_answer() -> None:
    small, free = (Shelf(load_encoder("lexical")) for _ in range(2))
    small.entries._most_rows = 30
    answers = []
    for shelf in (small, free):
        rooms = [
            room(*(entry(f"{n}号线怎么走", f"{n}", room=f"r{k}") for n in range(20)), name=f"r{k}", shelf=shelf)
            for k in range(9)
        ]
        for one in rooms:
            ask(one, "怎么走")
        rooms[3].shelf.entries.put(entry("7号线怎么走", "换乘", room="r3"))
        answers.append([ask(one, "7号线怎么走啊") for one in rooms])
    assert answers[0] == answers[1]
    assert len(small.entries._indexes) == 1
    assert len(free.entries._indexes) == 9
