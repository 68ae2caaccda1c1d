"""The semantic encoder: a small transformer for Chinese that comes with the package, tuned on questions of live commerce.

About 2 ms of CPU a text, fifty times the static one: it is for the few texts that decide something (questions that no entry
is certain for, groups that may be one), never for every message. What it read last it remembers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.encoders.base import CUT, MEANING, WORDING, Rows, joined, unit
from analytics.encoders.lexical import LexicalEncoder
from analytics.encoders.transformer import Transformer
from analytics.encoders.wordpiece import WordPieces
from analytics.fold import fold
from analytics.model_file import Model
from streams.records import InvalidError

KIND, VERSION = "encoder-transformer", 1
WEIGHT = 0.9  # share of meaning
_REMEMBERED = 10_000
_READ = 4 * CUT  # characters of a text that are looked at: spaces and marks among them do not count


class SemanticEncoder:
    """A transformer out of a model file. Needs numpy alone; safe to share between threads and over a fork.

    A row's meaning is centred: the mean of the texts that it was tuned on is taken away, as texts of one kind otherwise all
    lie in one direction.
    """

    name = "semantic"

    def __init__(self, model: Model) -> None:
        arrays = dict(model.arrays)
        try:
            pieces, mean = arrays.pop("pieces"), arrays.pop("mean")
        except KeyError as error:
            raise InvalidError(f"this model lacks {error}: train it again") from error
        self._pieces = WordPieces([str(piece) for piece in pieces])
        self._transformer = Transformer(arrays, heads=int(model.card.settings.get("heads", 8)))
        if self._transformer.hidden != MEANING or mean.shape != (MEANING,):
            raise InvalidError(
                f"this model gives {self._transformer.hidden} dimensions, and {MEANING} are needed: train it again"
            )
        self._mean = mean.astype(np.float32)
        self._wording = LexicalEncoder(WORDING, longest=2)
        self._young: dict[str, Rows] = {}
        self._old: dict[str, Rows] = {}

    def encode(self, texts: Sequence[str]) -> Rows:
        rows = np.zeros((len(texts), MEANING), np.float32)
        heads = [text[:_READ] for text in texts]
        found = {head: row for head in heads if (row := self._recall(head)) is not None}
        new = [head for head in dict.fromkeys(heads) if head not in found]
        if new:
            fresh = self._transformer.encode([self._pieces.read(head) for head in new])
            found |= zip(new, unit(fresh - self._mean), strict=True)
            self._remember(new, found)
        for place, head in enumerate(heads):
            rows[place] = found[head]
        return joined(rows, self._wording.encode_folded([fold(text) for text in texts]), WEIGHT)

    def _recall(self, head: str) -> Rows | None:
        row = self._young.get(head)
        return self._old.get(head) if row is None else row

    def _remember(self, heads: Sequence[str], rows: Mapping[str, Rows]) -> None:
        """Threads may lose one another's rows here, which costs time and changes no result."""
        young = self._young
        if len(young) + len(heads) > _REMEMBERED:
            self._old, self._young = young, (young := {})
        young.update((head, rows[head]) for head in heads[:_REMEMBERED])
