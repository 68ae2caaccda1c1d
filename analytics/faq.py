"""Which entry of a room's product sheets answers a question, and how sure that is.

Candidates come from a dense index (faiss above :data:`FAISS_FROM` entries) and from the product that is meant; each is
scored by what the question is about, wording (dense and lexical) and product context: the product that the question names,
or else the one on show. ``given`` needs a certain match and an answer whose price is the catalogue's; ``proposed`` is for a
person.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import numpy as np

from analytics.encoders import DIMENSIONS, Encoder, Rows, load_encoder
from analytics.fold import fold
from analytics.sheet import Entry, entries_of, load_topics
from streams.records import Product

FAISS_FROM = 2_000
GIVEN, PROPOSED = 0.78, 0.55
DISORDER_MS = 600_000
_CANDIDATES = 12
_OTHER_PRODUCT, _NO_PRODUCT = 0.5, 0.85
_BARE_FACT = 0.06  # a written answer goes before an attribute of the same topic
_UNCHECKED = 0.1  # an answer whose price does not hold goes behind one whose price does
_COVERED = 0.75  # share of what a question is about that an entry must cover to be certain
_REMEMBERED = 2_000
_NAMING = ("品类", "品牌", "类目")
_LINK_NUMBER = re.compile("[0-9一二三四五六七八九十]+号")


class Match(NamedTuple):
    """The best entry for a question."""

    status: Literal["given", "proposed", "unknown"]
    score: float
    entry: Entry | None


_NONE = Match("unknown", 0.0, None)


class RoomFaq:
    """The sheets of one room, searchable. Changes are taken up at the next question."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder or load_encoder()
        self.products: dict[str, Product] = {}
        self.on_show = ""
        self.shown_ts = 0
        self._built: _Built | None = None

    def put(self, product: Product) -> None:
        """Take a sheet, or what an event says about one: fields that it leaves empty keep their earlier values.

        An event that another has overtaken is dropped; one that is much older begins a recording anew and counts.
        """
        known = self.products.get(product.sku)
        if known is not None and _overtaken(product.event_ts, known.event_ts):
            return
        if product.type == "withdraw":
            self.products.pop(product.sku, None)
            self.on_show = "" if self.on_show == product.sku else self.on_show
        else:
            self.products[product.sku] = _merged(known, product) if known else product
            if not self.on_show or not _overtaken(product.event_ts, self.shown_ts):
                self.on_show, self.shown_ts = product.sku, product.event_ts
        self._built = None

    def release(self) -> None:
        """Drop the index; the next question builds it again."""
        self._built = None

    def best(self, folded: str) -> Match:
        """The best answer to a folded question, if there is one."""
        if not self.products:
            return _NONE
        if self._built is None:
            self._built = _Built(self.products, self._encoder)
        return self._built.best(folded, self.on_show)


class _Query:
    """A question, taken apart once."""

    def __init__(self, folded: str, encoder: Encoder) -> None:
        self.folded = folded
        self.topics = load_topics().find(folded)
        self.row = encoder.encode([folded])[0]
        self.grams = _grams(folded)


