"""Labelled lines judged by a classifier: figures, the labels of the file, what the model does not know, the worst errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from analytics.comprehension import understand
from analytics.evaluation.classify import (
    SENTIMENTS,
    Classifier,
    LinearClassifier,
    evaluate_intent,
    evaluate_sentiment,
)
from analytics.evaluation.data import Labelled
from analytics.evaluation.metrics import Numbers
from analytics.intent import UNKNOWN
from analytics.linear import load_linear
from streams.records import InvalidError


def labelled(*rows: tuple[str, str]) -> Labelled:
    return Labelled("lines.tsv", list(rows), list(range(1, len(rows) + 1)), "0" * 64, 0, 0)


class Oracle:
    """Says what it was told to, and counts what it is asked."""

    name = "an oracle"

    def __init__(self, labels: Sequence[str], said: Mapping[str, Sequence[float]], threshold: float = 0.0) -> None:
        self.labels, self._said, self.asked = labels, said, list[str]()
        self.threshold = threshold

    def predict(self, texts: Sequence[str]) -> Numbers:
        self.asked += texts
        return np.array([self._said[text] for text in texts])


RNG = np.random.default_rng(0)
SAID = {"好": (0.1, 0.2, 0.7), "差": (0.3, 0.6, 0.1), "吗": (0.9, 0.05, 0.05), "哦": (0.2, 0.5, 0.3)}


def test_sentiment_by_hand() -> None:
    oracle = Oracle(SENTIMENTS, SAID)
    found = evaluate_sentiment(
        labelled(("positive", "好"), ("negative", "差"), ("neutral", "吗"), ("neutral", "哦"), ("positive", "好")), oracle, RNG
    )
    told = found.as_json()
    assert (told["n"], told["accuracy"]) == (5, 0.6)
    assert told["macro_f1"] == pytest.approx((1 + 0 + 2 * 1 / (2 + 2)) / 3, abs=1e-6)
    assert told["accuracy_interval"][0] < 0.6 < told["accuracy_interval"][1]
    assert sorted(oracle.asked) == sorted(set(oracle.asked)), "a text that comes again is not judged again"
    assert found.examples[0].rows == [("吗", "neutral", "negative", "0.90", "3"), ("差", "negative", "neutral", "0.60", "2")]


def test_a_file_with_two_feelings_is_judged_between_them() -> None:
    found = evaluate_sentiment(labelled(("positive", "好"), ("negative", "差")), Oracle(SENTIMENTS, SAID), RNG)
    assert found.as_json()["accuracy"] == 1.0, "差 is rather negative than positive"
    assert found.notes[0] == "the file has the labels negative and positive alone, so one of these is given to each line"
    assert found.labels is not None
    assert found.labels.labels == ["negative", "positive"]
    assert found.labels.curve[-1].p == pytest.approx(0.7 / 0.8)


def test_another_label_is_no_feeling() -> None:
    with pytest.raises(InvalidError, match=r"lines\.tsv, line 2: the label 'Positive' is no feeling: negative, "):
        evaluate_sentiment(labelled(("positive", "好"), ("Positive", "差")), Oracle(SENTIMENTS, SAID), RNG)


def test_labels_that_the_model_does_not_know_are_wrong_and_told() -> None:
    model = Oracle(("a", "b"), {"x": (0.8, 0.2), "y": (0.3, 0.7)})
    found = evaluate_intent(labelled(("a", "x"), ("b", "y"), ("c", "y"), ("c", "x")), model, RNG)
    assert found.as_json()["accuracy"] == 0.5
    assert found.notes == ["the model does not know c; lines that count as wrong for it: 2"]
    with pytest.raises(InvalidError, match=r"an oracle knows none of its labels \(c, d, …\): give a file with its l"):
        evaluate_intent(labelled(("c", "x"), ("d", "y")), model, RNG)


def test_what_the_product_would_not_name() -> None:
    model = Oracle(("a", "b"), {"x": (0.8, 0.2), "y": (0.45, 0.55), "z": (0.3, 0.7)}, threshold=0.6)
    found = evaluate_intent(labelled(("a", "x"), ("b", "y"), ("a", "z")), model, RNG)
    assert found.as_json()["accuracy"] == pytest.approx(2 / 3, abs=1e-6), "the likeliest wish, however unsure"
    assert found.notes == ["the product says unknown to 33.3% of the lines (below 0.60); of the others 50.0% are right"]
    assert found.labels is not None
    assert found.labels.labels == ["a", "b"]
    asked = evaluate_intent(labelled(("a", "x"), ("unknown", "y"), ("b", "z")), model, RNG)
    assert asked.as_json()["accuracy"] == 1.0, "a file that has the label asks for it"


def test_the_gold_classes_make_the_mean() -> None:
    model = Oracle(("a", "b", "other"), {"x": (0.8, 0.1, 0.1), "y": (0.1, 0.1, 0.8)})
    found = evaluate_intent(labelled(("a", "x"), ("b", "y")), model, RNG)
    assert found.as_json()["macro_f1"] == 0.5, "nothing is of the class that only the model has"
    assert set(found.as_json()["classes"]) == {"a", "b"}


SHIPPED = [LinearClassifier(load_linear(task), task) for task in ("sentiment", "intent")]


@pytest.mark.parametrize("classifier", SHIPPED, ids=lambda one: one.name)
def test_what_is_shipped_keeps_the_bargain(classifier: Classifier) -> None:
    texts = ["多少钱", "太难吃了退钱", "好看", "", "哈哈哈", "\ud800", "x" * 5_000]
    p = classifier.predict(texts)
    assert p.shape == (len(texts), len(classifier.labels))
    assert p.sum(axis=1) == pytest.approx(1)
    assert (p >= 0).all()
    assert (classifier.predict(texts) == p).all()
    assert (classifier.predict(["好看"])[0] == p[2]).all()


def test_what_is_shipped_is_what_the_product_says() -> None:
    texts = ["多少钱", "太难吃了退钱", "好看", "发什么快递", "666", "", "嗯嗯那个啥"]
    sentiment, intent = SHIPPED
    meanings = [understand(text) for text in texts]
    felt = [sentiment.labels[at] for at in sentiment.predict(texts).argmax(axis=1)]
    assert felt == [meaning.sentiment for meaning in meanings]
    p = intent.predict(texts)
    wished = [intent.labels[at] if p[row, at] >= intent.threshold else UNKNOWN for row, at in enumerate(p.argmax(axis=1))]
    assert wished == [meaning.intent for meaning in meanings]
    assert UNKNOWN in wished
