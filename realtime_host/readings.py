"""How a sentence is read aloud in Mandarin: numbers as words, characters as toned pinyin.

espeak-ng alone misreads characters with several readings (重复, 便宜, 银行); pypinyin knows them by their words.
"""

from __future__ import annotations

import re

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_NUMBER = re.compile(r"\d+(?:\.\d+)?%?")
_PAUSES = str.maketrans(
    {"，": ", ", "。": ". ", "！": "! ", "？": "? ", "、": ", ", "；": "; ", "：": ", ", "～": " ", "~": " "}
)
_LONGEST_NUMBER = 12
"""Digits; a longer run is an order or a phone number and is read digit by digit."""


def number_words(number: str) -> str:
    """The words of a decimal number as it is spoken: ``"2350"`` → 两千三百五十, ``"19.9"`` → 十九点九, ``"5%"`` → 百分之五."""
    if number.endswith("%"):
        return "百分之" + number_words(number[:-1])
    whole, _, fraction = number.partition(".")
    if len(whole) > _LONGEST_NUMBER or (len(whole) > 1 and whole.startswith("0")):
        return "".join(_DIGITS[int(digit)] for digit in whole + fraction)
    words = _whole_words(int(whole))
    return words + ("点" + "".join(_DIGITS[int(digit)] for digit in fraction) if fraction else "")


def _whole_words(value: int) -> str:
    for size, name in ((10**8, "亿"), (10**4, "万")):
        if value >= size:
            high, low = divmod(value, size)
            gap = "零" if low and low < size // 10 else ""
            return _two(_whole_words(high)) + name + gap + (_whole_words(low) if low else "")
    return _thousands(value)


def _thousands(value: int) -> str:
    if value == 0:
        return _DIGITS[0]
    words, gap = "", False
    for place in range(3, -1, -1):
        digit = value // 10**place % 10
        if not digit:
            gap = bool(words)
            continue
        two = digit == 2 and place >= 2
        words += ("零" if gap else "") + ("两" if two else _DIGITS[digit]) + _UNITS[place]
        gap = False
    return words.removeprefix("一") if words.startswith("一十") else words


def _two(words: str) -> str:
    return "两" if words == "二" else words


def pinyin(text: str) -> str:
    """The sentence as toned pinyin with pauses, as espeak-ng's Mandarin voice reads it; other scripts stay as they are."""
    from pypinyin import Style, lazy_pinyin

    spoken = _NUMBER.sub(lambda match: number_words(match.group()), text)
    return " ".join(part for part in lazy_pinyin(spoken, style=Style.TONE3, neutral_tone_with_five=True)).translate(_PAUSES)
