"""The transformer of :mod:`analytics.encoders.transformer` in torch, so that it can be tuned: the same arrays in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from analytics.encoders.base import Rows

_EPSILON = 1e-12
_TOGETHER = 32  # texts that are padded to one length


class Network(nn.Module):
    """Weights by the names that the model file gives them, with ``__`` for the dot."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.weights = nn.ParameterDict(
            {
                name.replace(".", "__"): nn.Parameter(torch.from_numpy(np.array(value, np.float32)))
                for name, value in weights.items()
            }
        )
        self.layers = sum(name.endswith("__attend") for name in self.weights)
        self._heads, self._dropout = heads, dropout

    def arrays(self) -> dict[str, Rows]:
        """The weights as a model file takes them."""
        return {name.replace("__", "."): value.detach().numpy().copy() for name, value in self.weights.items()}

    def forward(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Unit rows (n, hidden) of texts given as numbers of pieces. Short texts do not wait for long ones."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        parts = [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]
        rows = torch.cat([self._run([texts[at] for at in part]) for part in parts])
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return rows[back]

    def _run(self, texts: Sequence[Sequence[int]]) -> Tensor:
        pieces, there = _padded(texts)
        w = self.weights
        state = functional.embedding(pieces, w["words"]) + w["places"][: pieces.shape[1]]
        state = self._drop(self._normal(state, "norm"))
        for number in range(self.layers):
            state = self._layer(state, there, f"layer{number}__")
        return functional.normalize(state[:, 0], dim=-1)

    def _layer(self, state: Tensor, there: Tensor, at: str) -> Tensor:
        w = self.weights
        count, length, wide = state.shape
        split = (state @ w[at + "attend"] + w[at + "attend_b"]).view(count, length, 3, self._heads, wide // self._heads)
        asked, offered, said = split.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(
            asked, offered, said, attn_mask=there[:, None, None, :], dropout_p=self._dropout if self.training else 0.0
        )
        merged = heard.transpose(1, 2).reshape(count, length, wide) @ w[at + "merge"] + w[at + "merge_b"]
        state = self._normal(state + self._drop(merged), at + "norm")
        inner = functional.gelu(state @ w[at + "widen"] + w[at + "widen_b"], approximate="tanh")
        return self._normal(state + self._drop(inner @ w[at + "narrow"] + w[at + "narrow_b"]), at + "last")

    def _normal(self, state: Tensor, name: str) -> Tensor:
        return functional.layer_norm(state, state.shape[-1:], self.weights[name], self.weights[name + "_b"], _EPSILON)

    def _drop(self, state: Tensor) -> Tensor:
        return functional.dropout(state, self._dropout, self.training)


def _padded(texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Numbers of pieces (n, longest) and where there are any."""
    longest = max(map(len, texts))
    pieces = torch.zeros(len(texts), longest, dtype=torch.long)
    there = torch.zeros(len(texts), longest, dtype=torch.bool)
    for row, text in enumerate(texts):
        pieces[row, : len(text)] = torch.tensor(text)
        there[row, : len(text)] = True
    return pieces, there
