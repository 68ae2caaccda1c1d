"""Facts of a product sheet as question and answer entries, and the check that an answer's price is the catalogue's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from analytics.fold import fold
from streams.records import InvalidError, Product, encode, fen, yuan

_NUMERALS = "[零一二两三四五六七八九十百千万]"
# A number is tried from its first digit only: from every digit, a long run of them would take quadratic time.
_AMOUNT = re.compile(r"[¥￥]\s*+([0-9]++(?:\.[0-9]{1,2})?)|(?<![0-9])([0-9]++(?:\.[0-9]{1,2})?)\s*+(?:元|块)")
_SPELLED = re.compile(f"(?<!{_NUMERALS}){_NUMERALS}++(?:点[零一二三四五六七八九]++)?(?:元|块)")
_PLACEHOLDER = "{price}"
QUESTION_CUT, ANSWER_CUT = 32, 120  # characters that are read for what an entry is about
SHEET_BYTES, SHEET_ENTRIES = 700_000, 200


class Entry(NamedTuple):
    """One question that a sheet answers. ``topics`` are what it is about; ``also`` what its answer speaks of besides."""

    sku: str
    question: str
    answer: str
    kind: Literal["faq", "price", "attribute", "entry"]
    topics: tuple[str, ...]
    also: tuple[str, ...]
    safe: bool


class TopicFinder:
    """What a question is about, by its words: topic → how many of its characters say so."""

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        pairs = [(fold(word), topic) for topic, words in lexicon["topics"].items() for word in words]
        self._topics = [topic for _, topic in pairs]
        self._automaton = AhoCorasick([word for word, _ in pairs], matchkind=MatchKind.LeftmostLongest)
        self.attributes: Mapping[str, str] = lexicon["attributes"]
        self.near: Mapping[str, list[str]] = lexicon["near"]

    def find(self, folded: str) -> dict[str, int]:
        """Topics in order of appearance; empty when no word gives one away."""
        found: dict[str, int] = {}
        for index, start, end in self._automaton.find_matches_as_indexes(folded):
            topic = self._topics[index]
            found[topic] = found.get(topic, 0) + end - start
        return found


@cache
def load_topics() -> TopicFinder:
    """The shipped topics of shop questions."""
    return TopicFinder(tomllib.loads((files("analytics.data") / "faq_topics.toml").read_text(encoding="utf-8")))


def check_size(product: Product) -> None:
    """Raises ``InvalidError`` for a sheet beyond :data:`SHEET_ENTRIES` or :data:`SHEET_BYTES`.

    Everything that the border lets through is within them: 100 pairs, 64 attributes, about 670,000 bytes.
    """
    entries = len(product.faq) + len(product.attributes) + 1
    if entries > SHEET_ENTRIES:
        raise InvalidError(f"the sheet of {product.sku!r} has {entries} entries; give it {SHEET_ENTRIES} at most")
    if (size := len(encode(product))) > SHEET_BYTES:
        raise InvalidError(f"the sheet of {product.sku!r} has {size} bytes; give it {SHEET_BYTES} at most")


def entries_of(product: Product) -> list[Entry]:
    """Everything that a sheet can answer: its question pairs, its attributes, and its price from the catalogue."""
    finder = load_topics()
    entries: list[Entry] = []
    known = _known_amounts(product)
    for pair in product.faq:
        answer = _with_price(pair.answer, product)
        spoken = finder.find(fold(answer[:ANSWER_CUT]))
        topics = tuple(finder.find(fold(pair.question[:QUESTION_CUT]))) or tuple(spoken)
        also = tuple(topic for topic in spoken if topic not in topics)
        entries.append(Entry(product.sku, pair.question, answer, "faq", topics, also, _hold(answer, known)))
    for key, value in product.attributes.items():
        named = finder.attributes.get(key)
        topics = (named,) if named else tuple(finder.find(fold(key)))
        entries.append(
            Entry(product.sku, f"{key}是什么", f"{product.name}的{key}是{value}", "attribute", topics, (), safe=True)
        )
    if product.price and not any(entry.safe and "price" in entry.topics for entry in entries):
        answer = f"{product.name}现在{yuan(product.price)}元"
        entries.append(Entry(product.sku, "多少钱", answer, "price", ("price",), (), safe=True))
    return entries


def prices_hold(answer: str, product: Product) -> bool:
    """Whether every amount of money in an answer is the catalogue's price or stands in the sheet's attributes.

    An amount in Chinese numerals cannot be checked here and does not hold.
    """
    return _hold(answer, _known_amounts(product))


def answer_of(answer: str, product: Product | None) -> tuple[str, bool]:
    """An answer with the catalogue's price for ``{price}``, and whether its prices hold; without a sheet none does."""
    said = _with_price(answer, product) if product is not None else answer
    return said, _hold(said, _known_amounts(product) if product is not None else set())


def _with_price(answer: str, product: Product) -> str:
    return answer.replace(_PLACEHOLDER, yuan(product.price)) if product.price else answer


def _hold(answer: str, known: set[int]) -> bool:
    if _PLACEHOLDER in answer or _SPELLED.search(answer):
        return False
    return all(amount in known for amount in amounts(answer))


def _known_amounts(product: Product) -> set[int]:
    known = {product.price} - {0}
    for value in product.attributes.values():
        known |= set(amounts(value))
    return known


def amounts(text: str) -> list[int]:
    """The amounts of money in digits in a text, in fen; -1 for one that is no amount of fen."""
    found = []
    for marked, plain in _AMOUNT.findall(text):
        try:
            found.append(fen(marked or plain))
        except InvalidError:
            found.append(-1)
    return found
