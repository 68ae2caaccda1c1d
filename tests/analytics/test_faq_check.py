"""What is wrong with entries is found, and what is right is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from analytics.encoders import load_encoder
from analytics.faq_check import Problem, problems
from streams.records import ALL_ROOMS, FaqEntry, Product
from tests.analytics.sheets import sheet

NOW = 1_000_000
SHEETS = {("r", "vest"): sheet("vest")}


def entry(question: str, answer: str = "好的", id: str = "", room: str = "r", **given: Any) -> FaqEntry:
    return FaqEntry(room=room, event_ts=1, ingest_ts=1, id=id or question, question=question, answer=answer, **given)


def found(*entries: FaqEntry, sheets: dict[tuple[str, str], Product] | None = SHEETS) -> list[Problem]:
    return problems(entries, sheets, load_encoder("static"), NOW)


def kinds(*entries: FaqEntry) -> list[tuple[str, str, str]]:
    return [(one.kind, one.id, one.other) for one in found(*entries)]


def test_sound_entries_have_no_problem() -> None:
    assert kinds() == []
    assert kinds(
        entry("几点下播", "十一点"), entry("能开发票吗", "能", room=ALL_ROOMS), entry("多少钱", "{price}元", sku="vest"),
        entry("充绒多少", "八十克，159元", sku="vest", price=15_900), entry("有啥活动", "满减", valid_until=NOW + 1),
        entry("没人答的", "", state="draft"), entry("旧的", "", state="withdrawn"),
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (entry("几点下播", "十一点"), entry("几点下播？", "十一点", "b"), "double"),
        (entry("几点下播", "十一点"), entry("几點下播", "十二点", "b"), "contradiction"),
        (entry("几点下播", "十一点"), entry("别的", "看情况", "b", wordings=["几点下播"]), "contradiction"),
        (entry("发票怎么开", "备注抬头"), entry("怎么开发票", "不能开", "b"), "contradiction"),
        (entry("发票怎么开", "备注抬头"), entry("怎么开发票", "备注抬头就行", "b"), "double"),
        (entry("几点下播", "十一点"), entry("几点下播", "十二点", "b", room=ALL_ROOMS), "contradiction"),
        (entry("有赠品吗", "送袋子", price=100), entry("有赠品吗", "送袋子", "b", price=200), "contradiction"),
        (entry("运费多少", "运费10元"), entry("运费多少", "运费12元", "b"), "contradiction"),
    ],
)  # fmt: skip
def test_two_entries_that_ask_the_same(one: FaqEntry, other: FaqEntry, kind: str) -> None:
    own = found(one, other, sheets=None)
    assert [(problem.kind, problem.id, problem.other) for problem in own] == [(kind, one.id, "b")]
    assert problems([other, one], None, load_encoder("static"), NOW)[0].kind == kind


@pytest.mark.parametrize(
    "other",
    [
        entry("几点下播", "十二点", "b", room="q"), entry("几点下播", "十二点", "b", sku="vest"),
        entry("几点下播", "十二点", "b", state="withdrawn"), entry("退货运费谁出", "卖家", "b"), entry("能换吗", "能", "b"),
    ],
)  # fmt: skip
def test_entries_that_never_meet_or_ask_something_else(other: FaqEntry) -> None:
    own = [entry("几点下播", "十一点"), entry("运费谁出", "买家", "c"), entry("能退吗", "不能", "d")]
    assert found(*own, other, sheets=None) == []


def test_one_id_twice() -> None:
    assert ("double", "e", "") in kinds(entry("几点下播", "十一点", "e"), entry("能开发票吗", "能", "e"))


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (entry("多少钱", "139元", sku="vest"), "price", "does not hold: in the catalogue of 'r' 'vest' costs 159.00"),
        (entry("多少钱", "看小黄车", sku="vest", price=13_900), "price", "does not hold"),
        (entry("多少钱", "一百三十九元", sku="vest"), "price", "does not hold"),
        (entry("多少钱", "139元", sku="fryer"), "price", "no sheet of 'fryer'"),
        (entry("多少钱", "139元", sku="vest", room="q"), "price", "no sheet"),
        (entry("运费多少", "10元"), "price", "only ever proposed"),
        (entry("多少钱", "139元", sku="vest", room=ALL_ROOMS), "price", "does not hold"),
        (entry("有啥活动", "满减", valid_until=NOW), "out_of_date", "out of date"),
        (entry("有啥活动", ""), "invalid", "needs a question and an answer"),
        (entry("", "满减", "e"), "invalid", "needs a question"),
        (entry("", "", "e", state="draft"), "invalid", "needs a question"),
        (entry("问", "答", wordings=["问"] * 99), "invalid", "wordings"),
    ],
)  # fmt: skip
def test_one_entry_alone(wrong: FaqEntry, kind: str, said: str) -> None:
    (one,) = found(wrong)
    assert one.kind == kind
    assert said in one.says


def test_without_a_catalogue_prices_are_left_alone() -> None:
    assert found(entry("多少钱", "139元", sku="vest"), sheets=None) == []


def test_many_entries_take_bounded_time() -> None:
    entries = [entry(f"第{n}号展台怎么走到第{n * 7}号门", "右转", f"e{n}") for n in range(1_500)]
    assert isinstance(problems(entries, None, load_encoder("lexical"), NOW, close=0.999), list)
