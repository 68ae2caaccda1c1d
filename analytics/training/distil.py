"""The static table, distilled from the transformer: character grams whose sum points where the transformer points.

Each text's teacher row is the transformer's, centred. A gram's row starts at the mean of the rows of the texts that contain
it and is learnt from there: the loss is one minus the cosine, and a tenth of the InfoNCE of the batch (van den Oord et al.
2018), so that texts do not only lie right but also apart. The rows are then product-quantised (Jégou et al. 2011).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from analytics.encoders.base import MEANING, Rows
from analytics.encoders.table import code_of, grams
from analytics.fold import fold

PARTS = 128
_TEMPERATURE = 0.05
_APART = 0.1
_BATCH = 512
_LEAST_ROWS = 10_000  # from which the quantiser learns: fewer are repeated
_COMMON = 1e-3  # of the weight with which a gram starts: the more texts hold it, the less it says (Arora et al. 2017)


class Plan(NamedTuple):
    """``least``: in how many texts a gram must stand; ``most``: how many grams are kept."""

    least: int = 2
    most: int = 130_000
    epochs: int = 3
    rate: float = 3e-3
    seed: int = 7


Progress = Callable[[int, int], None]


def distil(
    texts: Sequence[str], teacher: Rows, weights: npt.NDArray[np.float32], plan: Plan, progress: Progress
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a :class:`~analytics.encoders.table.StaticEncoder`.

    ``teacher``: unit rows (n, ``MEANING``) of the texts; ``weights``: how much each text counts (n). ``progress`` gets the
    batch and how many there are.
    """
    torch.manual_seed(plan.seed)
    bags = [list(dict.fromkeys(map(code_of, grams(fold(text))))) for text in texts]
    places = _chosen(bags, plan)
    held = [[places[code] for code in bag if code in places] for bag in bags]
    kept = [at for at, bag in enumerate(held) if bag]
    table = _started(held, teacher, len(places))
    rows = _learnt(table, [held[at] for at in kept], teacher[kept], weights[kept], plan, progress)
    return _packed(places, rows)


def _chosen(bags: Sequence[Sequence[int]], plan: Plan) -> dict[int, int]:
    """Code of a gram → its place; the codes ascend."""
    counts: Counter[int] = Counter(code for bag in bags for code in bag)
    often = sorted((code for code, count in counts.items() if count >= plan.least), key=lambda code: (-counts[code], code))
    return {code: place for place, code in enumerate(sorted(often[: plan.most]))}


def _started(held: Sequence[Sequence[int]], teacher: Rows, size: int) -> Rows:
    sums = np.zeros((size, MEANING), np.float32)
    counts = np.zeros(size, np.float32)
    for row, bag in zip(teacher, held, strict=True):
        sums[bag] += row
        counts[bag] += 1
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    share = counts / max(1, len(held))
    started: Rows = sums / lengths * (_COMMON / (_COMMON + share))[:, None]
    return started


def _learnt(
    table: Rows,
    held: Sequence[Sequence[int]],
    teacher: Rows,
    weights: npt.NDArray[np.float32],
    plan: Plan,
    progress: Progress,
) -> Rows:
    bag = nn.EmbeddingBag.from_pretrained(torch.from_numpy(table), freeze=False, mode="sum", sparse=True)
    optimiser = torch.optim.SparseAdam(bag.parameters(), lr=plan.rate)
    rng = np.random.default_rng(plan.seed)
    truth, heavy = torch.from_numpy(teacher), torch.from_numpy(weights)
    batches = -(-len(held) // _BATCH)
    for epoch in range(plan.epochs):
        order = rng.permutation(len(held))
        for number in range(batches):
            step = epoch * batches + number
            for group in optimiser.param_groups:
                group["lr"] = plan.rate * max(0.05, 1.0 - step / (batches * plan.epochs))
            chosen = order[number * _BATCH : (number + 1) * _BATCH]
            loss = _loss(bag, [held[at] for at in chosen], truth[chosen], heavy[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not say its type
            optimiser.step()  # type: ignore[no-untyped-call]  # nor this one's
            progress(step + 1, batches * plan.epochs)
    learnt: Rows = bag.weight.detach().numpy()
    return learnt


def _loss(bag: nn.EmbeddingBag, held: Sequence[Sequence[int]], truth: Tensor, heavy: Tensor) -> Tensor:
    flat = torch.tensor([place for one in held for place in one])
    starts = torch.tensor(np.cumsum([0, *(len(one) for one in held[:-1])]))
    rows = functional.normalize(bag(flat, starts), dim=-1)
    near = 1.0 - (rows * truth).sum(dim=-1)
    apart = functional.cross_entropy(rows @ truth.T / _TEMPERATURE, torch.arange(len(held)), reduction="none")
    loss: Tensor = ((near + _APART * apart) * heavy).sum() / heavy.sum()
    return loss


def _packed(places: Mapping[int, int], rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Directions in :data:`PARTS` bytes each, and their lengths."""
    import faiss

    lengths = np.linalg.norm(rows, axis=1)
    directions = (rows / np.maximum(lengths, 1e-9)[:, None]).astype(np.float32)
    quantiser = faiss.ProductQuantizer(MEANING, PARTS, 8)
    quantiser.cp.seed = 7
    quantiser.cp.niter = 15
    quantiser.cp.max_points_per_centroid = 160
    quantiser.train(np.resize(directions, (max(len(directions), _LEAST_ROWS), MEANING)))
    return {
        "grams": np.fromiter(places, np.uint32, len(places)),
        "codes": quantiser.compute_codes(directions),
        "book": faiss.vector_to_array(quantiser.centroids).reshape(PARTS, 256, MEANING // PARTS),
        "lengths": lengths.astype(np.float16),
    }
