"""How characters sound, without tone: one private code point a syllable, so that sound can be matched like text."""

from __future__ import annotations

from importlib.resources import files

_PRIVATE = 0xE000
_LOOK_LATIN = dict(zip(map(ord, "аеоірухсһ"), "aeoipyxch", strict=True))  # Cyrillic letters that pass for Latin ones


def _read() -> tuple[dict[str, str], dict[int, str]]:
    codes: dict[str, str] = {}
    table: dict[int, str] = dict(_LOOK_LATIN)
    lines = (files("analytics.data") / "sounds.txt").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        said, characters = line.split()
        codes[said] = chr(_PRIVATE + number)
        table |= dict.fromkeys(map(ord, characters), codes[said])
    return codes, table


SYLLABLE_CODES, _TABLE = _read()
_SYLLABLES = {code: said for said, code in SYLLABLE_CODES.items()}


def sounded(text: str) -> str:
    """The text with every common Han character replaced by the code of its syllable; positions stay."""
    return text.translate(_TABLE)


def syllable(character: str) -> str:
    """The syllable of a Han character by its first reading, such as ``"jia"``; empty for anything else."""
    return _SYLLABLES.get(character.translate(_TABLE), "")
