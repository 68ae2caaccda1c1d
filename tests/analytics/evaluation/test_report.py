"""The page: whole, alone, safe whatever viewers type, and with everything on it that was found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.evaluation.classify import SENTIMENTS, evaluate_intent, evaluate_sentiment
from analytics.evaluation.data import Labelled
from analytics.evaluation.report import page
from tests.analytics.evaluation.test_classify import Oracle, labelled

CLOSED = {"rect", "line", "polyline"}
"""Drawn without anything inside."""


class Reader(HTMLParser):
    """Refuses tags that do not nest, and keeps the words, the tags and every address that would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in CLOSED
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def judged(rows: Labelled, said: Mapping[str, Sequence[float]]) -> str:
    found = evaluate_sentiment(rows, Oracle(SENTIMENTS, said), np.random.default_rng(0))
    return page(found, "livetide evaluate sentiment 'my data.tsv'", [("licence", "our own logs")])


ROWS = labelled(("positive", "<script>alert(1)</script>"), ("negative", "退钱 & 走人"), ("neutral", "a\u202eb\x1b[31mc"))
SAID = {
    "<script>alert(1)</script>": (0.8, 0.1, 0.1),
    "退钱 & 走人": (0.1, 0.2, 0.7),
    "a\u202eb\x1b[31mc": (0.5, 0.3, 0.2),
}


def test_viewers_words_stay_words() -> None:
    text = judged(ROWS, SAID)
    reader = read(text)
    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in reader.words
    assert "退钱 & 走人" in reader.words
    assert "a□b□[31mc" in reader.words, "what would turn the line around is shown as a box"


def test_the_page_stands_alone() -> None:
    text = judged(ROWS, SAID)
    reader = read(text)
    assert reader.loaded == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def test_everything_that_was_found_is_on_it() -> None:
    words = " ".join(read(judged(ROWS, SAID)).words)
    for wanted in (
        "Accuracy", "Macro-F1", "Confusion", "Classes", "Calibration", "Worst errors", "What was measured", "0.000",
        "an oracle", "lines.tsv", "0" * 64, "our own logs", "livetide evaluate sentiment 'my data.tsv'", "95%",
    ):  # fmt: skip
        assert wanted in words, wanted


def test_a_hundred_classes_are_a_page_that_can_be_read() -> None:
    labels = [f"class {n:03}" for n in range(118)]
    rows = labelled(*[(labels[n % 118], f"text {n}") for n in range(590)])
    said = {text: tuple(np.roll(np.eye(118)[n % 118], n % 3)) for n, (_, text) in enumerate(rows.rows)}
    found = evaluate_intent(rows, Oracle(labels, said), np.random.default_rng(0))
    text = page(found, "x")
    read(text)
    assert "The 24 labels with the most mistakes of 118." in text
    assert text.count("<tr>") < 400
    assert len(text) < 300_000


@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_any_words_make_a_page(text: str, name: str) -> None:
    if text == "另":
        return
    rows = labelled(("positive", text), ("negative", "另"))._replace(path=name)
    reader = read(judged(rows, {text: (0.9, 0.0, 0.1), "另": (0.0, 0.1, 0.9)}))
    assert reader.tags <= {
        "html", "head", "meta", "title", "style", "body", "header", "main", "section", "div", "h1", "h2", "p", "ul", "li",
        "table", "thead", "tbody", "tr", "th", "td", "span", "bdi", "svg", "rect", "line", "text", "circle", "polyline",
    }  # fmt: skip


def test_a_figure_beyond_its_line_is_still_a_drawing() -> None:
    from analytics.evaluation.drawings import span
    from analytics.evaluation.metrics import Figure

    drawn = span(Figure(-0.2, -0.5, 1.5))
    assert all(0 <= float(value) <= 100 for value in re.findall(r'(?:x|width)="([\d.-]+)"', drawn))
