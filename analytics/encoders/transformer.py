"""A small transformer encoder in numpy (Vaswani et al. 2017, as in BERT): pieces of texts in, one unit row a text out.

Texts of all lengths go through the dense layers together, without padding; attention is done for those of one length at a
time. A text's row is to the bit the same alone and in any company: what is multiplied for it has the same shape, or at least
:data:`_LEAST` rows, above which a BLAS works row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.encoders.base import Rows, unit
from streams.records import InvalidError

_LEAST = 16
_MOST = 2_048  # tokens at once: bounds the memory of a call to some ten megabytes
_EPSILON = np.float32(1e-12)
_GELU, _CUBIC = np.float32((2 / np.pi) ** 0.5), np.float32(0.044715)


class _Layer(NamedTuple):
    attend: Rows  # (hidden, 3 x hidden): what is asked, offered and told
    attend_b: Rows
    merge: Rows
    merge_b: Rows
    norm: Rows
    norm_b: Rows
    widen: Rows
    widen_b: Rows
    narrow: Rows
    narrow_b: Rows
    last: Rows
    last_b: Rows


class Transformer:
    """The encoder of a model file: ``words``, ``places``, ``norm``, ``norm_b`` and ``layer{i}.*`` named as in ``_Layer``.

    Raises :class:`InvalidError` for arrays that do not fit together.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], heads: int) -> None:
        weights = unpacked(arrays)
        try:
            self._words, self._places = weights["words"], weights["places"]
            self._norm, self._norm_b = weights["norm"], weights["norm_b"]
            count = 1 + max((int(name.split(".")[0][5:]) for name in weights if name.startswith("layer")), default=-1)
            self._layers = [_Layer(*(weights[f"layer{i}.{part}"] for part in _Layer._fields)) for i in range(count)]
        except (KeyError, ValueError) as error:
            raise InvalidError(f"this model lacks {error}: train it again") from error
        self.hidden = self._words.shape[1]
        self._heads = heads
        self._check()

    def _check(self) -> None:
        wide = self.hidden
        wrong = [
            number
            for number, layer in enumerate(self._layers)
            if layer.attend.shape != (wide, 3 * wide)
            or layer.merge.shape != (wide, wide)
            or layer.widen.shape[0] != wide
            or layer.narrow.shape != layer.widen.shape[::-1]
        ]
        if wrong or not self._layers or self._heads < 1 or wide % self._heads:
            raise InvalidError(f"the layers of this model do not fit together (at {wrong[:1]}): train it again")

    def encode(self, texts: Sequence[Sequence[int]]) -> Rows:
        """Unit rows (n, hidden) of texts given as numbers of pieces; the first piece of a text stands for all of it."""
        rows = np.zeros((len(texts), self.hidden), np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        chosen: list[int] = []
        tokens = 0
        for at in order:
            if chosen and tokens + len(texts[at]) > _MOST:
                rows[chosen] = self._run([texts[one] for one in chosen])
                chosen, tokens = [], 0
            chosen.append(at)
            tokens += len(texts[at])
        if chosen:
            rows[chosen] = self._run([texts[one] for one in chosen])
        return unit(rows)

    def _run(self, texts: list[Sequence[int]]) -> Rows:
        """The rows of some texts, which come shortest first."""
        lengths = [(length, len(list(same))) for length, same in groupby(texts, key=len)]
        pieces = np.concatenate([np.asarray(text, np.intp) for text in texts])
        places = np.concatenate([np.arange(len(text)) for text in texts])
        state = np.zeros((max(len(pieces), _LEAST), self.hidden), np.float32)
        state[: len(pieces)] = self._words[pieces] + self._places[places]
        state = _normal(state, self._norm, self._norm_b)
        for layer in self._layers:
            heard = self._attend(state @ layer.attend + layer.attend_b, lengths)
            state = _normal(state + (heard @ layer.merge + layer.merge_b), layer.norm, layer.norm_b)
            wide = _gelu(state @ layer.widen + layer.widen_b)
            state = _normal(state + (wide @ layer.narrow + layer.narrow_b), layer.last, layer.last_b)
        firsts = np.cumsum([0, *(len(text) for text in texts[:-1])])
        found: Rows = state[firsts]
        return found

    def _attend(self, told: Rows, lengths: list[tuple[int, int]]) -> Rows:
        heard = np.zeros((len(told), self.hidden), np.float32)
        part = self.hidden // self._heads
        scale = np.float32(part**-0.5)
        start = 0
        for length, count in lengths:
            end = start + length * count
            split = told[start:end].reshape(count, length, 3, self._heads, part).transpose(2, 0, 3, 1, 4)
            asked, offered, said = np.ascontiguousarray(split)
            odds = (asked @ offered.swapaxes(-1, -2)) * scale
            odds = np.exp(odds - odds.max(axis=-1, keepdims=True))
            odds /= odds.sum(axis=-1, keepdims=True)
            heard[start:end] = (odds @ said).transpose(0, 2, 1, 3).reshape(end - start, self.hidden)
            start = end
        return heard


def _normal(rows: Rows, scale: Rows, shift: Rows) -> Rows:
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + _EPSILON)
    made: Rows = centred / spread * scale + shift
    return made


