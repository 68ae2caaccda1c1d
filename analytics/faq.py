"""Which entry of a room's product sheets answers a question, and how sure that is.

A question means the product that it names, or else the one on show; its sheet alone can answer then. Where nothing is meant,
the sheets used last are asked. Entries are scored by what the question is about and by wording (dense and lexical). ``given``
needs a certain match and an answer whose price is the catalogue's; ``proposed`` is for a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.encoders import DIMENSIONS, Encoder, Rows
from analytics.fold import fold
from analytics.sheet import QUESTION_CUT, Entry, entries_of, load_topics
from streams.records import Product

GIVEN, PROPOSED = 0.78, 0.55
_NO_PRODUCT = 0.85
_BARE_FACT = 0.06  # a written answer goes before an attribute of the same topic
_UNCHECKED = 0.1  # an answer whose price does not hold goes behind one whose price does
_COVERED = 0.75  # share of what a question is about that an entry must cover to be certain
_REMEMBERED = 256
_READ, _LEAST_READ = 2_400, 16  # characters that are encoded of all entries of a sheet, and of one: building takes bounded time
_STEPS = 2048  # a row is rounded to that many steps: products of rows are whole numbers, exact in float32 in any order
_NAMING, _NAME_CUT = ("品类", "品牌", "类目"), 30
_LINK_NUMBER = re.compile("[0-9一二三四五六七八九十]+号")
Numbers = npt.NDArray[np.float64]


class Match(NamedTuple):
    """The best entry for a question."""

    status: Literal["given", "proposed", "unknown"]
    score: float
    entry: Entry | None


class Found(NamedTuple):
    """The best entry of one sheet, before it is asked whose sheet it is."""

    score: float
    entry: Entry


NONE = Match("unknown", 0.0, None)


class Query:
    """A question, taken apart when that is first needed. Its first characters are read, as of an entry's question."""

    def __init__(self, folded: str, encoder: Encoder) -> None:
        self.folded, self._encoder = folded, encoder
        self.head = folded[:QUESTION_CUT]

    @cached_property
    def topics(self) -> dict[str, int]:
        return load_topics().find(self.folded)

    @cached_property
    def row(self) -> Rows:
        row: Rows = np.rint(self._encoder.encode([self.head])[0] * _STEPS)
        return row

    @cached_property
    def grams(self) -> frozenset[str]:
        return _grams(self.head)


class _Places:
    """Label → the places of the entries that carry it; a list becomes an array when it is first asked for."""

    def __init__(self, labels: Iterable[Collection[str]]) -> None:
        self._lists: dict[str, list[int]] = {}
        self._arrays: dict[str, npt.NDArray[np.intp]] = {}
        for place, own in enumerate(labels):
            for label in own:
                self._lists.setdefault(label, []).append(place)

    def get(self, label: str) -> npt.NDArray[np.intp] | None:
        if label in self._lists:
            self._arrays[label] = np.array(self._lists.pop(label), np.intp)
        return self._arrays.get(label)


class SheetIndex:
    """The entries of one sheet, searchable. It hangs on what the sheet says and on nothing else."""

    def __init__(self, product: Product, encoder: Encoder) -> None:
        self.entries = entries_of(product)
        self._folded = [fold(entry.question[:QUESTION_CUT]) for entry in self.entries]
        cut = max(_LEAST_READ, _READ // max(1, len(self.entries)))
        rows = encoder.encode([own[:cut] for own in self._folded]) if self.entries else np.zeros((0, DIMENSIONS), np.float32)
        self._rows: Rows = np.rint(rows * _STEPS)
        grams = [_grams(folded) for folded in self._folded]
        self._sizes = np.array([len(own) for own in grams], np.float64)
        self._with = _Places(grams)
        self._about = _Places(entry.topics for entry in self.entries)
        self._also = _Places(entry.also for entry in self.entries)
        self._bare = np.array([_BARE_FACT if entry.kind == "attribute" else 0.0 for entry in self.entries])
        self._unchecked = np.array([0.0 if entry.safe else _UNCHECKED for entry in self.entries])
        self._answered: dict[str, Found] = {}  # the same question is asked again and again

    def __len__(self) -> int:
        return len(self.entries)

    def best(self, query: Query) -> Found | None:
        """The best entry; remembered, which changes no result."""
        if not self.entries:
            return None
        known = self._answered.get(query.folded)
        if known is None:
            known = self._search(query)
            if len(query.folded) <= QUESTION_CUT:
                if len(self._answered) >= _REMEMBERED:
                    self._answered.clear()
                self._answered[query.folded] = known
        return known

    def _search(self, query: Query) -> Found:
        alike = (self._rows @ query.row).astype(np.float64) / _STEPS**2
        wording = np.maximum(np.maximum(alike, self._overlap(query.grams)), 0.0)
        scores = self._judged(query.topics, wording) - self._bare
        scores[[own == query.head for own in self._folded]] = 1.0
        scores = np.round(scores - self._unchecked, 3)
        place = int(scores.argmax())
        return Found(float(scores[place]), self.entries[place])

    def _overlap(self, grams: frozenset[str]) -> Numbers:
        """Dice's coefficient of the question's grams and those of each entry."""
        shared = [places for gram in grams if (places := self._with.get(gram)) is not None]
        if not shared:
            return np.zeros(len(self.entries))
        common = np.bincount(np.concatenate(shared), minlength=len(self.entries))
        counted: Numbers = 2.0 * common / (len(grams) + self._sizes)
        return counted

    def _judged(self, topics: dict[str, int], wording: Numbers) -> Numbers:
        """Agreement of topics where the question has any, wording where not."""
        if not topics:
            return 0.9 * wording
        own, also, near = (np.zeros(len(self.entries)) for _ in range(3))
        for topic, length in topics.items():
            if (places := self._about.get(topic)) is not None:
                own[places] += length
            if (places := self._also.get(topic)) is not None:
                also[places] += length
            for other in load_topics().near.get(topic, ()):
                if (places := self._about.get(other)) is not None:
                    near[places] = 1.0
        whole, covered = sum(topics.values()), own + also
        agreed = 0.45 + 0.4 * covered / whole + 0.15 * wording
        agreed = np.where(covered >= _COVERED * whole, agreed, np.minimum(agreed, GIVEN - 0.01))
        judged: Numbers = np.where(own > 0, agreed, np.where(near > 0, 0.6 + 0.15 * wording, 0.55 * wording))
        return judged


def match(found: Found, folded: str, *, meant: bool, alone: bool) -> Match:
    """What the best entry is worth: ``meant`` if its product is the one that is meant, ``alone`` if there is no other."""
    score = found.score if meant or alone else round(found.score * _NO_PRODUCT, 3)
    ambiguous = _LINK_NUMBER.search(folded) or not (meant or alone)
    if score >= GIVEN and found.entry.safe and not ambiguous:
        return Match("given", score, found.entry)
    return Match("proposed" if score >= PROPOSED else "unknown", score, found.entry)


def naming_pairs(product: Product) -> frozenset[str]:
    """Pairs of characters from the name, brand and kind of goods; no words of questions."""
    said = [product.name, *(product.attributes.get(key, "") for key in _NAMING)]
    return frozenset(pair for name in said for pair in _pairs(fold(name[:_NAME_CUT])) if _is_name(pair))


@lru_cache(20_000)
def _is_name(pair: str) -> bool:
    return not pair.isascii() and not load_topics().find(pair)


def _pairs(folded: str) -> list[str]:
    return [folded[start : start + 2] for start in range(len(folded) - 1)]


def _grams(folded: str) -> frozenset[str]:
    return frozenset((*folded, *_pairs(folded)))
