"""What is kept unseen of the project's own text: a tenth of the families, and a tenth of the wordings of the others.

By a hash of the name and the text, so that every command and test, on any machine, means the same tenth.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

_PART = 10


def is_unseen(name: str) -> bool:
    """Whether a family, a wording or a labelled line belongs to the tenth that no training looks at."""
    return crc32(f"held out: {name}".encode()) % _PART == 0


class Families(NamedTuple):
    """Family → wordings."""

    seen: dict[str, list[str]]
    wordings: dict[str, list[str]]  # unseen ones of the seen families
    families: dict[str, list[str]]  # unseen ones


def split(rows: Iterable[tuple[str, str]]) -> Families:
    """(family, wording) rows apart."""
    parts = Families({}, {}, {})
    for family, text in rows:
        part = parts.families if is_unseen(family) else parts.wordings if is_unseen(text) else parts.seen
        part.setdefault(family, []).append(text)
    return parts
