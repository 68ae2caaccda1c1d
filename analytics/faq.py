"""Which entry of a product sheet answers a question by its subject and its wording, and how sure that is.

Entries are scored by what the question is about (lists of words for every subject of a shop) and by the characters they share.
What they mean beyond their words is judged in :mod:`analytics.faq_judge`, for which the entries nearest by the encoder are
handed out. ``given`` needs a certain match and an answer whose price is the catalogue's; ``proposed`` is for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.comprehension import understand
from analytics.encoders import DIMENSIONS, Encoder, Rows, load_encoder
from analytics.faq_judge import COVERED, LINK_NUMBER, STEPS, Candidate, Match, Query
from analytics.faq_score import Side, grams
from analytics.fold import fold
from analytics.sheet import QUESTION_CUT, Entry, entries_of, load_topics
from streams.records import Product

GIVEN, PROPOSED = 0.78, 0.55
_NO_PRODUCT = 0.85
_BARE_FACT = 0.06  # a written answer goes before an attribute of the same topic
_UNCHECKED = 0.1  # an answer whose price does not hold goes behind one whose price does
_REMEMBERED = 256
_NEAR = 16  # entries of a sheet that are judged by meaning
_READ, _LEAST_READ = 2_400, 16  # characters that are encoded of all entries of a sheet, and of one: building takes bounded time
_NAMING, _NAME_CUT = ("品类", "品牌", "类目"), 30
Numbers = npt.NDArray[np.float64]


class Found(NamedTuple):
    """The best entry of one sheet by its subjects and wording, before it is asked whose sheet it is."""

    score: float
    entry: Entry


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
        self._encoder = encoder
        self._folded = [fold(entry.question[:QUESTION_CUT]) for entry in self.entries]
        self._rows = self._encoded(load_encoder("lexical"))
        self._grams = [grams(folded) for folded in self._folded]
        self._sizes = np.array([len(own) for own in self._grams], np.float64)
        self._with = _Places(self._grams)
        self._about = _Places(entry.topics for entry in self.entries)
        self._also = _Places(entry.also for entry in self.entries)
        self._bare = np.array([_BARE_FACT if entry.kind == "attribute" else 0.0 for entry in self.entries])
        self._unchecked = np.array([0.0 if entry.safe else _UNCHECKED for entry in self.entries])
        self._sides: dict[int, Side] = {}
        self._answered: dict[str, Found] = {}  # the same question is asked again and again

    def __len__(self) -> int:
        return len(self.entries)

    def _encoded(self, encoder: Encoder) -> Rows:
        """A row for each entry, in whole steps."""
        if not self.entries:
            return np.zeros((0, DIMENSIONS), np.float32)
        cut = max(_LEAST_READ, _READ // len(self.entries))
        rows: Rows = np.rint(encoder.encode([own[:cut] for own in self._folded]) * STEPS)
        return rows

    @cached_property
    def _meaning(self) -> Rows:
        return self._rows if self._encoder.name == "lexical" else self._encoded(self._encoder)

    def near(self, query: Query, product: int) -> list[Candidate]:
        """The written entries nearest to a question by the encoder. ``product``: 1 when this sheet is meant, 0 when none is."""
        alike = (self._meaning @ np.rint(query.direction * STEPS)).astype(np.float64) / STEPS**2
        order = np.argsort(-alike, kind="stable").tolist()
        written = [place for place in order if self.entries[place].kind == "faq"][:_NEAR]
        return [Candidate(self.entries[place], self._side(place), float(alike[place]), product) for place in written]

    def _side(self, place: int) -> Side:
        side = self._sides.get(place)
        if side is None:
            folded = self._folded[place]
            intent = understand(self.entries[place].question[:QUESTION_CUT]).intent
            side = self._sides[place] = Side((self._grams[place],), intent, load_topics().find(folded))
        return side

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
        alike = (self._rows @ query.row).astype(np.float64) / STEPS**2
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
        agreed = np.where(covered >= COVERED * whole, agreed, np.minimum(agreed, GIVEN - 0.01))
        judged: Numbers = np.where(own > 0, agreed, np.where(near > 0, 0.6 + 0.15 * wording, 0.55 * wording))
        return judged


def match(found: Found, folded: str, *, meant: bool, alone: bool, given: float = GIVEN) -> Match:
    """What the best entry is worth: ``meant`` if its product is the one that is meant, ``alone`` if there is no other."""
    score = found.score if meant or alone else round(found.score * _NO_PRODUCT, 3)
    ambiguous = LINK_NUMBER.search(folded) or not (meant or alone)
    if score >= given and found.entry.safe and not ambiguous:
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
