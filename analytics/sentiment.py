"""Sentiment of chat by a lexicon of its own language: words with strengths, degree, denial, turns (但是), emotes, shouting.

``p`` is the probability of the class that is named, from a logistic curve over the summed strength. Chat, not reviews: the
default for a message that says nothing either way is ``neutral``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from analytics.fold import fold
from streams.records import Sentiment

_NEAR = 2  # code points between a modifier and the word that it changes
_DENIED = -0.8
_STRONG, _MILD = 1.5, 0.6
_BEFORE_TURN = 0.5
_MOCKED, _SHOUTED, _ASKED = -1.5, 1.2, 0.4
_RESENTED = -2.5  # who is so angry does not ask
_SLOPE, _BAND = 1.1, 1.0  # of the logistic curve, and the half width of neutral


class Feeling(NamedTuple):
    """A class, its probability, and the signed strength that it came from."""

    label: Sentiment
    p: float
    score: float


class _Token(NamedTuple):
    kind: str
    value: float


class SentimentLexicon:
    """Judges folded messages. Built once; a call takes a few microseconds."""

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        tokens: dict[str, _Token] = {}
        modifiers = lexicon["modifiers"]
        for kind, value in (("strong", _STRONG), ("mild", _MILD), ("turns", 0.0), ("negators", _DENIED)):
            tokens |= {fold(word): _Token(kind, value) for word in modifiers[kind]}
        for kind, sign in (("positive", 1.0), ("negative", -1.0)):
            for strength, words in lexicon[kind].items():
                tokens |= {fold(word): _Token("word", sign * float(strength)) for word in words}
            tokens |= {fold(mark): _Token("emote", sign * 1.5) for mark in lexicon["emotes"][kind]}
        tokens |= {fold(word): _Token("neutral", 0.0) for word in lexicon["neutral"]["words"]}
        tokens["好"] = _Token("good", 1.0)  # a degree before another word (好难吃), a judgement alone
        self._tokens = list(tokens.values())
        self._automaton = AhoCorasick(list(tokens), matchkind=MatchKind.LeftmostLongest)
        self._sarcasm = AhoCorasick([fold(mark) for mark in lexicon["sarcasm"]["with"]])

    def judge(self, folded: str, *, shouting: bool = False, asking: bool = False, burden: float = 0.0) -> Feeling:
        """The feeling of one folded message.

        ``shouting``: it carries exclamation marks; ``asking``: it is a question, in which mild blame and praise weigh little;
        ``burden``: what is already known against it, such as disguised words of complaint.
        """
        return _squash(self.scaled(self.strength(folded) - burden, shouting=shouting, asking=asking))

    def strength(self, folded: str) -> float:
        """The signed strength of the words alone."""
        score = self._score(folded)
        return _MOCKED if score > _MOCKED and self._sarcasm.find_matches_as_indexes(folded) else score

    @staticmethod
    def scaled(score: float, *, shouting: bool, asking: bool) -> float:
        """A signed strength, as the form of the sentence changes it."""
        if shouting:
            score *= _SHOUTED
        return score * _ASKED if asking and score > _RESENTED else score

    def _score(self, folded: str) -> float:
        total, scale, denied, last, reach = 0.0, 1.0, False, -_NEAR - 1, 0
        matches = self._automaton.find_matches_as_indexes(folded)
        for position, (index, start, end) in enumerate(matches):
            kind, value = self._tokens[index]
            if start - last > (reach if denied else _NEAR):
                scale, denied = 1.0, False
            last = end
            if kind == "good":
                follows = matches[position + 1] if position + 1 < len(matches) else None
                kind = "strong" if follows and follows[1] == end and self._tokens[follows[0]].kind == "word" else "word"
                value = _STRONG if kind == "strong" else value
            if kind in ("strong", "mild"):
                scale *= value
            elif kind == "negators":
                denied, reach = not denied, end - start - 1  # a bare 不 denies what follows at once: 合不上 denies nothing
            elif kind == "turns":
                total, scale, denied = total * _BEFORE_TURN, 1.0, False
            elif kind in ("word", "emote"):
                total += value * (min(scale, 2.0) if kind == "word" else 1.0) * (_DENIED if denied and kind == "word" else 1.0)
                scale, denied = 1.0, False
            else:
                scale, denied = 1.0, False
        return total


def _squash(score: float) -> Feeling:
    """Three classes from one signed score: the ordered logistic model with two cuts."""
    below = 1 / (1 + math.exp(min(60.0, _SLOPE * (score + _BAND) * 1.5)))
    above = 1 / (1 + math.exp(min(60.0, -_SLOPE * (score - _BAND) * 1.5)))
    between = 1 - below - above
    if below >= between and below > above:
        return Feeling("negative", round(below, 3), round(score, 2))
    if above >= between:
        return Feeling("positive", round(above, 3), round(score, 2))
    return Feeling("neutral", round(between, 3), round(score, 2))


@cache
def load_sentiment() -> SentimentLexicon:
    """The shipped lexicon."""
    return SentimentLexicon(tomllib.loads((files("analytics.data") / "sentiment.toml").read_text(encoding="utf-8")))
