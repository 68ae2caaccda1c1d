"""Folding: what becomes one, what stays apart, and that hostile text costs no more than its first part."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.fold import KEPT, READ, fold, widths


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("哈哈哈哈哈", "哈哈"),
        ("66666", "666"),
        ("７７７７７７", "777"),
        ("6️⃣6️⃣6️⃣6️⃣", "666"),
        ("主播加油主播加油主播加油", "主播加油主播加油"),
        ("hahahahaha", "haha"),
        ("假 貨", "假货"),
        ("假\u200b货", "假货"),
        ("假\u2066货\u2069", "假货"),
        ("质.量.差", "质量差"),
        ("ｊｉａｈｕｏ", "jiahuo"),
        ("jiǎ huò", "jiahuo"),
        ("①号鏈接", "1号链接"),
        ("9.9元包邮？", "9.9元包邮"),
        ("v1.。", "v1"),
        ("10000元", "10000元"),
        ("100", "100"),
        ("+1", "+1"),
        ("[doge][捂脸]太好了！！！", "[doge][捂脸]太好了"),
        ("a]b[c", "abc"),
        ("👍🏻👍🏿👍👍", "👍👍"),
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("瞭解著妳", "了解着你"),
        ("？！。…", ""),
        ("\0\ud800\udfff", ""),
        ("█▒░熊", "熊"),
        ("", ""),
    ],
)
def test_becomes(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(("one", "other"), [("99", "9.9"), ("+1", "1"), ("66", "666"), ("[doge]", "doge"), ("好", "好好")])
def test_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_the_light_fold_takes_nothing_out() -> None:
    assert widths("假 貨，ＯＫ！") == "假 货,ok!"


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_holds_only_what_carries_meaning(text: str) -> None:
    folded = fold(text)
    assert len(folded) <= KEPT
    assert not any(unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Lu"} for c in folded)
    assert fold(text) == folded


@given(st.text("哈好啊 ！[]a.", max_size=40))
def test_spaces_and_marks_around_change_nothing(text: str) -> None:
    assert fold(f" {text}！") == fold(text)


HOSTILE = {
    "joiners": "\u200d",
    "families": "👩\u200d",
    "nul": "\0",
    "surrogates": "\ud800",
    "long forms": "\ufdfa",
    "open brackets": "[a",
    "numbers": "1.",
    "marks": "e\u0301\u0302",
    "periods of nine": "abcdefghi",
    "direction": "\u202e",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_read_to_a_limit(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    assert len(fold(text)) <= KEPT
    assert fold(text) == fold(text[:READ])
    assert len(widths(text)) <= 4 * READ


def test_every_code_point_folds() -> None:
    text = "".join(map(chr, range(0, sys.maxunicode + 1, 7)))
    for start in range(0, len(text), READ):
        assert len(fold(text[start : start + READ])) <= KEPT
