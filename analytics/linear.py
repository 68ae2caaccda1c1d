"""Linear models of chat as plain tables: what every character gram, and every clue of the word lists, says for each class.

Multinomial logistic regression over the distinct character grams of the folded text, weighted by idf and brought to unit
length (Salton & Buckley 1988), beside the clues of :mod:`analytics.clues`. Weights are small integers and everything is added
up in integers, so that a text gets the same probabilities alone or in a batch and in any order. A few microseconds a text in
batches; numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.clues import CLUE_UNIT, CLUES
from analytics.model_file import Model, load_shipped
from streams.records import InvalidError

VERSION = 1
KINDS = ("sentiment", "intent", "emotion")
LONGEST = 4  # the longest gram that a model may have
CUT = 512  # code points of a text that are read
IDF_UNIT = 16  # idf is kept in sixteenths

_AT_ONCE = 256  # texts that are read at once: bounds the memory of a call
_BORDER = ord("\n")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HIGH = np.uint64(32)
_TYPES = ["uint32", "uint8", "int8", "int16", "float64"]
_SHARE_UNIT = float(1 << 40)

Integers = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


class Grams(NamedTuple):
    """The distinct grams of some texts: ``owners`` (m) ascending, the number of the text; ``codes`` (m) ``uint32``."""

    texts: int
    owners: Integers
    codes: npt.NDArray[np.uint32]


def read_grams(folded: Sequence[str], longest: int = LONGEST) -> Grams:
    """Every character 1- to ``longest``-gram of each text, each once a text; the borders of a text are a character too."""
    joined = "\n" + "".join(text[:CUT].replace("\n", " ") + "\n" for text in folded)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    border = points == _BORDER
    inside = ~border
    owners = np.cumsum(border) - 1  # a border in between begins the text after it, and ends the one before
    wide = points.astype(np.uint64)
    code = (wide + np.uint64(1)) * _MIX
    keys = [_keys(owners, code, inside)]
    sound = np.ones(len(points), bool)  # no border strictly within the gram that starts here
    for length in range(2, min(longest, LONGEST) + 1):
        count = len(points) - length + 1
        if count < 1:
            break
        code = (code[:count] ^ wide[length - 1 :]) * _MIX
        sound = sound[:count] if length == 2 else sound[:count] & inside[length - 2 : length - 2 + count]
        keys.append(_keys(owners[:count], code, sound & (inside[:count] | inside[1 : count + 1])))
    distinct = np.sort(np.concatenate(keys))
    first = np.ones(len(distinct), bool)
    np.not_equal(distinct[1:], distinct[:-1], out=first[1:])
    distinct = distinct[first]
    return Grams(len(folded), (distinct >> _HIGH).astype(np.int64), distinct.astype(np.uint32))


def _keys(owners: Integers, code: npt.NDArray[np.uint64], chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    keys: npt.NDArray[np.uint64] = (owners[chosen].astype(np.uint64) << _HIGH) | (code[chosen] >> _HIGH)
    return keys


class LinearModel:
    """A model out of a file. Safe to share between threads and over a fork.

    ``grams`` ``uint32`` (n) ascending; ``idf`` ``uint8`` (n) in sixteenths; ``weights`` ``int8`` (n, classes), of which one is
    worth ``gram_scale``; ``clues`` ``int16`` (clues, classes), of which one is worth ``clue_scale``; ``bias`` ``float64``
    (classes). The settings of its card say the rest: ``longest``, ``temperature`` and, for intents, ``threshold``.
    """

    def __init__(self, model: Model) -> None:
        card, arrays = model.card, model.arrays
        try:
            self._grams, idf, weights, clues, bias = (arrays[n] for n in ("grams", "idf", "weights", "clues", "bias"))
            gram_scale, clue_scale, temperature, longest = (
                card.settings[name] for name in ("gram_scale", "clue_scale", "temperature", "longest")
            )
        except KeyError as error:
            raise InvalidError(f"this model lacks {error}: train it again") from error
        classes = len(card.labels)
        shapes = (idf.shape, weights.shape, clues.shape, bias.shape)
        count = len(self._grams) if self._grams.ndim == 1 else 0
        if (
            shapes != ((count,), (count, classes), (len(CLUES), classes), (classes,))
            or count < 1
            or classes < 2
            or [a.dtype.name for a in (self._grams, idf, weights, clues, bias)] != _TYPES
            or bool((self._grams[1:] <= self._grams[:-1]).any())
            or not (0.01 <= temperature <= 100 and 1 <= longest <= LONGEST)
            or not (0 < gram_scale < 1e6 and 0 < clue_scale < 1e6 and 0 <= card.settings.get("threshold", 0.0) <= 1)
            or len(set(card.labels)) != classes
        ):
            raise InvalidError("the parts of this model do not fit together: train it again")
        self.card = card
        self.labels = tuple(card.labels)
        self.threshold = float(card.settings.get("threshold", 0.0))
        self.longest = int(longest)
        # the square of idf goes beside the weights, so that one sum gives both
        self._rows = np.concatenate([idf.astype(np.int32)[:, None] ** 2, weights.astype(np.int32)], axis=1)
        self._clues = clues.astype(np.int64)
        self._bias = bias.astype(np.float64) / temperature
        self._gram_scale = gram_scale * IDF_UNIT / temperature
        self._clue_scale = clue_scale / CLUE_UNIT / temperature

    def judge(self, folded: Sequence[str], clues: Integers, grams: Grams | None = None) -> Probabilities:
        """Probabilities (n, classes) of folded texts.

        ``clues`` (n, clues) is what :func:`analytics.clues.clues_of` says of them; ``grams`` what :func:`read_grams` does,
        where that is known already.
        """
        if grams is None and len(folded) > _AT_ONCE:
            parts = range(0, len(folded), _AT_ONCE)
            return np.concatenate([self.judge(folded[at : at + _AT_ONCE], clues[at : at + _AT_ONCE]) for at in parts])
        if not len(folded):
            return np.zeros((0, len(self.labels)))
        return self._shares(self._sums(grams or read_grams(folded, self.longest)), clues)

    def _sums(self, grams: Grams) -> Integers:
        """The sum of the rows of each text's grams."""
        at = np.searchsorted(self._grams, grams.codes)
        at[at == len(self._grams)] = 0
        known = np.flatnonzero(self._grams[at] == grams.codes)
        sums = np.zeros((grams.texts, self._rows.shape[1]), np.int64)
        if len(known):
            owners = grams.owners[known]
            starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
            sums[owners[starts]] = np.add.reduceat(self._rows[at[known]], starts, axis=0)
        return sums

    def _shares(self, sums: Integers, clues: Integers) -> Probabilities:
        """The soft maximum of what grams and clues say. Element by element until the last sum, which is one of integers."""
        length = np.sqrt(np.maximum(sums[:, :1], 1))
        said = sums[:, 1:] * self._gram_scale / length + (clues @ self._clues) * self._clue_scale + self._bias
        shares = np.rint(np.exp(said - said.max(axis=1, keepdims=True)) * _SHARE_UNIT).astype(np.int64)
        result: Probabilities = shares / shares.sum(axis=1, keepdims=True)
        return result


@cache
def load_linear(kind: str) -> LinearModel:
    """The shipped model of one of :data:`KINDS`."""
    return LinearModel(load_shipped(f"{kind}.npz", kind, VERSION))
