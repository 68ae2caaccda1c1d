"""The stages of a product paragraph in a host's speech: idle, intro, feature, price, cta (the call to action), close.

Each sentence gives every stage a log-odds: cues of a lexicon, prices that are said, names of products. The stages follow one
another as they usually do; the likeliest path is found by Viterbi with a fixed lag, and a stage that is left sooner than it can
be is made unlikely (the least durations of a semi-Markov model, kept along the best path).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import exp

import msgspec

from analytics.numbers import spoken_discounts, spoken_prices

STAGES = ("idle", "intro", "feature", "price", "cta", "close")
IDLE, INTRO, FEATURE, PRICE, CTA, CLOSE = range(6)
LEAST_MS = (0, 2_000, 3_000, 2_000, 2_000, 0)
TOO_SOON = -1.5
PRICED, NAMED = 1.6, 1.4
BOARDING = "上车"  # alone it may be any ride: it calls only near a link, a price or another call
BOARDED, NEAR_MS = 1.5, 30_000
# from (rows) idle, intro, feature, price, cta, close to the same: staying is likely, forward is usual, back is rare
MOVES = (
    (0.0, -1.2, -2.6, -3.2, -3.2, -4.0),
    (-2.2, 0.0, -0.4, -1.8, -3.0, -4.0),
    (-2.2, -3.0, 0.0, -0.6, -1.8, -3.2),
    (-2.4, -3.0, -1.6, 0.0, -0.5, -2.4),
    (-2.0, -2.8, -2.4, -1.4, 0.0, -0.5),
    (-0.5, -0.8, -3.0, -2.6, -1.6, 0.0),
)


class Cues:
    """The lexicon: which stage a sentence speaks for."""

    def __init__(self, lexicon: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._cues = [
            (stage, cue, int(tenths) / 10)
            for stage, name in enumerate(STAGES)
            for tenths, cues in lexicon[name].items()
            for cue in cues
        ]

    def weigh(self, text: str, *, named: bool = False, boarding: bool = False) -> list[float]:
        """The log-odds of every stage. ``named``: a product is named; ``boarding``: 上车 is meant as a call here."""
        odds = [0.0] * len(STAGES)
        for stage, cue, weight in self._cues:
            if cue in text:
                odds[stage] += weight
        if spoken_prices(text) or spoken_discounts(text):
            odds[PRICE] += PRICED
        if named:
            odds[INTRO] += NAMED
        if boarding and BOARDING in text:
            odds[CTA] += BOARDED
        return odds


@cache
def load_cues() -> Cues:
    """The shipped lexicon."""
    return Cues(tomllib.loads((files("analytics.data") / "stages.toml").read_text(encoding="utf-8")))


def certainty(odds: Sequence[float], stage: int) -> float:
    """The chance of a stage by a sentence alone, before its neighbours were asked."""
    top = max(odds)
    weights = [exp(value - top) for value in odds]
    return weights[stage] / sum(weights)


class Sentence(msgspec.Struct, array_like=True):
    """A sentence that waits for its stage."""

    start: int
    end: int
    text: str
    odds: list[float]


class Lattice(msgspec.Struct, array_like=True):
    """The likeliest paths over the sentences that are not settled yet.

    For every stage: ``scores`` of the best path that ends in it, ``since`` when that path entered it, and ``back``, one row a
    sentence, the stage before.
    """

    scores: list[float] = msgspec.field(default_factory=lambda: [0.0, -3.0, -4.0, -5.0, -5.0, -6.0])
    since: list[int] = msgspec.field(default_factory=lambda: [0] * len(STAGES))
    waiting: list[Sentence] = []
    back: list[list[int]] = []

    def push(self, sentence: Sentence) -> None:
        scores, since, row = [], [], []
        for stage in range(len(STAGES)):
            best, before = max((self._move(old, stage, sentence.start), -old) for old in range(len(STAGES)))
            old = -before
            scores.append(best + sentence.odds[stage])
            since.append(self.since[old] if old == stage else sentence.start)
            row.append(old)
        top = max(scores)
        self.scores, self.since = [score - top for score in scores], since
        self.waiting.append(sentence)
        self.back.append(row)

    def _move(self, old: int, stage: int, at: int) -> float:
        score = self.scores[old] + MOVES[old][stage]
        return score + TOO_SOON if old != stage and at - self.since[old] < LEAST_MS[old] else score

    def settle(self, keep: int, before: int) -> list[tuple[Sentence, int]]:
        """Take out the sentences that have ``keep`` others behind them or ended before ``before``, each with its stage."""
        count = len(self.waiting)
        ready = sum(1 for index, one in enumerate(self.waiting) if count - index > keep or one.end <= before)
        if not ready:
            return []
        stage = max(range(len(STAGES)), key=lambda s: (self.scores[s], -s))
        path = [stage]
        for row in reversed(self.back[1:]):
            path.append(row[path[-1]])
        path.reverse()
        settled = list(zip(self.waiting[:ready], path[:ready], strict=True))
        if ready < count:
            self._forbid(ready, path[ready - 1])
        del self.waiting[:ready], self.back[:ready]
        return settled

    def _forbid(self, ready: int, settled: int) -> None:
        """Drop the paths that disagree with what is settled."""
        for stage in range(len(STAGES)):
            at = stage
            for row in reversed(self.back[ready:]):
                at = row[at]
            if at != settled:
                self.scores[stage] -= 50.0

    def border(self, at: int) -> None:
        """A product comes on show: an introduction is what to expect."""
        self.scores = [-1.5, 0.0, -1.0, -3.0, -3.0, -6.0]
        self.since = [at] * len(STAGES)
