"""Spoken numbers and prices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.numbers import read_number, spoken_discounts, spoken_prices
from streams.sources.simulator.catalogue import spoken_number, spoken_price


@given(st.integers(1, 9_999))
def test_whole_numbers_as_the_simulator_says_them(value: int) -> None:
    assert read_number(spoken_number(value)) == value


@given(st.integers(1, 9_999), st.integers(0, 99))
def test_prices_as_the_simulator_says_them(whole: int, rest: int) -> None:
    fen = whole * 100 + (rest if rest % 10 == 0 or rest > 10 else 0)
    assert [price.fen for price in spoken_prices(f"今天在我直播间，到手价只要{spoken_price(fen)}")] == [fen]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("九十九", "99"), ("一百二", "120"), ("一百零二", "102"), ("一百二十", "120"), ("两千三", "2300"),
        ("三万五", "35000"), ("一千零八十", "1080"), ("十二", "12"), ("二十", "20"), ("一九九", "199"), ("幺二九", "129"),
        ("三百", "300"), ("两万", "20000"), ("一万两千", "12000"), ("199", "199"), ("1,299", "1299"), ("9.9", "9.9"),
        ("3千", "3000"), ("1.5万", "15000"), ("九点九", "9.9"), ("一百一十点五", "110.5"), ("百", None), ("万", None),
        ("三五十", None), ("", None), ("十点", None),
    ],
)  # fmt: skip
def test_numbers(said: str, value: str | None) -> None:
    assert read_number(said) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("九十九块九", [9990]), ("九块九毛九", [999]), ("九块九", [990]), ("两块五毛", [250]), ("五毛", [50]),
        ("一百二十九块", [12900]), ("到手价一百二十九", [12900]), ("到手价一百二", [12000]), ("只要九九", [9900]),
        ("今天两千三", [230000]), ("只要99米", [9900]), ("原价三百九十九，今天只要一百九十九", [39900, 19900]),
        ("外面卖二百五十九块，今天我们不要这个价", [25900]), ("199元到手", [19900]), ("199块9", [19990]),
        ("9.9元包邮", [990]), ("券后价格是59.9", [5990]), ("一千零八十块钱", [108000]), ("3千块", [300000]),
        ("一百二十九块九，全国包邮", [12990]),
    ],
)  # fmt: skip
def test_prices(text: str, prices: list[int]) -> None:
    assert [price.fen for price in spoken_prices(text)] == prices


@pytest.mark.parametrize(
    "text",
    [
        "大家一块儿来抢", "一块来看看", "身高一米六五穿M", "两米长的数据线", "三号链接", "打八八折", "七十的羊毛",
        "今天播到晚上十二点", "点赞到十万就抽福袋", "保质期九个月", "来三毛巾", "今天三二一上链接", "只要三分钟",
        "就一个颜色", "早晚两到三滴", "今天十二点开播", "才三天就到了", "第一次来的扣个一",
    ],
)  # fmt: skip
def test_what_is_no_price(text: str) -> None:
    assert spoken_prices(text) == []


@given(st.text(alphabet="零一二两三四五六七八九十百千万点块元毛角分折米只要价今天0123456789.,，儿", max_size=40))
def test_any_sentence_is_read_without_error(text: str) -> None:
    for price in spoken_prices(text):
        assert 0 < price.fen < 10**12
        assert 0 <= price.start < price.end <= len(text)
    for factor in spoken_discounts(text):
        assert 0 < factor < 1


@pytest.mark.parametrize(
    ("text", "factors"),
    [("打八八折", ["0.88"]), ("五折起", ["0.5"]), ("今天半价", ["0.5"]), ("9.5折", ["0.95"]), ("骨折", []), ("0折", [])],
)
def test_discounts(text: str, factors: list[str]) -> None:
    assert spoken_discounts(text) == [Decimal(factor) for factor in factors]
