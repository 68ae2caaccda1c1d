"""Folding: the normal form under which chat messages are counted, matched and compared.

Width and compatibility forms (NFKC), case, traditional characters, accents, zero-width and direction marks, spaces and
punctuation are folded away; runs are squeezed (哈哈哈哈 → 哈哈, 66666 → 666); emoji, platform emotes such as ``[doge]`` and the
point of a decimal number stay, because they carry meaning. One ``str.translate`` does nearly all of it.

Time is bounded: at most :data:`READ` code points of a message are read and at most :data:`KEPT` come out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

READ = 4096
KEPT = 512

_OWN_FORMS = {"著": "着", "瞭": "了", "妳": "你", "祢": "你", "￥": "¥", "₽": "¥"}
_KEPT_SYMBOLS = frozenset("+%¥$")
_JOINERS = (
    ("\N{COMBINING GRAVE ACCENT}", "\u036f"),
    ("\u064b", "\u0652"),
    ("\u1ab0", "\u1aff"),
    ("\u1dc0", "\u1dff"),
    ("\u20d0", "\u20ff"),
)
_MEMORY = 20_000  # code points whose fold is remembered; the rest is worked out each time

_DOT_BETWEEN = re.compile(r"\.(?![0-9])|(?<![0-9])\.")
_EMOTE_OR_BRACKET = re.compile(r"(\[[^\[\]]{1,12}\])|[\[\]]")
_RUN = re.compile(r"([^0-9]{1,8}?)\1{2,}")
_DIGITS = re.compile(r"([1-9])\1{3,}|(?<![0-9])0{4,}(?![0-9])")


def _is_mark(character: str) -> bool:
    return any(low <= character <= high for low, high in _JOINERS) or "\ufe00" <= character <= "\ufe0f"


def _is_emoji(code: int) -> bool:
    return code >= 0x1F000 or 0x2600 <= code <= 0x27BF or code in (0x2B50, 0x2B55, 0x203C, 0x2049, 0x2764)


def _kept(character: str) -> bool:
    """Whether one character of a compatibility form carries meaning."""
    category = unicodedata.category(character)
    if category[0] in "LN":
        return True
    if category[0] == "M":
        return not _is_mark(character) and not 0xE0100 <= ord(character) <= 0xE01EF
    if category == "So":
        return _is_emoji(ord(character))
    return character in _KEPT_SYMBOLS or character in ".[]"


class _Fold(dict[int, str]):
    """Code point → what it becomes; worked out at first sight. A compatibility form gives at most four characters."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).lower())
        plain = "".join(unicodedata.normalize("NFD", c)[0] if c.isalpha() and c < "\u0250" else c for c in form)
        value = "".join(_simplified().get(c, c) for c in plain if _kept(c))[:4]
        if len(self) < _MEMORY:
            self[code] = value
        return value


@cache
def _simplified() -> dict[str, str]:
    lines = (files("analytics.data") / "simplified.txt").read_text(encoding="utf-8").splitlines()
    return {line[0]: line[1] for line in lines} | _OWN_FORMS


_TABLE = _Fold()


class _Width(dict[int, str]):
    """The light fold: width, case and script, but nothing taken out."""

    def __missing__(self, code: int) -> str:
        form = unicodedata.normalize("NFKC", chr(code)).lower()
        value = "".join(_simplified().get(c, c) for c in form)[:4]
        if len(self) < _MEMORY:
            self[code] = value
        return value


_WIDTH = _Width()


def fold(text: str) -> str:
    """The normal form of a message; empty when it has neither letters, digits nor emoji."""
    folded = text[:READ].translate(_TABLE)[: 4 * KEPT]
    if "." in folded:
        folded = _DOT_BETWEEN.sub("", folded)
    if "[" in folded or "]" in folded:
        folded = _EMOTE_OR_BRACKET.sub(r"\1", folded)
    if len(set(folded)) < len(folded) - 1:
        folded = _DIGITS.sub(lambda run: run[0][:3], _RUN.sub(r"\1\1", folded))
    return folded[:KEPT]


def widths(text: str) -> str:
    """The message in normal width, lower case and simplified characters, with everything still in it."""
    return text[:READ].translate(_WIDTH)
