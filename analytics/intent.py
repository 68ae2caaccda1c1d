"""What a chat message wants: nineteen shop intents by weighted words and a few rules, with an honest ``unknown``.

The evidence for each intent is summed and turned into probabilities by a soft maximum in which ``unknown`` competes, so
that a message without clear evidence says so. ``complain`` and ``praise`` also take the sentiment and the sensitive words
into account.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick

from analytics.fold import fold
from streams.records import SensitiveHit, UnderstoodChat

INTENTS = (
    "ask_price", "ask_discount", "ask_shipping", "ask_return", "ask_stock", "ask_size", "ask_spec", "ask_usage",
    "ask_suitability", "ask_authenticity", "ask_compare", "ask_link", "ask_event", "haggle", "buy_signal", "complain",
    "praise", "greet", "chat",
)  # fmt: skip
UNKNOWN = "unknown"
ASKING = "ask_"  # how the intents of questions begin
_ASKS = len([name for name in INTENTS if name.startswith(ASKING)])
_FORM = 1.0  # a question form strengthens asking, its absence strengthens telling
_UNKNOWN_EVIDENCE, _CHATTER = 1.2, 1.3
_EVIDENT = 0.5  # weight of a sensitive word from which it speaks for a complaint
_HAN_FOR_CHATTER = 4
_SHORTEST_QUESTION = 3
_ASKS_SURELY = 0.7  # of all questions: on unseen lines nine in ten are found, and one of twelve others is taken for one
_SURE = 0.6  # from where a shop intent needs no form of a question (链接链接)
_TAILS = "啊呀哈哦哟诶欸"
_EMOTE = re.compile(r"\[[^\[\]]*\]")


class Wish(NamedTuple):
    """An intent of :data:`INTENTS` or ``unknown``, and its probability."""

    intent: str
    p: float


class _Evidence(NamedTuple):
    intent: int
    weight: float


class IntentClassifier:
    """Judges folded messages. Built once; a call takes a few microseconds."""

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        words: dict[str, list[_Evidence]] = {}
        self._rules: list[tuple[re.Pattern[str], _Evidence]] = []
        for number, intent in enumerate(INTENTS):
            for key, values in lexicon[intent].items():
                if key == "rules":
                    self._rules += [(re.compile(rule), _Evidence(number, weight)) for rule, weight in values.items()]
                    continue
                for word in map(fold, values):
                    words.setdefault(word, []).append(_Evidence(number, float(key)))
        form = lexicon["form"]
        self._endings = tuple(form["endings"])
        self._form = re.compile(form["rule"])
        self._asking = AhoCorasick(form["question"])
        self._evidence = list(words.values())
        self._automaton = AhoCorasick(list(words))

    def asks(self, folded: str, text: str) -> bool:
        """Whether a message has the form of a question: its words, its ending, A不A, or a question mark."""
        return bool(
            folded.rstrip(_TAILS).endswith(self._endings)
            or self._asking.find_matches_as_indexes(folded)
            or self._form.search(folded)
            or "?" in text
            or "？" in text
        )

    def judge(self, folded: str, *, asking: bool, feeling: float = 0.0, hits: Sequence[SensitiveHit] = ()) -> Wish:
        """The intent of one message by the lists alone: see :meth:`weigh`."""
        return _best(self.weigh(folded, asking=asking, feeling=feeling, hits=hits), folded, asking)

    def weigh(self, folded: str, *, asking: bool, feeling: float = 0.0, hits: Sequence[SensitiveHit] = ()) -> list[float]:
        """The evidence for each of :data:`INTENTS`.

        ``asking`` is what :meth:`asks` says of a message, ``feeling`` its signed sentiment score, ``hits`` its sensitive words.
        """
        if "[" in folded:
            folded = _EMOTE.sub("", folded)
        scores = [0.0] * len(INTENTS)
        covered: dict[int, int] = {}
        # longest first where words lie inside each other, so that the parts of a phrase are not counted again
        matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        for index, start, end in sorted(matches, key=lambda match: (match[1] - match[2], match[1])):
            mask = (1 << end) - (1 << start)
            for intent, weight in self._evidence[index]:
                if covered.get(intent, 0) & mask != mask:
                    covered[intent] = covered.get(intent, 0) | mask
                    scores[intent] += weight
        for rule, (intent, weight) in self._rules:
            if rule.search(folded):
                scores[intent] += weight
        self._weigh(scores, feeling, hits, asking=asking)
        return scores

    def _weigh(self, scores: list[float], feeling: float, hits: Sequence[SensitiveHit], *, asking: bool) -> None:
        """Sentiment, sensitive words and the form of the sentence."""
        complain, praise = INTENTS.index("complain"), INTENTS.index("praise")
        told = 0.35 if asking else 1.0
        scores[complain] = (
            told * scores[complain] + 1.2 * told * max(0.0, -feeling) + told * sum(h.weight >= _EVIDENT for h in hits)
        )
        scores[praise] = told * scores[praise] + 0.8 * told * max(0.0, feeling)
        for intent in range(_ASKS):
            if scores[intent]:
                scores[intent] += _FORM if asking else -_FORM / 2
        if asking:
            scores[INTENTS.index("buy_signal")] *= 0.5


def _best(scores: list[float], folded: str, asking: bool) -> Wish:
    best = max(range(len(scores)), key=scores.__getitem__)
    evidence = _UNKNOWN_EVIDENCE
    if scores[best] < evidence:
        if not asking and sum(c >= "\u4e00" for c in folded) >= _HAN_FOR_CHATTER:
            return Wish("chat", round(_CHATTER / (_CHATTER + evidence), 3))
        return Wish(UNKNOWN, 0.5)
    total = math.exp(evidence) + sum(math.exp(min(score, 12.0)) for score in scores if score)
    return Wish(INTENTS[best], round(math.exp(min(scores[best], 12.0)) / total, 3))


def is_question(chat: UnderstoodChat) -> bool:
    """Whether an understood message asks the shop something, whether or not it is known what.

    A question that carries an accusation (怎么全是假货？) is a complaint. Where nobody said how likely it asks, a shop intent
    counts, and an unknown wish, or one with a name of the shop's own, in the form of a question.
    """
    if any(hit.weight >= _EVIDENT for hit in chat.hits):
        return False
    if chat.asks >= 0:
        return chat.asks >= _ASKS_SURELY
    if chat.intent.startswith(ASKING):
        return chat.intent_p >= _SURE or load_intent().asks(chat.folded, chat.text)
    if chat.intent not in INTENTS and len(chat.folded) >= _SHORTEST_QUESTION:
        return load_intent().asks(chat.folded, chat.text)
    return False


@cache
def load_intent() -> IntentClassifier:
    """The shipped classifier."""
    return IntentClassifier(tomllib.loads((files("analytics.data") / "intents.toml").read_text(encoding="utf-8")))
