"""Contrastive tuning of the transformer: texts of one group near each other and far from those of others.

The loss is that of supervised contrastive learning (Khosla et al. 2020, eq. 2) at temperature :data:`TEMPERATURE`. Beside it
the network is held to what it knew of other text: the cosines within a batch of such text stay those of the network before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from analytics.encoders.base import Rows
from analytics.encoders.transformer import Transformer
from analytics.encoders.wordpiece import WordPieces
from analytics.training.network import Network

TEMPERATURE = 0.05
_NONE = -1e9


class Plan(NamedTuple):
    """How to tune. ``each`` text of ``groups`` groups make a batch; ``kept`` texts of any other kind go beside.

    ``blend``: the share of the tuned weights in what comes out; the rest are those before. On text of other kinds the mean of
    both is better than either (Wortsman et al. 2022).
    """

    steps: int = 800
    rate: float = 2e-4
    groups: int = 48
    each: int = 2
    alike: float = 0.5  # share of batches half of which are groups of one kind: the hard ones to tell apart
    kept: int = 24
    keep: float = 10.0
    warm: int = 60
    dropout: float = 0.1
    blend: float = 0.6
    seed: int = 7


Progress = Callable[[int, float], None]


def tune(
    weights: Mapping[str, npt.NDArray[Any]],
    pieces: WordPieces,
    groups: Mapping[str, Sequence[str]],
    kinds: Mapping[str, str],
    others: Sequence[str],
    plan: Plan,
    progress: Progress,
    heads: int = 8,
) -> dict[str, Rows]:
    """The weights, tuned on groups of texts with one meaning.

    ``kinds``: group → what it is like (its intent), where that is known. ``others``: text on which nothing shall change.
    ``progress`` gets the step and its loss. CPU time: about 1 s a step.
    """
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)  # noqa: S311  # draws batches, guards nothing
    network, before = Network(weights, heads, plan.dropout), Network(weights, heads, 0.0).eval()
    for parameter in before.parameters():
        parameter.requires_grad = False
    batches = _Batches(groups, kinds, rng, plan)
    network.weights["words"].requires_grad = False  # what pieces mean is known; how they are used here is learnt
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=plan.rate, weight_decay=0.01, fused=True)
    network.train()
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, (step + 1) / plan.warm) * max(0.02, 1.0 - step / plan.steps)
        texts, labels = batches.draw()
        kept = rng.sample(others, min(plan.kept, len(others)))
        read = [pieces.read(text) for text in (*texts, *kept)]
        rows = _forward(network, read)
        loss = contrast(rows[: len(texts)], torch.tensor(labels))
        if kept:
            with torch.no_grad():
                known = _forward(before, read[len(texts) :])
            new = rows[len(texts) :]
            loss = loss + plan.keep * 10 * ((new @ new.T - known @ known.T) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not say its type
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        progress(step, float(loss.detach()))
    tuned, old = network.eval().arrays(), before.arrays()
    return {name: (value * plan.blend + old[name] * (1.0 - plan.blend)).astype(np.float32) for name, value in tuned.items()}


def _forward(network: Network, texts: Sequence[Sequence[int]]) -> Tensor:
    """Rows in ``float32``; the products inside in ``bfloat16``, which halves the time where the processor knows it."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows: Tensor = network(texts)
    return rows.float()


def contrast(rows: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrastive loss of unit rows: each positive against all texts of other groups."""
    alike = rows @ rows.T / TEMPERATURE
    own = torch.eye(len(rows), dtype=torch.bool)
    positive = (labels[:, None] == labels[None, :]) & ~own
    negative = alike.masked_fill(own | positive, _NONE).logsumexp(dim=1, keepdim=True)
    return ((torch.logaddexp(alike, negative) - alike) * positive).sum() / positive.sum().clamp(min=1)


class _Batches:
    """Draws groups, half of them of one kind now and then, and some texts of each."""

    def __init__(self, groups: Mapping[str, Sequence[str]], kinds: Mapping[str, str], rng: random.Random, plan: Plan) -> None:
        self._groups = {name: list(texts) for name, texts in groups.items() if len(texts) >= plan.each}
        self._names = sorted(self._groups)
        self._rng, self._plan = rng, plan
        by_kind: dict[str, list[str]] = {}
        for name in self._names:
            if name in kinds:
                by_kind.setdefault(kinds[name], []).append(name)
        self._kinds = [names for _, names in sorted(by_kind.items()) if len(names) > 1]

    def draw(self) -> tuple[list[str], list[int]]:
        """Texts, and the number of each text's group."""
        wanted = min(self._plan.groups, len(self._names))
        chosen: list[str] = []
        if self._kinds and self._rng.random() < self._plan.alike:
            near = self._rng.choice(self._kinds)
            chosen = self._rng.sample(near, min(len(near), wanted // 2))
        rest = [name for name in self._rng.sample(self._names, wanted) if name not in chosen]
        chosen += rest[: wanted - len(chosen)]
        texts: list[str] = []
        labels: list[int] = []
        for number, name in enumerate(chosen):
            texts += self._rng.sample(self._groups[name], self._plan.each)
            labels += [number] * self._plan.each
        return texts, labels


def mean_row(weights: Mapping[str, npt.NDArray[Any]], pieces: WordPieces, texts: Sequence[str], heads: int = 8) -> Rows:
    """The mean of the unit rows of texts, by the network that runs without torch."""
    rows = Transformer(weights, heads).encode([pieces.read(text) for text in texts])
    mean: Rows = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
