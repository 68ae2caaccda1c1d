"""What the hand-written lists say of a message, as numbers beside which a learnt model weighs the words itself.

So the knowledge of the lists is kept where no learnt word is, and overruled where the learnt words know better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.fold import fold
from analytics.intent import INTENTS, load_intent
from analytics.sensitive import load_matcher
from analytics.sentiment import load_sentiment
from streams.records import SensitiveHit

CLUE_UNIT = 16  # clues are whole numbers, in sixteenths
_MOST_EVIDENCE, _MOST_FEELING = 6.0, 4.0
_FELT = 0.5
_HIDDEN_BURDEN = 2.0  # what a disguised word of complaint weighs in sentiment, where no lexicon can see it
_SHORT = (2, 4, 8)

CLUES = (
    *(f"evidence:{intent}" for intent in INTENTS),
    *(f"most:{intent}" for intent in INTENTS),
    "feeling", "felt", "pleased", "displeased", "blamed", "asks", "asks_pleased", "asks_displeased",
    "shouts", "marks", "trails", "hits", "shortest", "short", "longer", "wordless",
)  # fmt: skip
"""The names of the clues, in the order of the columns."""


class Clues(NamedTuple):
    """Of some texts: their folded forms, whether each has the form of a question, its sensitive words, the clues (n, clues)."""

    folded: list[str]
    asking: list[bool]
    hits: list[list[SensitiveHit]]
    rows: npt.NDArray[np.int64]


def clues_of(texts: Sequence[str]) -> Clues:
    """What is known of each text without a learnt model. Hangs on nothing but the text."""
    matcher, wishes = load_matcher(), load_intent()
    folded = [fold(text) for text in texts]
    asking = [wishes.asks(form, text) for form, text in zip(folded, texts, strict=True)]
    hits = [matcher.find(t, form, asking=ask) for t, form, ask in zip(texts, folded, asking, strict=True)]
    rows = [_row(t, form, ask, hit) for t, form, ask, hit in zip(texts, folded, asking, hits, strict=True)]
    numbers = np.array(rows, np.float64).reshape(len(texts), len(CLUES))
    return Clues(folded, asking, hits, np.rint(numbers * CLUE_UNIT).astype(np.int64))


def _row(text: str, folded: str, asking: bool, hits: Sequence[SensitiveHit]) -> list[float]:
    sentiment = load_sentiment()
    marks = "?" in text or "？" in text
    shouting = "!" in text or "！" in text
    burden = _HIDDEN_BURDEN * sum(hit.weight for hit in hits if hit.disguised)
    score = sentiment.strength(folded) - burden
    feeling = sentiment.scaled(score, shouting=shouting, asking=asking)
    evidence = load_intent().weigh(folded, asking=asking, feeling=feeling, hits=hits)
    most = max(evidence)
    felt = min(_MOST_FEELING, max(-_MOST_FEELING, feeling))
    told = min(_MOST_FEELING, max(-_MOST_FEELING, score))
    pleased, displeased = score > _FELT, score < -_FELT
    return [
        *(min(_MOST_EVIDENCE, weight) / 2 for weight in evidence),
        *(float(weight == most > 0) for weight in evidence),
        felt / 2, told / 2, pleased, displeased, min(burden, _MOST_FEELING) / 2,
        asking, asking and pleased, asking and displeased,
        shouting, marks, "..." in text or "…" in text, min(3, len(hits)),
        *(len(folded) <= length for length in _SHORT), not any(c.isalpha() for c in folded),
    ]  # fmt: skip
