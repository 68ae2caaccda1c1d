"""Text encoders: ``load_encoder(name).encode(texts)`` gives unit rows of 768 ``float32``.

``static`` needs nothing but numpy: every character 1-, 2- and 3-gram of the folded text is hashed to a place and a sign (a
count sketch, Charikar et al. 2002), weighted by how much such a gram says. It knows wording, not meaning.

Every encoder keeps the same bargain (tests: ``check_encoder``): the same text gives the same row to the bit, alone or in a
batch, in any process; a row has length 1, and the row of a text with nothing in it is the first unit vector.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Protocol
from zlib import crc32

import numpy as np
import numpy.typing as npt

from analytics.fold import fold
from streams.records import InvalidError

DIMENSIONS = 768
Rows = npt.NDArray[np.float32]

_LONGEST = 3
_CUT = 64  # code points of a text that count
_WEIGHT = (0.0, 0.6, 1.0, 0.8)  # by length of the gram
SAYS_LITTLE = frozenset("的了吗呢啊呀吧么哦嘛哈啦是有在这那个我你他她它们都也就还要会能可以不没请问一下")
_LITTLE = 0.35  # factor for each such character in a gram, down to its share of the gram
_MEMORY = 200_000


class Encoder(Protocol):
    """What turns texts into directions. ``name`` says which one is running."""

    name: str

    def encode(self, texts: Sequence[str]) -> Rows:
        """One unit row of :data:`DIMENSIONS` for each text."""
        ...


class StaticEncoder:
    """Hashed character grams; 5-30 µs a text. Safe to share between threads and over a fork."""

    name = "static"

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, float]] = {}

    def encode(self, texts: Sequence[str]) -> Rows:
        places: list[int] = []
        weights: list[float] = []
        known = self._known
        for row, text in enumerate(texts):
            folded = fold(text)[:_CUT]
            base = row * DIMENSIONS
            for length in range(1, _LONGEST + 1):
                for start in range(len(folded) - length + 1):
                    gram = folded[start : start + length]
                    place, weight = known.get(gram) or self._learn(gram)
                    places.append(base + place)
                    weights.append(weight)
        flat = np.bincount(places, weights, len(texts) * DIMENSIONS) if places else np.zeros(len(texts) * DIMENSIONS)
        rows = flat.reshape(len(texts), DIMENSIONS)
        lengths = np.sqrt((rows * rows).sum(axis=1))
        rows[lengths < 1e-9] = _NOTHING
        lengths[lengths < 1e-9] = 1.0
        unit: Rows = (rows / lengths[:, None]).astype(np.float32)
        return unit

    def _learn(self, gram: str) -> tuple[int, float]:
        """Where a gram goes and what it weighs; the sign is the hash's top bit."""
        code = crc32(gram.encode("utf-8", "replace"))
        little = sum(character in SAYS_LITTLE for character in gram) / len(gram)
        weight = _WEIGHT[len(gram)] * (1.0 - little * (1.0 - _LITTLE))
        learnt = (code & 0x7FFFFFFF) % DIMENSIONS, -weight if code >> 31 else weight
        if len(self._known) < _MEMORY:
            self._known[gram] = learnt
        return learnt


class Directions:
    """Named unit rows that come and go, searched by direction. The answer does not hang on the order in which they came."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows = np.zeros((16, DIMENSIONS), np.float32)

    def add(self, name: str, row: Rows) -> None:
        if len(self._names) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._names)] = row
        self._names.append(name)

    def drop(self, names: Collection[str]) -> None:
        """Forget these names."""
        kept = [place for place, name in enumerate(self._names) if name not in names]
        self._rows[: len(kept)] = self._rows[kept]
        self._names = [self._names[place] for place in kept]

    def find(self, row: Rows, least: float, most: int = 8) -> list[tuple[float, str]]:
        """Similarity and name of the rows that are at least so near, nearest first."""
        held = self._rows[: len(self._names)]
        near = np.flatnonzero(held @ row >= least - 1e-3)
        exact = (held[near].astype(np.float64) * row.astype(np.float64)).sum(axis=1).round(4).tolist()
        found = [(alike, self._names[place]) for alike, place in zip(exact, near.tolist(), strict=True) if alike >= least]
        return sorted(found, key=lambda pair: (-pair[0], pair[1]))[:most]


_NOTHING = np.eye(1, DIMENSIONS)[0]


@cache
def load_encoder(name: str = "static") -> Encoder:
    """The encoder of that name. Raises :class:`InvalidError` for one that is not there."""
    if name == "static":
        return StaticEncoder()
    raise InvalidError(f"no encoder {name!r}: this version ships 'static'")
