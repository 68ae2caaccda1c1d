"""Linear models at run time: grams, probabilities that no batch changes, and files that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.clues import CLUES, clues_of
from analytics.intent import INTENTS
from analytics.linear import CUT, IDF_UNIT, KINDS, LinearModel, load_linear, read_grams
from analytics.model_file import Card, Model, load_model, save_model
from streams.records import InvalidError
from tests.analytics.labelled import CORPORA, macro_f1, unseen

TEXTS = st.text(st.characters(exclude_categories=()), max_size=80)


def grams_by_hand(text: str, longest: int) -> set[str]:
    """The distinct grams of a text with a border at either end, without those that are borders alone."""
    whole = f"\n{text}\n"
    grams = {whole[at : at + n] for n in range(1, longest + 1) for at in range(len(whole) - n + 1)}
    return {gram for gram in grams if gram.strip("\n")}


@given(st.lists(st.text("多少钱啊ab1😂", max_size=12), max_size=8), st.integers(1, 4))
def test_grams_are_those_of_each_text_alone(texts: list[str], longest: int) -> None:
    grams = read_grams(texts, longest)
    assert grams.texts == len(texts)
    assert (np.diff(grams.owners) >= 0).all()
    for number, text in enumerate(texts):
        own = grams.codes[grams.owners == number]
        assert len(own) == len(set(own.tolist())) == len(grams_by_hand(text, longest))
        assert own.tolist() == read_grams([text], longest).codes.tolist()


def test_grams_with_the_same_characters_differ_by_order_and_border() -> None:
    codes = [frozenset(read_grams([text], 3).codes.tolist()) for text in ("钱多", "多钱", "多钱多")]
    assert len(set(codes)) == 3
    assert codes[0] & codes[1], "the characters are the same"


def test_a_long_text_costs_no_more_than_its_head() -> None:
    head, whole = read_grams(["多少钱" * 200]), read_grams([("多少钱" * 200)[:CUT]])
    assert head.codes.tolist() == whole.codes.tolist()


@given(st.lists(TEXTS, min_size=1, max_size=12), st.sampled_from(KINDS))
def test_alone_or_in_a_batch_to_the_bit(texts: list[str], kind: str) -> None:
    model, clues = load_linear(kind), clues_of(texts)
    together = model.judge(clues.folded, clues.rows)
    assert together.shape == (len(texts), len(model.labels))
    assert (together >= 0).all()
    assert np.allclose(together.sum(axis=1), 1)
    for place, text in enumerate(texts):
        alone = clues_of([text])
        assert model.judge(alone.folded, alone.rows).tobytes() == together[place].tobytes()


def test_more_than_is_read_at_once_and_nothing_at_all() -> None:
    model, clues = load_linear("intent"), clues_of([f"第{n}个多少钱" for n in range(600)])
    whole = model.judge(clues.folded, clues.rows)
    assert whole.tobytes() == model.judge(clues.folded, clues.rows, read_grams(clues.folded, model.longest)).tobytes()
    nothing = clues_of([])
    assert model.judge(nothing.folded, nothing.rows).shape == (0, len(INTENTS))


HOSTILE = ["", "\0", "\ud800", "\n", "a\nb", "\u202e假\u200d货", "😂" * 5_000, "\ufdfa" * 1_000, "哈" * 500_000, "é" * 3_000]


def test_hostile_text_has_a_meaning_too() -> None:
    clues = clues_of(HOSTILE)
    for kind in KINDS:
        assert np.isfinite(load_linear(kind).judge(clues.folded, clues.rows)).all()


def small_model(**changes: Any) -> Model:
    """A model of two grams (多, 钱) and two labels; ``changes`` replace an array, a setting or the labels."""
    codes = np.unique(np.concatenate([read_grams([text], 1).codes for text in ("多", "钱")]))
    arrays: dict[str, Any] = {
        "grams": codes, "idf": np.array([16, 32], np.uint8), "weights": np.array([[50, -50], [-20, 20]], np.int8),
        "clues": np.zeros((len(CLUES), 2), np.int16), "bias": np.zeros(2),
    }  # fmt: skip
    settings = {"temperature": 1.0, "longest": 1.0, "gram_scale": 0.1, "clue_scale": 0.1, "threshold": 0.6}
    labels = changes.pop("labels", ["a", "b"])
    settings |= {name: changes.pop(name) for name in list(changes) if name in settings}
    arrays |= changes
    return Model(
        Card("intent", 1, "", "livetide", "ours", labels, settings), {k: v for k, v in arrays.items() if v is not None}
    )


def test_a_written_model_says_the_same(tmp_path: Path) -> None:
    made = small_model()
    save_model(tmp_path / "m.npz", made.card, made.arrays)
    model = LinearModel(load_model(tmp_path / "m.npz", "intent", 1))
    clues = clues_of(["多", "钱", "多钱", "无"])
    assert model.threshold == 0.6
    assert model.judge(clues.folded, clues.rows).tobytes() == LinearModel(made).judge(clues.folded, clues.rows).tobytes()
    assert model.judge(clues.folded, clues.rows)[3].tolist() == [0.5, 0.5], "nothing known, nothing said"
    place = int(np.flatnonzero(made.arrays["grams"] == read_grams(["多"], 1).codes)[0])
    said = np.exp(made.arrays["weights"][place] * 0.1 * IDF_UNIT / made.arrays["idf"][place])
    assert np.allclose(model.judge(clues.folded, clues.rows)[0], said / said.sum(), atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": None},
        {"grams": np.array([5, 5], np.uint32)},
        {"grams": np.array([7, 5], np.uint32)},
        {"grams": np.array([5], np.uint32)},
        {"grams": np.array(5, np.uint32)},
        {"grams": np.array([5, 7], np.int64)},
        {"weights": np.zeros((2, 3), np.int8)},
        {"weights": np.zeros((2, 2), np.float64)},
        {"clues": np.zeros((3, 2), np.int16)},
        {"bias": np.zeros((2, 2))},
        {"bias": np.array(["x", "y"])},
        {"labels": ["a"]},
        {"labels": ["a", "a"]},
        {"temperature": 0.0},
        {"longest": 9.0},
        {"gram_scale": -1.0},
        {"threshold": 7.0},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="train it again"):
        LinearModel(small_model(**changes))


def test_a_model_of_another_kind_or_version_is_refused(tmp_path: Path) -> None:
    made = small_model()
    save_model(tmp_path / "m.npz", msgspec.structs.replace(made.card, version=2), made.arrays)
    with pytest.raises(InvalidError, match="version 2"):
        load_model(tmp_path / "m.npz", "intent", 1)
    with pytest.raises(InvalidError, match="kind 'intent'"):
        load_model(tmp_path / "m.npz", "sentiment", 1)


@pytest.mark.skipif(not CORPORA.exists(), reason="an installation has no corpora")
@pytest.mark.parametrize(
    ("kind", "file", "label", "floor"),
    [("sentiment", "sentiment.tsv", 0, 0.73), ("intent", "intents.tsv", 0, 0.60), ("emotion", "sentiment.tsv", 1, 0.50)],
)
def test_shipped_models_on_the_tenth_that_they_did_not_see(kind: str, file: str, label: int, floor: float) -> None:
    model = load_linear(kind)
    rows = [(row[label], row[-1]) for row in unseen(file)]
    clues = clues_of([text for _, text in rows])
    said = [model.labels[place] for place in model.judge(clues.folded, clues.rows).argmax(axis=1).tolist()]
    by_text = dict(zip((text for _, text in rows), said, strict=True))
    assert len(rows) > 200
    assert macro_f1(rows, by_text.__getitem__) >= floor


def test_shipped_models_are_small_and_say_where_they_come_from() -> None:
    assert load_linear("sentiment").labels == ("negative", "neutral", "positive")
    assert set(load_linear("intent").labels) == set(INTENTS)
    assert set(load_linear("emotion").labels) == {"anger", "disgust", "fear", "joy", "love", "none", "sadness", "surprise"}
    for kind in KINDS:
        card = load_linear(kind).card
        assert "corpora/" in card.licence
        assert len(card.data) == 64
        assert 0 < card.figures["cv_calibration_error"] < 0.12
