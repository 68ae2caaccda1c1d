"""Training of linear models: what is learnt from a few lines and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.clues import clues_of
from analytics.linear import LinearModel, load_linear
from analytics.model_file import Model, load_model, save_model
from analytics.training.figures import temperature_of, threshold_of
from analytics.training.linear import FEWEST, Aside, Progress, Row, train_linear
from streams.records import InvalidError

QUIET: Progress = lambda what, done, of: None
FRUIT = [f"{size}{fruit}{what}" for size in "大小青红" for fruit in ("苹果", "梨", "桃") for what in ("几斤", "一箱", "甜的")]
CLOTH = [f"{size}{cloth}{what}" for size in "长短黑白" for cloth in ("裙子", "裤", "衬衫") for what in ("几码", "面料", "配啥")]
ROWS = [*(("fruit", text) for text in FRUIT), *(("cloth", text) for text in CLOTH)]


def labels_of(model: LinearModel, texts: list[str]) -> list[str]:
    clues = clues_of(texts)
    return [model.labels[place] for place in model.judge(clues.folded, clues.rows).argmax(axis=1).tolist()]


def test_learns_labels_of_any_name_from_a_few_lines(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    card, arrays = train_linear("intent", ROWS, seed=3, progress=lambda *step: steps.append(step))
    assert steps[-1] == ("fit", 1, 1)
    assert all(0 <= done <= of for _, done, of in steps)
    assert card.labels == ["cloth", "fruit"]
    assert card.figures["cv_macro_f1"] == 1.0
    save_model(tmp_path / "own.npz", card, arrays)
    model = LinearModel(load_model(tmp_path / "own.npz", "intent", 1))
    assert labels_of(model, ["黄桃", "花衬衫", "紫苹果一箱多少"]) == ["fruit", "cloth", "fruit"]


def test_the_same_rows_and_seed_give_the_same_model() -> None:
    (card, arrays), (again, others) = (train_linear("intent", ROWS, seed=5, progress=QUIET) for _ in range(2))
    assert card == again
    assert all(arrays[name].tobytes() == others[name].tobytes() for name in arrays)


def test_three_classes_and_lines_beside() -> None:
    rows = [
        *ROWS,
        *(("other", f"{where}天气{how}") for where in ("上海", "成都", "哈尔滨", "广州") for how in ("好", "热", "凉")),
    ]
    beside = [Aside("other", f"听{what}呢", 0.5) for what in ("歌", "课", "雨", "书", "戏")] + [
        Aside("fruit", "主播大苹果几斤", 0.5, of=0)
    ]
    card, arrays = train_linear("intent", rows, seed=1, progress=QUIET, beside=beside)
    model = LinearModel(Model(card, arrays))
    assert card.figures["lines"] == len(rows)
    assert labels_of(model, ["听曲呢", "白裤几码", "红桃一箱"]) == ["other", "cloth", "fruit"]


def test_another_form_of_a_line_is_not_learnt_from_where_the_line_is_measured() -> None:
    """Lines of no pattern: who knows their other forms is always right about them, who does not is right half the time."""
    rng = np.random.default_rng(0)
    texts = ["".join(chr(0x4E00 + int(code)) for code in rng.integers(0, 20_000, 6)) for _ in range(60)]
    rows: list[Row] = [("ab"[number % 2], text) for number, text in enumerate(texts)]
    forms = [Aside(label, text, 1.0, of=number) for number, (label, text) in enumerate(rows)]
    honest, _ = train_linear("intent", rows, seed=1, progress=QUIET, beside=forms)
    cheated, _ = train_linear("intent", rows, seed=1, progress=QUIET, beside=[form._replace(of=-1) for form in forms])
    assert cheated.figures["cv_accuracy"] > 0.95
    assert honest.figures["cv_accuracy"] < 0.8


def test_sentiments_stand_in_their_order_though_two_suffice() -> None:
    rows = [("positive", f"{what}真好") for what in FRUIT] + [("negative", f"{what}坏了") for what in FRUIT]
    card, arrays = train_linear("sentiment", rows, seed=1, progress=QUIET)
    assert card.labels == ["negative", "positive"]
    assert "threshold" not in card.settings
    assert labels_of(LinearModel(Model(card, arrays)), ["裤子真好", "裤子坏了"]) == ["positive", "negative"]


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("mood", ROWS, "no kind of linear model"),
        ("intent", [], "at least two labels"),
        ("intent", ROWS[: len(FRUIT)], "only 'fruit'"),
        ("intent", [*ROWS, *[("rare", "稀")] * (FEWEST - 1)], "'rare' has 4"),
        ("sentiment", ROWS, "is no sentiment"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(kind: str, rows: list[Row], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        train_linear(kind, rows, seed=1, progress=QUIET)


def test_hostile_lines_train_like_others() -> None:
    rows = [*ROWS, ("fruit", ""), ("cloth", "\0"), ("fruit", "\ud800"), ("cloth", "哈" * 100_000), ("fruit", "a\tb\nc")]
    card, arrays = train_linear("intent", rows, seed=1, progress=QUIET)
    assert labels_of(LinearModel(Model(card, arrays)), ["苹果几斤"]) == ["fruit"]


def test_figures_by_hand() -> None:
    shares = np.array([[0.99, 0.01]] * 3 + [[0.01, 0.99]])
    assert temperature_of(shares, np.zeros(4, int)) > 2, "too sure by far"
    sure, right = np.linspace(0.9, 0.1, 100), np.arange(100) < 50
    threshold = threshold_of(sure, right, 0.8)
    assert right[sure >= threshold].mean() >= 0.8
    assert threshold_of(sure, np.zeros(100, bool), 0.8) == 1.0


def test_the_shipped_cards_tell_how_they_were_trained() -> None:
    for kind in ("sentiment", "intent", "emotion"):
        assert {"held_out_macro_f1", "held_out_lines", "cv_macro_f1"} <= load_linear(kind).card.figures.keys()
