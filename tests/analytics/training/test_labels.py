"""Lines on their way into a linear model: once each, none that contradicts itself, a tenth of each label apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.clues import clues_of
from analytics.evaluation.data import Labelled
from analytics.linear import LinearModel
from analytics.model_file import Model
from analytics.training.labels import FEWEST_TO_MEASURE, refit, split_lines
from analytics.training.linear import train_linear

WHO = ("这件", "那个", "主播", "红的", "大号", "老款", "链接里的")
WHEN = ("今天", "明天", "买了", "新疆", "拍下", "周末", "预售")
ASKED = [f"{who}{what}" for who in WHO for what in ("多少钱", "啥价", "怎么卖", "贵吗")]
SENT = [f"{when}{what}" for when in WHEN for what in ("发货吗", "几天到", "什么快递", "包邮不")]
ROWS = [*(("price", text) for text in ASKED), *(("ship", text) for text in SENT)]


def labelled(rows: list[tuple[str, str]]) -> Labelled:
    conflicts = sum(len({a for a, b in rows if b == text}) > 1 for text in {text for _, text in rows})
    return Labelled("lines.tsv", rows, list(range(1, len(rows) + 1)), "", len(rows) - len(set(rows)), conflicts)


def test_a_line_teaches_once_and_a_contradiction_not_at_all() -> None:
    rows = [("a", "x"), ("b", "y"), ("a", "x"), ("b", "x2"), ("a", "x2"), ("b", "z")]
    lines = split_lines(labelled(rows), np.random.default_rng(0))
    assert [(line.label, line.text, line.number) for line in lines.seen] == [("a", "x", 1), ("b", "y", 2), ("b", "z", 6)]
    assert lines.unseen == [], "too few to measure on"
    assert lines.notes == [
        "repeats of earlier lines, which were taken once: 1",
        "texts under more than one label, which were left out: 1",
    ]


@given(st.lists(st.integers(5, 150), min_size=2, max_size=5), st.integers(0, 9))
def test_a_tenth_of_each_label_is_apart(sizes: list[int], seed: int) -> None:
    rows = [(f"label {at}", f"{at}.{n}") for at, size in enumerate(sizes) for n in range(size)]
    lines = split_lines(labelled(rows), np.random.default_rng(seed))
    assert sorted(lines.rows) == sorted(rows)
    assert lines == split_lines(labelled(rows), np.random.default_rng(seed))
    tenths = [size // 10 for size in sizes]
    if sum(tenths) < FEWEST_TO_MEASURE:
        assert lines.unseen == []
    else:
        assert [sum(line.label == f"label {at}" for line in lines.unseen) for at in range(len(sizes))] == tenths


def test_the_last_fit_keeps_the_choices_and_knows_the_new_lines() -> None:
    card, arrays = train_linear("intent", ROWS[:-4], seed=1, progress=lambda what, done, of: None)
    again, same = refit(card, ROWS[:-4])
    assert again == card, "on the same rows it is the same model"
    assert all((same[name] == arrays[name]).all() for name in arrays)
    more, grown = refit(card, [*ROWS, ("ship", "顺丰还是圆通")])
    for name in ("temperature", "threshold", "longest", "inverse_penalty", "lift"):
        assert more.settings[name] == card.settings[name]
    assert len(grown["grams"]) > len(arrays["grams"])
    clues = clues_of(["顺丰还是圆通", "多少钱"])
    model = LinearModel(Model(more, grown))
    assert [model.labels[at] for at in model.judge(clues.folded, clues.rows).argmax(axis=1)] == ["ship", "price"]


def test_labels_stay_in_their_order() -> None:
    rows = [("positive", text) for text in ASKED] + [("negative", text) for text in SENT]
    card, _ = train_linear("sentiment", rows, seed=1, progress=lambda what, done, of: None)
    again, arrays = refit(card, rows[::-1])
    assert again.labels == ["negative", "positive"]
    clues = clues_of(["这件多少钱"])
    assert LinearModel(Model(again, arrays)).judge(clues.folded, clues.rows)[0, 1] == pytest.approx(1, abs=0.5)
