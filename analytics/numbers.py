"""Numbers, prices and discounts as they are said in Chinese, read out of a sentence of speech.

九十九块九 is 99.90, 一百二 is 120, 两千三 is 2300, 九九 after 到手价 is 99. Speech is full of numbers that are no prices
(一块儿, 身高一米六, 三号链接, 八折): a number counts as money by its unit (元, 块, 毛), or when a word such as 到手价 or
只要 stands before it.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2, "幺": 1}
_UNITS = {"十": 10, "百": 100, "千": 1_000}
_LARGE = {"万": 10_000, "亿": 100_000_000}
_HAN = "零〇一二两三四五六七八九十百千万幺"
_NUMBER = rf"(?:\d[\d,]*(?:\.\d+)?[百千万]?|[{_HAN}]+(?:点[零〇一二三四五六七八九]+)?)"
_DIGIT = r"[零〇一二两三四五六七八九\d]"
_CONTEXT = (
    r"(?:到手价?|价格?是?|现价|原价|特价|售价|卖价?|只要|只需要?|只卖|仅需|仅|才|今天是?|"
    r"券后|福利价|活动价|直播价|减完|算下来|就)"
)
_BLOCKS = re.compile(
    rf"({_NUMBER})(?:块钱?|元|圆|圓|塊)(?:({_DIGIT})(?:[毛角]({_DIGIT})?分?|({_DIGIT}))?(?![{_HAN}\d个件号折]))?"
)
_DIMES = re.compile(rf"({_NUMBER})[毛角](?:({_DIGIT})分?)?(?!巾|衫|衣|毯|绒|刷|孔)")
_METRES = re.compile(rf"{_CONTEXT}[^，。！？,.!?\d{_HAN}]{{0,4}}({_NUMBER})米(?![{_HAN}\d长宽高远深])")
_BARE = re.compile(rf"{_CONTEXT}[^，。！？,.!?\d{_HAN}]{{0,2}}({_NUMBER})(?=[，。！？,.!?啊哦了吧呢就啦 ]|$)")
_TOGETHER = re.compile(r"一块(?:儿|来|去|看|买|抢|拍|玩|吃|聊|走|等|听|冲|给|把|送|发)")
_OFF = re.compile(r"(?:打)?([一二两三四五六七八九]{1,2}|\d(?:\.\d|\d)?)折|(对折|半价)")


class Price(NamedTuple):
    """An amount in fen, and where in the sentence it stands."""

    fen: int
    start: int
    end: int


def read_number(said: str) -> Decimal | None:
    """The value of a number in figures or in Chinese; None when it is none (十点 without decimals, 百 alone, 三五十)."""
    if said[:1].isdigit() and said.isascii():
        return _figures(said)
    if said[:1].isascii():  # 3千, 1.5万
        value = _figures(said[:-1])
        return None if value is None else value * (_UNITS | _LARGE)[said[-1]]
    whole, point, decimals = said.partition("点")
    value = _whole(whole)
    if value is None or not point:
        return None if point else value
    return value + Decimal("0." + "".join(str(_DIGITS[digit]) for digit in decimals)) if decimals else None


def _figures(said: str) -> Decimal | None:
    try:
        return Decimal(said.replace(",", ""))
    except InvalidOperation:
        return None


def _whole(said: str) -> Decimal | None:
    if not said:
        return None
    if all(character in _DIGITS for character in said):
        return Decimal("".join(str(_DIGITS[character]) for character in said))
    total, section, digit, last, gap = 0, 0, -1, 0, False
    for character in said:
        if character in _DIGITS:
            if digit > 0:
                return None
            digit, gap = _DIGITS[character], gap or _DIGITS[character] == 0
        elif character in _UNITS:
            if digit < 0 and not (character == "十" and not section):
                return None
            unit = _UNITS[character]
            section, digit, last, gap = section + (digit if digit >= 0 else 1) * unit, -1, unit, False
        else:
            total, section, digit, last, gap = (
                (total + section + max(digit, 0)) * _LARGE[character],
                0,
                -1,
                _LARGE[character],
                False,
            )
            if total == 0:
                return None
    if digit > 0:
        section += digit * (last // 10 if last >= 100 and not gap else 1)
    return Decimal(total + section)


def spoken_prices(text: str) -> list[Price]:
    """The amounts of money in a sentence, in order. What stands in a longer amount is not told twice."""
    together = [match.start() for match in _TOGETHER.finditer(text)]
    found: list[Price] = []
    for pattern in (_BLOCKS, _DIMES, _METRES, _BARE):
        for match in pattern.finditer(text):
            start = match.start(1)
            if start in together or any(price.start <= start < price.end for price in found):
                continue
            value = read_number(match[1])
            if value is None or value <= 0:
                continue
            if pattern is _DIMES:
                fen = value * 10 + _digit(match[2])
            elif pattern is _BLOCKS:
                fen = value * 100 + _digit(match[2]) * 10 + _digit(match[3] or match[4])
            else:
                fen = value * 100
            if fen == fen.to_integral_value() and fen < 10**12:
                found.append(Price(int(fen), start, match.end()))
    return sorted(found, key=lambda price: price.start)


def _digit(said: str | None) -> int:
    return 0 if not said else int(said) if said.isdigit() and said.isascii() else _DIGITS[said]


def spoken_discounts(text: str) -> list[Decimal]:
    """The discounts in a sentence as factors: 八八折 is 0.88, 五折 and 半价 are 0.5."""
    factors = []
    for match in _OFF.finditer(text):
        if match[2]:
            factors.append(Decimal("0.5"))
            continue
        digits = match[1] if match[1].isascii() else "".join(str(_DIGITS[character]) for character in match[1])
        factors.append(Decimal("0." + digits.replace(".", "")))
    return [factor for factor in factors if factor]
