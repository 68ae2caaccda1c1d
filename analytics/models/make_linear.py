"""Make sentiment.npz, intent.npz and emotion.npz again out of the project's own text in ``corpora/``.

Needs scikit-learn (extra ``models``) and the repository, about ten minutes of one core::

    python -m analytics.models.make_linear [sentiment|intent|emotion]

The tenth that :mod:`analytics.training.holdout` keeps unseen is not learnt from; the figures on it go into the card.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from analytics.clues import clues_of
from analytics.evaluation.metrics import macro_f1_of
from analytics.intent import ASKING
from analytics.linear import LinearModel
from analytics.model_file import Model, save_model
from analytics.training.holdout import is_unseen
from analytics.training.linear import Aside, train_linear

HERE = Path(__file__).parent
CORPORA = HERE.parents[1] / "corpora"
SEED = 7
LICENCE = "Apache-2.0; trained on text of the project's own (corpora/)"
_FEELING_OF = {"complain": "negative", "praise": "positive"}  # of an intent; the others say nothing either way
_FELT_OTHERWISE = frozenset({"greet", "chat"})  # intents with feelings of all kinds
_INTENT_OF = {"negative": "complain", "positive": "praise"}
_ASKED = (
    "主播{}",
    "{}？",
    "主播{}？",
    "{}啊",
    "姐姐{}",
    "{}呀？",
    "宝{}",
    "{}??",
    "主播{}呀",
    "请问{}",
    "家人们{}？",
    "主播主播{}",
)
_TOLD = ("主播{}", "{}！", "{}啊", "姐妹们{}", "{}呀", "{}!!", "家人们{}", "{}。")

Row = tuple[str, str]


class Text(NamedTuple):
    """What a model learns from: rows that it is measured by, rows beside them, and rows that it never sees."""

    rows: list[Row]
    beside: list[Aside]
    unseen: list[Row]


def read(name: str) -> list[list[str]]:
    """The columns of a file of ``corpora/``."""
    return [line.split("\t") for line in (CORPORA / name).read_text(encoding="utf-8").splitlines()]


def _parted(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    return [row for row in rows if not is_unseen(row[1])], [row for row in rows if is_unseen(row[1])]


def _families() -> list[Row]:
    """Intent and wording, of the families and wordings that training may see."""
    return [(intent, text) for family, intent, text in read("families.tsv") if not is_unseen(family) and not is_unseen(text)]


def dressed(label: str, text: str) -> str:
    """The same, as others would type it: to whom it is said, and with what mark. Which way hangs on the text alone."""
    ways = _ASKED if label.startswith(ASKING) else _TOLD
    return ways[crc32(text.encode()) % len(ways)].format(text)


def _felt(label: str) -> str:
    return _FEELING_OF.get(label, "neutral")


def sentiment() -> Text:
    """Lines with a feeling; beside them, that most of what shops are asked says nothing either way."""
    rows, unseen = _parted([(label, text) for label, _, text in read("chat/sentiment.tsv")])
    lines, _ = _parted([(label, text) for label, text in read("chat/intents.tsv")])
    asides = [Aside(label, text, 0.3) for label, text in lines] + [Aside(label, text, 0.1) for label, text in _families()]
    asides += [aside._replace(text=dressed(aside.label, aside.text)) for aside in asides]
    beside = [aside._replace(label=_felt(aside.label)) for aside in asides if aside.label not in _FELT_OTHERWISE]
    return Text(rows, beside, unseen)


def intent() -> Text:
    """Lines with an intent; beside them the wordings of the families, and the lines with a feeling."""
    rows, unseen = _parted([(label, text) for label, text in read("chat/intents.tsv")])
    felt, _ = _parted([(label, text) for label, _, text in read("chat/sentiment.tsv")])
    beside = [Aside(label, text, 0.3) for label, text in _families()]
    beside += [Aside(_INTENT_OF[label], text, 0.2) for label, text in felt if label in _INTENT_OF]
    plain = [*(Aside(label, text, 0.4, number) for number, (label, text) in enumerate(rows)), *beside]
    return Text(rows, [*beside, *(aside._replace(text=dressed(aside.label, aside.text)) for aside in plain)], unseen)


def emotion() -> Text:
    """Lines with one of six emotions, or with none."""
    rows, unseen = _parted([(emotion, text) for _, emotion, text in read("chat/sentiment.tsv")])
    return Text(rows, [], unseen)


TEXTS = {"sentiment": sentiment, "intent": intent, "emotion": emotion}


def held_out_f1(model: LinearModel, rows: Sequence[Row]) -> float:
    """Macro-F1 of the likeliest class on ``(label, text)`` rows."""
    clues = clues_of([text for _, text in rows])
    truth = np.array([model.labels.index(label) for label, _ in rows])
    return macro_f1_of(truth, model.judge(clues.folded, clues.rows).argmax(axis=1), len(model.labels))


def main() -> None:
    for kind in sys.argv[1:] or TEXTS:
        text = TEXTS[kind]()

        def progress(what: str, done: int, of: int, kind: str = kind) -> None:
            print(f"\r{kind}: {what} {done}/{of}   ", end="", flush=True, file=sys.stderr)

        card, arrays = train_linear(kind, text.rows, seed=SEED, progress=progress, beside=text.beside, licence=LICENCE)
        figure = round(held_out_f1(LinearModel(Model(card, arrays)), text.unseen), 4)
        figures = card.figures | {"held_out_macro_f1": figure, "held_out_lines": len(text.unseen)}
        save_model(HERE / f"{kind}.npz", msgspec.structs.replace(card, figures=figures), arrays)
        print(f"\n{kind}: {figures}", file=sys.stderr)


if __name__ == "__main__":
    main()