class _Built:
    """The index over the entries of all sheets of a room."""

    def __init__(self, products: dict[str, Product], encoder: Encoder) -> None:
        self._encoder = encoder
        self._many = len(products) > 1
        self._answered: dict[tuple[str, str], Match] = {}  # the same question about the same product is asked again and again
        self.entries = [entry for product in products.values() for entry in entries_of(product)]
        self.folded = [fold(entry.question) for entry in self.entries]
        self.grams = [_grams(folded) for folded in self.folded]
        self.rows: Rows = encoder.encode(self.folded) if self.entries else np.zeros((0, DIMENSIONS), np.float32)
        self._index: Any = _faiss(self.rows) if len(self.entries) > FAISS_FROM else None
        self._of_product: dict[str, list[int]] = {}
        for number, entry in enumerate(self.entries):
            self._of_product.setdefault(entry.sku, []).append(number)
        self._names = _names(products)

    def best(self, folded: str, on_show: str) -> Match:
        """The best match; remembered, which changes no result."""
        known = self._answered.get((folded, on_show))
        if known is None:
            if len(self._answered) >= _REMEMBERED:
                self._answered.clear()
            known = self._answered[folded, on_show] = self._search(_Query(folded, self._encoder), on_show)
        return known

    def _search(self, query: _Query, on_show: str) -> Match:
        meant = self.named(query.folded) or on_show
        numbers = self.candidates(query, meant)
        if not numbers:
            return _NONE
        dense = (self.rows[numbers].astype(np.float64) * query.row.astype(np.float64)).sum(axis=1).tolist()
        scored = [
            (-round(self._score(query, number, alike, meant), 3), number) for number, alike in zip(numbers, dense, strict=True)
        ]
        loss, number = min(scored)
        entry, score = self.entries[number], -loss
        ambiguous = _LINK_NUMBER.search(query.folded) or (not meant and self._many)
        if score >= GIVEN and entry.safe and not ambiguous:
            return Match("given", score, entry)
        return Match("proposed", score, entry) if score >= PROPOSED else Match("unknown", score, entry)

    def _score(self, query: _Query, number: int, alike: float, meant: str) -> float:
        entry = self.entries[number]
        score = 1.0
        if query.folded != self.folded[number]:
            score = _judged(query.topics, entry, max(0.0, alike, _overlap(query.grams, self.grams[number])))
            score -= _BARE_FACT if entry.kind == "attribute" else 0.0
        if not entry.safe:
            score -= _UNCHECKED
        if meant and entry.sku != meant:
            score *= _OTHER_PRODUCT
        elif not meant and self._many:
            score *= _NO_PRODUCT
        return score

    def candidates(self, query: _Query, meant: str) -> list[int]:
        """Entries worth scoring: those nearest in wording, and those of the meant product."""
        count = min(_CANDIDATES, len(self.entries))
        if not count:
            return []
        if self._index is not None:
            near = self._index.search(query.row[None, :], count)[1][0].tolist()
        else:
            near = np.argsort(-(self.rows @ query.row), kind="stable")[:count].tolist()
        return sorted({*near, *self._of_product.get(meant, ())})

    def named(self, folded: str) -> str:
        """The one product whose name, brand or kind of goods the question says; empty when none or several."""
        counts: dict[str, int] = {}
        for start in range(len(folded) - 1):
            for sku in self._names.get(folded[start : start + 2], ()):
                counts[sku] = counts.get(sku, 0) + 1
        if not counts:
            return ""
        most = max(counts.values())
        best = [sku for sku, count in counts.items() if count == most]
        return best[0] if len(best) == 1 else ""


def _names(products: dict[str, Product]) -> dict[str, list[str]]:
    """Pairs of characters from names, brands and kinds of goods → the products that have them; no words of questions."""
    names: dict[str, list[str]] = {}
    for sku, product in products.items():
        said = [product.name, *(product.attributes.get(key, "") for key in _NAMING)]
        pairs = {
            pair: None for name in said for pair in _pairs(fold(name)) if not pair.isascii() and not load_topics().find(pair)
        }
        for pair in pairs:
            names.setdefault(pair, []).append(sku)
    return names


def _overtaken(ts: int, newest: int) -> bool:
    return newest - DISORDER_MS < ts < newest


def _merged(known: Product, news: Product) -> Product:
    return Product(
        room=news.room, event_ts=news.event_ts, ingest_ts=news.ingest_ts, id=news.id, source=news.source, sku=news.sku,
        type=news.type, name=news.name or known.name, price=news.price or known.price,
        attributes=news.attributes or known.attributes, faq=news.faq or known.faq, skew_ms=news.skew_ms,
    )  # fmt: skip


def _judged(topics: dict[str, int], entry: Entry, wording: float) -> float:
    """Agreement of topics where the question has any, wording where not."""
    if not topics:
        return 0.9 * wording
    whole = sum(topics.values())
    own = sum(length for topic, length in topics.items() if topic in entry.topics)
    if own:
        covered = own + sum(length for topic, length in topics.items() if topic in entry.also)
        agreed = 0.45 + 0.4 * covered / whole + 0.15 * wording
        return agreed if covered >= _COVERED * whole else min(agreed, GIVEN - 0.01)
    near = load_topics().near
    if any(other in entry.topics for topic in topics for other in near.get(topic, ())):
        return 0.6 + 0.15 * wording
    return 0.55 * wording


def _pairs(folded: str) -> list[str]:
    return [folded[start : start + 2] for start in range(len(folded) - 1)]


def _grams(folded: str) -> frozenset[str]:
    return frozenset((*folded, *_pairs(folded)))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Dice's coefficient of two sets of grams."""
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _faiss(rows: Rows) -> Any:
    import faiss

    index = faiss.IndexFlatIP(DIMENSIONS)
    index.add(rows)
    return index
