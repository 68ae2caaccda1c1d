"""Word pieces as BERT's Chinese models read them (Devlin et al. 2019): one piece a Han character, the longest known
pieces of a word in other scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from analytics.encoders.base import CUT
from analytics.fold import widths

PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD = 48
_MEMORY = 50_000


def _is_han(code: int) -> bool:
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x2FA1F


def _is_punctuation(character: str) -> bool:
    code = ord(character)
    return (
        33 <= code <= 47
        or 58 <= code <= 64
        or 91 <= code <= 96
        or 123 <= code <= 126
        or unicodedata.category(character)[0] == "P"
    )


class _Spaced(dict[int, str]):
    """Code point → itself, set apart by spaces where it is a word of its own; accents and controls are taken out."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if _is_han(code) or _is_punctuation(character):
            value = f" {character} "
        elif character.isspace():
            value = " "
        else:
            plain = unicodedata.normalize("NFD", character)
            value = "".join(c for c in plain if unicodedata.category(c) not in ("Mn", "Cc", "Cf", "Cs", "Co"))
        if len(self) < _MEMORY:
            self[code] = value
        return value


_SPACED = _Spaced()


class WordPieces:
    """Texts as numbers of pieces. ``pieces`` is the vocabulary in order."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._number = {piece: number for number, piece in enumerate(pieces)}
        self._begin, self._end, self._unknown = (self._number[name] for name in (BEGIN, END, UNKNOWN))

    def read(self, text: str) -> list[int]:
        """The pieces of a text between those that begin and end it: 2 to ``CUT + 2``."""
        numbers = [self._begin]
        for word in widths(text)[:CUT].translate(_SPACED).split():
            number = self._number.get(word)
            if number is not None:
                numbers.append(number)
            else:
                numbers += self._apart(word)
        del numbers[CUT + 1 :]
        numbers.append(self._end)
        return numbers

    def _apart(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else f"##{word[start:end]}"
                if (number := self._number.get(piece)) is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return found