def _gelu(rows: Rows) -> Rows:
    """Gaussian error linear units in the form with the hyperbolic tangent (Hendrycks and Gimpel 2016)."""
    inner = rows * rows
    inner *= _CUBIC
    inner += np.float32(1.0)
    inner *= rows
    inner *= _GELU
    np.tanh(inner, out=inner)
    inner += np.float32(1.0)
    inner *= rows
    inner *= np.float32(0.5)
    return inner


BLOCK = 32


def pack(weights: Rows) -> dict[str, npt.NDArray[Any]]:
    """Four bits a number, in blocks of 32 with a scale: ``q`` two numbers a byte, ``s`` ``float16``, ``n`` the shape."""
    flat = weights.reshape(-1, BLOCK).astype(np.float32)
    scale, steps = _scaled(flat)
    low, high = steps[:, : BLOCK // 2], steps[:, BLOCK // 2 :]
    packed = (low | (high << np.uint8(4))).astype(np.uint8)
    return {"q": packed, "s": scale.astype(np.float16), "n": np.array(weights.shape, np.int32)}


def _scaled(flat: Rows) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """The scale of each block with the least squared error of a few that are tried, and the steps from 0 to 15."""
    largest = np.take_along_axis(flat, np.abs(flat).argmax(axis=1)[:, None], axis=1)[:, 0]
    best = np.full(len(flat), np.inf, np.float32)
    scales = np.zeros(len(flat), np.float32)
    steps = np.zeros(flat.shape, np.uint8)
    for reach in np.linspace(6.0, 9.5, 15, dtype=np.float32):
        scale = (largest / -reach).astype(np.float16).astype(np.float32)
        whole = np.clip(np.rint(flat / np.where(scale == 0, 1, scale)[:, None]), -8, 7)
        error = ((whole * scale[:, None] - flat) ** 2).sum(axis=1)
        better = error < best
        best[better], scales[better] = error[better], scale[better]
        steps[better] = (whole[better] + 8).astype(np.uint8)
    return scales, steps


def unpacked(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Rows]:
    """All arrays as ``float32``; those of four bits are made whole again."""
    weights: dict[str, Rows] = {}
    for name, array in arrays.items():
        if name.endswith(".q"):
            stem = name[:-2]
            weights[stem] = _whole(array, arrays[f"{stem}.s"], arrays[f"{stem}.n"])
        elif not name.endswith((".s", ".n")):
            weights[name] = array.astype(np.float32)
    return weights


def _whole(packed: npt.NDArray[Any], scale: npt.NDArray[Any], shape: npt.NDArray[Any]) -> Rows:
    steps = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - np.float32(8)
    rows: Rows = (steps * scale.astype(np.float32)[:, None]).reshape(tuple(int(side) for side in shape))
    return rows
