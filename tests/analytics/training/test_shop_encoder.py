"""A shop's encoder: which texts teach, what measures, and that tuning goes on from a model file and gives one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.encoders import load_encoder, semantic, table
from analytics.encoders.base import MEANING
from analytics.encoders.table import StaticEncoder
from analytics.encoders.transformer import Transformer
from analytics.evaluation.data import Labelled, Pairs
from analytics.evaluation.retrieval import find
from analytics.model_file import Card, Model, load_model, load_shipped, save_model
from analytics.training.encoder import (
    FEWEST_STEPS,
    MOST_STEPS,
    Apart,
    distilled,
    groups_of,
    hold_out,
    packaged_phrases,
    steps_for,
    texts_of,
    tuned,
    unseen_task,
)
from analytics.training.tuning import Plan
from streams.records import InvalidError

pytestmark = pytest.mark.slow  # torch takes seconds to import

GROUPS = {"price": ["多少钱", "怎么卖", "啥价"], "ship": ["包邮吗", "运费谁出"], "fade": ["掉色吗", "会不会褪色", "洗了染不染"]}


def labelled(rows: list[tuple[str, str]]) -> Labelled:
    return Labelled("groups.tsv", rows, list(range(1, len(rows) + 1)), "", 0, 0)


def test_groups_of_a_file_of_groups() -> None:
    rows = [("a", "x"), ("-", "哈哈"), ("a", "y"), ("a", "x"), ("b", "y"), ("b", "z"), ("c", "w"), ("c", "v")]
    groups, chatter = groups_of(labelled(rows))
    assert groups == {"a": ["x", "y"], "c": ["w", "v"]}, "y belongs to the group of its first line, and b has one text then"
    assert chatter == ["哈哈"]


def test_groups_of_pairs_are_their_components() -> None:
    rows = [("a", "b", True), ("c", "b", True), ("d", "e", True), ("a", "d", False), ("f", "f", True)]
    assert groups_of(Pairs("pairs.tsv", rows, "", 0, 0)) == ({"a": ["a", "b", "c"], "d": ["d", "e"]}, [])
    with pytest.raises(InvalidError, match=r"pairs\.tsv has 1 group of texts that ask the same, and two are needed"):
        groups_of(Pairs("pairs.tsv", rows[:2], "", 0, 0))


def test_a_tenth_of_the_groups_is_kept() -> None:
    many = {f"g{n}": [f"{n}a", f"{n}b"] for n in range(57)}
    apart = hold_out(many, np.random.default_rng(1))
    assert len(apart.unseen) == 5
    assert apart.seen | apart.unseen == many
    assert apart == hold_out(dict(reversed(many.items())), np.random.default_rng(1)), "whatever their order"
    assert hold_out(GROUPS, np.random.default_rng(1)) == Apart(dict(sorted(GROUPS.items())), {})


def test_what_measures_looks_through_everything() -> None:
    task = unseen_task(Apart({"seen": ["a", "b"], "also": ["c", "d"]}, {"kept": ["e", "f"]}))
    assert [task.texts[at] for at in task.queries] == ["e", "f"]
    assert set(task.texts) == set("abcdef")
    assert task.groups[0] == task.groups[1] != task.groups[2]


def test_steps_go_by_the_texts_within_bounds() -> None:
    plan = Plan()
    assert steps_for(GROUPS, plan) == FEWEST_STEPS
    assert steps_for({"g": ["x"] * 10**6}, plan) == MOST_STEPS
    assert FEWEST_STEPS < steps_for({"g": ["x"] * 5_000}, plan) < MOST_STEPS


def test_phrases_of_the_package() -> None:
    phrases = packaged_phrases()
    assert len(phrases) == len(set(phrases)) > 2_000
    assert "多少钱" in phrases


def test_tuning_goes_on_from_what_is_shipped_and_gives_a_model_file(tmp_path: Path) -> None:
    base = load_shipped("semantic.npz", semantic.KIND, semantic.VERSION)
    plan = Plan(steps=30, rate=5e-4, groups=3, warm=2, kept=4, blend=1.0)
    losses: list[float] = []
    arrays = tuned(base, GROUPS, ["哈哈哈"], plan, lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    path = tmp_path / "own.npz"
    save_model(path, Card(semantic.KIND, semantic.VERSION, "", "test", "test", settings=base.card.settings), arrays)
    own, before = load_encoder(str(path)), semantic.SemanticEncoder(base)
    texts = [text for texts in GROUPS.values() for text in texts]
    assert apart_by(own.encode(texts)) > apart_by(before.encode(texts)), "groups that it was tuned on lie further apart"
    task = unseen_task(Apart({}, GROUPS))
    assert find(task, own).ranks.max() == 1
    assert Transformer({k: v for k, v in arrays.items() if k not in ("pieces", "mean")}, heads=8).hidden == 512
    again = load_model(path, semantic.KIND, semantic.VERSION)
    tuned(again, GROUPS, [], plan._replace(steps=1), lambda step, loss: None)


def apart_by(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    """How much nearer texts of one group are than others, on average."""
    group = np.repeat(np.arange(len(GROUPS)), [len(texts) for texts in GROUPS.values()])
    alike, same = rows @ rows.T, group[:, None] == group[None, :]
    np.fill_diagonal(same, False)
    other = group[:, None] != group[None, :]
    return float(alike[same].mean() - alike[other].mean())


def test_a_table_says_what_its_teacher_says() -> None:
    teacher = load_encoder("semantic")
    told: list[tuple[int, int]] = []
    arrays = distilled(teacher, ["多少钱", "会不会褪色", "顺丰包邮吗"], 1, lambda done, of: told.append((done, of)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    own = StaticEncoder(Model(Card(table.KIND, table.VERSION, "", "test", "test"), arrays))
    texts = ["多少钱", "会不会褪色", "顺丰包邮吗", "质量怎么样"]
    alike = (own.encode(texts)[:, :MEANING] * teacher.encode(texts)[:, :MEANING]).sum(axis=1)
    assert (alike[:3] > 0.4).all()


def test_the_texts_of_a_table_are_not_those_that_measure() -> None:
    apart = Apart({"a": ["x", "y"]}, {"b": ["z"]})
    pairs = Pairs("pairs.tsv", [("x", "y", True), ("z", "w", False), ("x", "w", False)], "", 0, 0)
    assert texts_of(pairs, apart) == ["x", "y", "w"]
    assert texts_of(labelled([("a", "x"), ("b", "z"), ("-", "哈哈"), ("a", "x")]), apart) == ["x", "哈哈"]


def test_a_model_without_its_parts_is_refused() -> None:
    card = Card(semantic.KIND, semantic.VERSION, "", "test", "test")
    with pytest.raises(InvalidError, match="lacks 'pieces': begin with another"):
        tuned(Model(card, {}), GROUPS, [], Plan(steps=1), lambda step, loss: None)
