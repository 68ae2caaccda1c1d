"""Tuning and distilling, on networks so small that a second is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.encoders.base import MEANING, unit
from analytics.encoders.table import KIND, VERSION, StaticEncoder
from analytics.encoders.transformer import Transformer
from analytics.encoders.wordpiece import WordPieces
from analytics.model_file import Card, load_model, save_model
from analytics.training.holdout import is_unseen, split
from tests.analytics.test_transformer import HEADS, PIECES, weights

pytestmark = pytest.mark.slow  # torch takes seconds to import

GROUPS = {
    "price": ["多", "多少", "少钱", "多少钱"],
    "greet": ["hello", "hello!", "world", "hello world"],
    "five": ["5", "5g", "5!", "5 5"],
}


def nearness(arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> float:
    """How much nearer a text lies to its own group than to the others, in cosines."""
    texts = [(name, text) for name, members in GROUPS.items() for text in members]
    reader = WordPieces(PIECES)
    rows = Transformer(arrays, HEADS).encode([reader.read(text) for _, text in texts])
    alike = rows @ rows.T
    own = np.array([[one == other for other, _ in texts] for one, _ in texts])
    return float(alike[own].mean() - alike[~own].mean())


def test_the_network_is_the_one_that_runs() -> None:
    import torch

    from analytics.training.network import Network

    texts = [[2, 4, 5, 6, 3], [2, 3], [2, *[7] * 40, 3], *[[2, number % 10, 3] for number in range(40)]]
    held = weights()
    with torch.no_grad():
        rows = Network(held, HEADS).eval()(texts).numpy()
    np.testing.assert_allclose(rows, Transformer(held, HEADS).encode(texts), atol=2e-5)


def test_tuning_draws_groups_together_and_says_how_far_it_is() -> None:
    from analytics.training.tuning import Plan, tune

    plan = Plan(steps=40, rate=2e-3, groups=3, dropout=0.0, kept=0, blend=1.0, warm=1)
    told: list[tuple[int, float]] = []
    tuned = tune(weights(), WordPieces(PIECES), GROUPS, {}, [], plan, lambda step, loss: told.append((step, loss)), heads=HEADS)
    assert [step for step, _ in told] == list(range(40))
    assert told[-1][1] < told[0][1] / 2
    assert nearness(tuned) > nearness(weights()) + 0.3


def test_a_blend_of_nothing_changes_nothing() -> None:
    from analytics.training.tuning import Plan, tune

    plan = Plan(steps=2, groups=3, kept=2, blend=0.0)
    tuned = tune(
        weights(), WordPieces(PIECES), GROUPS, {"price": "ask", "five": "ask"}, ["hello", "钱"], plan, print, heads=HEADS
    )
    for name, value in weights().items():
        np.testing.assert_array_equal(tuned[name], value, err_msg=name)


def test_a_table_points_where_its_teacher_points(tmp_path: Path) -> None:
    from analytics.training.distil import Plan, distil

    rng = np.random.default_rng(1)
    topics = ["多少钱一斤", "发什么快递", "孕妇能不能用"]
    where = unit(rng.normal(size=(len(topics), MEANING)).astype(np.float32))
    texts = [topic[start : start + size] for topic in topics for size in (2, 3, 4, 5) for start in range(4)] * 8
    teacher = np.repeat(where, 16, axis=0)
    teacher = np.concatenate([teacher] * 8)
    told: list[int] = []
    arrays = distil(texts, teacher, np.ones(len(texts), np.float32), Plan(epochs=8), lambda done, of: told.append(of - done))
    assert told[-1] == 0
    card = Card(kind=KIND, version=VERSION, data="", code="test", licence="ours")
    save_model(tmp_path / "table.npz", card, arrays)
    encoder = StaticEncoder(load_model(tmp_path / "table.npz", KIND, VERSION))
    meant = unit(encoder.encode(["多少钱", "什么快递", "孕妇能用"])[:, :MEANING])
    assert (meant @ where.T).argmax(axis=1).tolist() == [0, 1, 2]
    assert np.diag(meant @ where.T).min() > 0.6


def test_a_tenth_is_kept_unseen() -> None:
    rows = [(f"family{number % 100}", f"text {number}") for number in range(3000)]
    parts = split(rows)
    counts = [sum(map(len, part.values())) for part in parts]
    assert sum(counts) == len(rows)
    assert not parts.seen.keys() & parts.families.keys()
    assert all(is_unseen(name) for name in parts.families)
    assert parts.wordings.keys() <= parts.seen.keys()
    assert 0.05 < len(parts.families) / 100 < 0.2
    assert 0.05 < counts[1] / counts[0] < 0.2
