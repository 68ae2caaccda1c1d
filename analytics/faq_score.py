"""How likely it is that an entry answers a question: nine facts about the two, and a logistic model of few weights.

The facts (:data:`FACTS`) are what an encoder, the wording, the intents, the subjects and the product on show say. The weights
are fitted on the project's own question families, where some wordings are the entry and others ask
(``python -m analytics.training.faq``), once for each shipped encoder, and so are the two thresholds: from ``given`` on, answers
were right as often as wished, on wordings that nothing was fitted on. A room that has judged enough answers of its own has its
own thresholds (:class:`analytics.calibration.Calibrator`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.model_file import Model, load_shipped
from streams.records import InvalidError

KIND, VERSION = "faq-score", 1
FACTS = ("dense", "ahead", "wording", "same_intent", "other_intent", "covered", "astray", "product", "crowd")
AGAINST = ("other_intent", "astray", "crowd")
"""Facts that speak against an entry; the others speak for it."""
_FURTHEST = 0.3  # how far ahead of the next entry counts
_NONE = ("unknown", "chat")
Numbers = npt.NDArray[np.float64]


class Side(NamedTuple):
    """What is known of a question, or of one entry: its grams, its intent, and its subjects with how much says so."""

    grams: tuple[frozenset[str], ...]  # of each wording; a question has one
    intent: str
    topics: Mapping[str, int]


def grams(folded: str) -> frozenset[str]:
    """Characters and pairs of characters of a folded text."""
    return frozenset((*folded, *(folded[start : start + 2] for start in range(len(folded) - 1))))


def dice(left: frozenset[str], right: frozenset[str]) -> float:
    """Dice's coefficient: 1 for the same grams, 0 for none in common."""
    return 2.0 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


def facts(question: Side, entries: Sequence[Side], dense: Sequence[float], product: Sequence[int], crowd: int) -> Numbers:
    """The facts about a question and each of its candidates, float64 (n, 9).

    ``dense`` are the cosines of the encoder. ``product`` is 1 where an entry is about the product that is meant, -1 where it
    is about another, 0 where it is about none or none is meant. ``ahead`` compares an entry with the best of the others that
    are not about another product, so the candidates must be all that are near. ``crowd`` is how many entries there are to
    take one for another.
    """
    near, about = np.array(dense, np.float64), np.array(product, np.float64)
    ahead = np.clip(near - _rivals(near, about), -_FURTHEST, _FURTHEST)
    rows = [
        (
            _wording(question.grams[0], entry.grams),
            *_intents(question.intent, entry.intent),
            *_topics(question.topics, entry.topics),
        )
        for entry in entries
    ]
    said = np.array(rows, np.float64).reshape(len(entries), 5)
    return np.column_stack([near, ahead, said, about, np.full(len(near), np.log10(1 + crowd))])


def _rivals(near: Numbers, about: Numbers) -> Numbers:
    """For each candidate the best of the others that could be told."""
    could = np.where(about >= 0, near, 0.0)
    best = int(could.argmax()) if len(could) else 0
    others = np.full(len(near), could.max(initial=0.0))
    if len(could):
        others[best] = np.delete(could, best).max(initial=0.0)
    return others


def _wording(asked: frozenset[str], wordings: Collection[frozenset[str]]) -> float:
    return max((dice(asked, own) for own in wordings), default=0.0)


def _intents(asked: str, own: str) -> tuple[float, float]:
    if asked in _NONE or own in _NONE:
        return 0.0, 0.0
    return (1.0, 0.0) if asked == own else (0.0, 1.0)


def _topics(asked: Mapping[str, int], own: Mapping[str, int]) -> tuple[float, float]:
    """The share of what a question is about that an entry is about too, and whether each is about something else."""
    if not asked or not own:
        return 0.0, 0.0
    shared = sum(length for topic, length in asked.items() if topic in own) / sum(asked.values())
    return shared, float(shared == 0.0)


class Score:
    """The fitted model of one encoder. ``given`` and ``proposed`` are its thresholds on the probability."""

    def __init__(self, model: Model) -> None:
        try:
            self._weights: Numbers = model.arrays["weights"].astype(np.float64)
            self.given, self.proposed = model.card.settings["given"], model.card.settings["proposed"]
        except KeyError as error:
            raise InvalidError(f"this model of scores lacks {error}: fit it again") from error
        if self._weights.shape != (len(FACTS) + 1,) or not 0.0 <= self.proposed <= self.given <= 1.0:
            raise InvalidError("this model of scores does not fit this version's facts: fit it again")

    def p(self, about: Numbers) -> Numbers:
        """The probability of each row of :func:`facts` to be the answer, to three places."""
        linear = (about * self._weights[1:]).sum(axis=1) + self._weights[0]
        chances: Numbers = np.round(1.0 / (1.0 + np.exp(-np.clip(linear, -30.0, 30.0))), 3)
        return chances


@cache
def load_score(encoder: str) -> Score:
    """The shipped model for the encoder of that name; one that has none of its own is taken for the static one."""
    name = encoder if encoder in ("lexical", "static", "semantic") else "static"
    return Score(load_shipped(f"faq-{name}.npz", KIND, VERSION))
