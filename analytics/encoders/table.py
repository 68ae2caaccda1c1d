"""The static encoder: a table of what character grams mean, learnt from the semantic encoder, and what the text is made of.

A text's meaning is the sum of the rows of its 1- to 3-grams, so it costs look-ups and additions, 20-40 µs a text in batches,
and lies in the same space as the rows of :mod:`analytics.encoders.semantic`: a question that one of them encoded is found
with the other. The rows are kept product-quantised (Jégou et al. 2011): a byte for each few dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from analytics.encoders.base import CUT, MEANING, WORDING, Rows, joined, unit
from analytics.encoders.lexical import LexicalEncoder
from analytics.fold import fold
from analytics.model_file import Model
from streams.records import InvalidError

KIND, VERSION = "encoder-table", 1
LONGEST_GRAM = 3
WEIGHT = 0.8  # share of meaning
_AT_ONCE = 256  # texts whose rows are added up at once: bounds the memory of a call
_CODES = 256


def grams(folded: str) -> Iterator[str]:
    """Every character 1-, 2- and 3-gram of the first :data:`CUT` characters, with the borders of the text as a character."""
    text = f"\n{folded[:CUT]}\n"
    for length in range(1, LONGEST_GRAM + 1):
        for start in range(len(text) - length + 1):
            gram = text[start : start + length]
            if gram != "\n":
                yield gram


def code_of(gram: str) -> int:
    """The number under which a gram stands in the table."""
    return crc32(gram.encode("utf-8", "replace"))


class StaticEncoder:
    """A table out of a model file. Needs numpy alone; safe to share between threads and over a fork.

    ``grams``: ``uint32`` (n), sorted, the codes of the grams; ``codes``: ``uint8`` (n, parts); ``book``: ``float32``
    (parts, 256, ``MEANING`` / parts); ``mean``: ``float32`` (``MEANING``), taken from every sum.
    """

    name = "static"

    def __init__(self, model: Model) -> None:
        try:
            held, codes, book, lengths = (model.arrays[name] for name in ("grams", "codes", "book", "lengths"))
        except KeyError as error:
            raise InvalidError(f"this table lacks {error}: train it again") from error
        parts = codes.shape[1] if codes.ndim == 2 else 0
        if (
            len(held) != len(codes)
            or len(lengths) != len(held)
            or parts < 1
            or book.shape != (parts, _CODES, MEANING // parts)
            or MEANING % parts
        ):
            raise InvalidError("the parts of this table do not fit together: train it again")
        self._place = {code: place for place, code in enumerate(held.tolist())}
        self._codes = codes.astype(np.uint8)
        self._book = np.ascontiguousarray(book, np.float32)
        self._lengths = lengths.astype(np.float32)
        self._parts = np.arange(parts)
        self._wording = LexicalEncoder(WORDING, longest=2)

    def encode(self, texts: Sequence[str]) -> Rows:
        folded = [fold(text) for text in texts]
        return joined(self._meaning(folded), self._wording.encode_folded(folded), WEIGHT)

    def _meaning(self, folded: Sequence[str]) -> Rows:
        rows = np.zeros((len(folded), MEANING), np.float32)
        for start in range(0, len(folded), _AT_ONCE):
            part = folded[start : start + _AT_ONCE]
            places: list[int] = []
            ends: list[int] = []
            for text in part:
                places += self._known(text)
                ends.append(len(places))
            if places:
                rows[start : start + len(part)] = self._sums(np.array(places, np.intp), np.array(ends, np.intp))
        return unit(rows)

    def _known(self, folded: str) -> list[int]:
        place = self._place
        return [found for gram in grams(folded) if (found := place.get(code_of(gram))) is not None]

    def _sums(self, places: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> Rows:
        """The sum of the rows up to each end."""
        whole = self._book[self._parts, self._codes[places]].reshape(len(places), MEANING)
        whole *= self._lengths[places, None]
        starts = np.concatenate([[0], ends[:-1]])
        sums = np.zeros((len(ends), MEANING), np.float32)
        full = starts < ends
        sums[full] = np.add.reduceat(whole, starts[full], axis=0)
        return sums
