"""A question against the entries that are near it: which one answers, and is that certain, likely, or neither."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from analytics.encoders import Rows, load_encoder
from analytics.faq_score import Score, Side, facts, grams
from analytics.sheet import QUESTION_CUT, Entry, load_topics

STEPS = 2048  # a row is rounded to that many steps: products of rows are whole numbers, exact in float32 in any order
LINK_NUMBER = re.compile("[0-9一二三四五六七八九十]+号")
COVERED = 0.75  # share of what a question is about that an entry must cover to be certain
_ORDER = ("unknown", "proposed", "given")


class Match(NamedTuple):
    """The best entry for a question. ``key`` says which of the room's entries it is; empty for one of a sheet."""

    status: Literal["given", "proposed", "unknown"]
    score: float
    entry: Entry | None
    key: tuple[str, str] = ("", "")


NONE = Match("unknown", 0.0, None)


class Limits(NamedTuple):
    """From which probability on an answer is given, and from which it is proposed."""

    given: float
    proposed: float


class Candidate(NamedTuple):
    """An entry that may answer. ``product`` as in :func:`analytics.faq_score.facts`."""

    entry: Entry
    side: Side
    dense: float
    product: int
    key: tuple[str, str] = ("", "")


class Query:
    """A question, taken apart when that is first needed. Its first characters are read, as of an entry's question."""

    def __init__(self, folded: str, encode: Callable[[str], Rows], intent: str = "unknown") -> None:
        self.folded, self._encode, self.intent = folded, encode, intent
        self.head = folded[:QUESTION_CUT]

    @cached_property
    def topics(self) -> dict[str, int]:
        return load_topics().find(self.folded)

    @cached_property
    def direction(self) -> Rows:
        """The encoder's row."""
        return self._encode(self.head)

    @cached_property
    def row(self) -> Rows:
        """The row of its wording alone, in whole steps."""
        row: Rows = np.rint(load_encoder("lexical").encode([self.head])[0] * STEPS)
        return row

    @cached_property
    def grams(self) -> frozenset[str]:
        return grams(self.head)

    @property
    def side(self) -> Side:
        return Side((self.grams,), self.intent, self.topics)


def judge(query: Query, candidates: Sequence[Candidate], score: Score, limits: Limits, *, meant: bool, crowd: int) -> Match:
    """The likeliest of the candidates, of ``crowd`` entries. ``meant``: a product is named, or is on show.

    Nothing is given that states a price which is not the catalogue's, that is about another product, or about one where none
    is meant, where the question names a link by its number, or where its words are about something that the entry's are not,
    however near the encoder finds the two: that is for a person.
    """
    if not candidates:
        return NONE
    ordered = sorted(candidates, key=lambda one: (one.key, one.entry.sku, one.entry.question, one.entry.answer))
    about = facts(
        query.side, [one.side for one in ordered], [one.dense for one in ordered], [one.product for one in ordered], crowd
    )
    p = score.p(about)
    for place, one in enumerate(ordered):
        if one.product >= 0 and query.grams in one.side.grams:
            p[place] = 1.0  # the same words
    place = int((p + [0.0 if one.entry.safe else -1e-6 for one in ordered]).argmax())
    best, chance = ordered[place], float(p[place])
    clear = (meant or not best.entry.sku) and not LINK_NUMBER.search(query.folded)
    certain = clear and best.entry.safe and best.product >= 0 and (chance == 1.0 or _covered(query.topics, best.side.topics))
    if chance >= limits.given and certain:
        return Match("given", chance, best.entry, best.key)
    if chance >= limits.proposed:
        return Match("proposed", chance, best.entry, best.key)
    return Match("unknown", chance, best.entry, best.key)


def _covered(asked: Mapping[str, int], own: Mapping[str, int]) -> bool:
    """Whether an entry's subjects take in what a question is about, as far as words give both away."""
    shared = sum(length for topic, length in asked.items() if topic in own)
    return not asked or not own or shared >= COVERED * sum(asked.values())


def better(first: Match, second: Match) -> Match:
    """The one that is more certain; of equals the one with the higher score, or the first."""
    rank = [(_ORDER.index(one.status), one.score) for one in (first, second)]
    return second if rank[1] > rank[0] else first
