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
EVIDENCE = slice(0, len(INTENTS))
"""The columns of what the lists of intents say."""
_MOST = len(INTENTS)
_FEELING, _FORM = CLUES.index("feeling"), CLUES.index("shouts")


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
    places: list[int] = []
    values: list[float] = []
    for at, (text, form, ask, hit) in enumerate(zip(texts, folded, asking, hits, strict=True)):
        found = _found(text, form, ask, hit)
        places += [at * len(CLUES) + place for place in found]
        values += found.values()
    rows = np.zeros(len(texts) * len(CLUES), np.int64)
    rows[places] = np.rint(np.array(values) * CLUE_UNIT)
    return Clues(folded, asking, hits, rows.reshape(len(texts), len(CLUES)))


def _found(text: str, folded: str, asking: bool, hits: Sequence[SensitiveHit]) -> dict[int, float]:
    """The clues that there are, by their column."""
    sentiment = load_sentiment()
    shouting = "!" in text or "！" in text
    burden = _HIDDEN_BURDEN * sum(hit.weight for hit in hits if hit.disguised) if hits else 0.0
    score = sentiment.strength(folded) - burden
    feeling = sentiment.scaled(score, shouting=shouting, asking=asking)
    evidence = load_intent().weigh(folded, asking=asking, feeling=feeling, hits=hits)
    found = {place: min(_MOST_EVIDENCE, weight) / 2 for place, weight in enumerate(evidence) if weight}
    most = max(evidence)
    if most > 0:
        found |= {_MOST + place: 1.0 for place, weight in enumerate(evidence) if weight == most}
    if score or feeling:
        found[_FEELING] = min(_MOST_FEELING, max(-_MOST_FEELING, feeling)) / 2
        found[_FEELING + 1] = min(_MOST_FEELING, max(-_MOST_FEELING, score)) / 2
        pleased, displeased = score > _FELT, score < -_FELT
        found |= {_FEELING + 2: pleased, _FEELING + 3: displeased, _FEELING + 4: min(burden, _MOST_FEELING) / 2}
        if asking:
            found |= {_FEELING + 6: pleased, _FEELING + 7: displeased}
    found[_FEELING + 5] = asking
    found[_FORM] = shouting
    found[_FORM + 1] = "?" in text or "？" in text
    found[_FORM + 2] = "..." in text or "…" in text
    found[_FORM + 3] = min(3, len(hits))
    length = len(folded)
    if length <= _SHORT[-1]:
        found |= {_FORM + 4: length <= _SHORT[0], _FORM + 5: length <= _SHORT[1], _FORM + 6: True}
    found[_FORM + 7] = not any(map(str.isalpha, folded))
    return found
