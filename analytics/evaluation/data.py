"""The files of examples that ``livetide train`` and ``livetide evaluate`` read.

| examples | columns |
|---|---|
| labelled | label, text |
| retrieval pairs | text, text, ``1`` (they ask the same) or ``0`` |
| groups | group, text; chatter stands under the group ``-`` |

A third column between label (or group) and text is passed over. Nothing is dropped here: what stands in a file more than once,
and what contradicts itself, is counted, and whoever measures or trains says what becomes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from analytics.evaluation.lines import Lines
from streams.records import InvalidError

CHATTER = "-"
MOST_LABELS = 1_000
LONGEST_LABEL = 100  # code points


class Labelled(NamedTuple):
    """``(label, text)`` rows in the order of the file, each with the number of its line."""

    path: str
    rows: list[tuple[str, str]]
    numbers: list[int]
    sha256: str
    duplicates: int  # rows that stood in the file before, label and text
    conflicts: int  # texts that stand under more than one label

    @property
    def labels(self) -> list[str]:
        """The labels of the file, sorted."""
        return sorted({label for label, _ in self.rows})

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know of the file."""
        notes = []
        if self.duplicates:
            notes.append(f"repeats of earlier lines: {self.duplicates:,} of {len(self.rows):,}")
        if self.conflicts:
            notes.append(f"texts under more than one label: {self.conflicts:,}")
        return notes


class Pairs(NamedTuple):
    """``(a, b, alike)`` rows in the order of the file."""

    path: str
    rows: list[tuple[str, str, bool]]
    sha256: str
    duplicates: int  # pairs that stood in the file before, either way round, with the same mark
    conflicts: int  # pairs that are marked 0 here and 1 there

    @property
    def notes(self) -> list[str]:
        notes = []
        if self.duplicates:
            notes.append(f"repeats of earlier pairs: {self.duplicates:,} of {len(self.rows):,}")
        if self.conflicts:
            notes.append(f"pairs marked both 0 and 1, which count as 1: {self.conflicts:,}")
        return notes


def read_labelled(path: Path) -> Labelled:
    """Read ``label<TAB>text`` lines of at least two labels. Raises :class:`InvalidError`: file, line, what, what to do."""
    read = _read(path, "label")
    if len(set(read.labels)) == 1:
        raise InvalidError(f"{path}: every line has the label {read.labels[0]!r}, and one class tells nothing: add others")
    return read


def read_groups(path: Path) -> Labelled:
    """Read ``group<TAB>text`` lines; chatter stands under the group ``-``. Raises :class:`InvalidError`."""
    read = _read(path, "group")
    counts = Counter(group for group, _ in read.rows if group != CHATTER)
    if not counts or max(counts.values()) < 2:
        raise InvalidError(f"{path}: no group has two lines, so there is nothing to find: give groups of like texts")
    return read


def _read(path: Path, name: str) -> Labelled:
    lines = Lines(path)
    rows: list[tuple[str, str]] = []
    numbers: list[int] = []
    names: set[str] = set()
    for number, columns in lines:
        if len(columns) not in (2, 3):
            raise lines.wrong(number, f"{_count(columns)}, where {name}<TAB>text belongs: put one tab between the two")
        label = columns[0].strip()
        if not label or len(label) > LONGEST_LABEL:
            what = f"the {name} is longer than {LONGEST_LABEL} characters" if label else f"there is no {name}"
            raise lines.wrong(number, f"{what}: the first column is the {name}, the last the text")
        names.add(label)
        if name == "label" and len(names) > MOST_LABELS:
            raise lines.wrong(
                number, f"there are more than {MOST_LABELS:,} labels: the first column is the label, the last the text"
            )
        rows.append((label, columns[-1]))
        numbers.append(number)
    labels_of: dict[str, set[str]] = {}
    for label, text in rows:
        labels_of.setdefault(text, set()).add(label)
    conflicts = sum(len(labels) > 1 for labels in labels_of.values())
    return Labelled(str(path), rows, numbers, lines.sha256, len(rows) - len(set(rows)), conflicts)


def read_pairs(path: Path) -> Pairs:
    """Read ``a<TAB>b<TAB>0|1`` lines with at least one 1. Raises :class:`InvalidError`: file, line, what, what to do."""
    lines = Lines(path)
    rows: list[tuple[str, str, bool]] = []
    for number, columns in lines:
        if len(columns) != 3:
            raise lines.wrong(number, f"{_count(columns)}, where text<TAB>text<TAB>0 or 1 belongs: put one tab between them")
        mark = columns[2].strip()
        if mark not in ("0", "1"):
            raise lines.wrong(number, f"the third column is {mark[:40]!r}: it is 1 where both texts ask the same, 0 where not")
        rows.append((columns[0], columns[1], mark == "1"))
    if not any(alike for a, b, alike in rows if a != b):
        raise InvalidError(f"{path}: no two texts are marked 1, so there is nothing to find: add pairs that ask the same")
    marks: dict[tuple[str, str], set[bool]] = {}
    for a, b, alike in rows:
        marks.setdefault((min(a, b), max(a, b)), set()).add(alike)
    distinct = sum(map(len, marks.values()))
    return Pairs(str(path), rows, lines.sha256, len(rows) - distinct, distinct - len(marks))


def read_pairs_or_groups(path: Path) -> Pairs | Labelled:
    """Pairs where the first line ends in a third column ``0`` or ``1``, groups else. Raises :class:`InvalidError`."""
    for _, columns in Lines(path):
        pairs = len(columns) == 3 and columns[2].strip() in ("0", "1")
        return read_pairs(path) if pairs else read_groups(path)
    raise AssertionError("a file without lines is refused before")


def components(texts: Sequence[str], pairs: Sequence[tuple[str, str, bool]]) -> list[int]:
    """The number of each text's connected component under the pairs that are alike (union-find with path halving)."""
    place = {text: number for number, text in enumerate(texts)}
    parent = list(range(len(texts)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for a, b, alike in pairs:
        if alike:
            low, high = sorted((root(place[a]), root(place[b])))
            parent[high] = low
    return [root(at) for at in range(len(texts))]


def distinct_texts(pairs: Sequence[tuple[str, str, bool]]) -> list[str]:
    """Every text of the pairs once, in order of appearance."""
    return list(dict.fromkeys(chain.from_iterable((a, b) for a, b, _ in pairs)))


def groups_of_pairs(pairs: Sequence[tuple[str, str, bool]]) -> dict[str, list[str]]:
    """The connected components of two texts and more, under the name of their first text."""
    texts = distinct_texts(pairs)
    members: dict[int, list[str]] = {}
    for text, component in zip(texts, components(texts, pairs), strict=True):
        members.setdefault(component, []).append(text)
    return {found[0]: found for found in members.values() if len(found) > 1}


def _count(columns: Sequence[str]) -> str:
    return f"{len(columns)} column{'s' if len(columns) != 1 else ''}"
