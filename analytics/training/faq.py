"""Fits the score of FAQ entries, and says how often a question is answered right.

    python -m analytics.training.faq [--encoder static] [--out analytics/models] [--report]

Each draw makes a shop of some of the families: some wordings of each are the entry, and others ask; two in five families have
no entry, so that their questions have no answer. In half of the draws a family whose name begins with a kind of goods
(``phone_``) is about that product, in the others families are dealt to products by lot, as sheets hold all kinds of questions;
four in five questions about a product come while it is on show. Fitted on wordings that are seen
(:mod:`analytics.training.holdout`), calibrated and measured on unseen ones, in two halves that calibrate each other.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.comprehension import understand
from analytics.encoders import Encoder, Rows, load_encoder
from analytics.encoders.base import unit
from analytics.faq_score import AGAINST, FACTS, KIND, VERSION, Numbers, Side, facts, grams
from analytics.fold import fold
from analytics.model_file import Card, save_model
from analytics.sheet import load_topics
from analytics.training.holdout import Families, split

GENERAL = frozenset((
    "appliance", "auth", "bigsale", "bogo", "bundle", "buy", "bye", "c", "cancel", "change", "cod", "combine", "coupon",
    "cs", "demo", "deposit", "end", "fan", "gift", "gifts", "greet", "haggle", "home", "host", "how", "ignored",
    "instalments", "invoice", "limit", "link", "lottery", "lucky", "member", "new", "next", "order", "pay", "platform",
    "praise", "presale", "price", "prize", "put", "remark", "repeat", "replay", "reserve", "restock", "ret", "ship", "show",
    "signal", "stock", "stream", "trade", "try", "unpaid", "what", "which", "wholesale", "will",
))  # fmt: skip
"""What the families of the room and the shop begin with; the others are about a product."""
SPARE = 0.4  # of the families of a shop have no entry
SHEET = 10  # families are about one product, where they are dealt by lot
SHOWN = 0.8  # of the questions about a product come while it is on show
SIZES, WORDINGS = (10, 30, 100, 300), (1, 5, 15)
QUESTIONS = 300  # families that ask, of each size: of small shops there are more draws
CANDIDATES = 16
WISHED = {"given": 0.95, "proposed": 0.7}
_SHRINK = 1.0  # of the weights, as in ridge regression
_ROUNDS = 30
Texts = Mapping[str, Sequence[str]]


class Asked(NamedTuple):
    """One question and its candidates: the facts about each, which of them is right (-1: none), and whether any entry is."""

    about: Numbers
    right: int
    known: bool


class Known:
    """Texts, encoded and taken apart once."""

    def __init__(self, texts: Sequence[str], encoder: Encoder) -> None:
        self._place = {text: place for place, text in enumerate(texts)}
        parts = [encoder.encode(texts[start : start + 512]) for start in range(0, len(texts), 512)]
        self._rows = np.concatenate(parts) if parts else np.zeros((0, 768), np.float32)
        self._sides: dict[str, Side] = {}

    def rows(self, texts: Sequence[str]) -> Rows:
        rows: Rows = self._rows[[self._place[text] for text in texts]]
        return rows

    def side(self, text: str) -> Side:
        if text not in self._sides:
            folded = fold(text)
            self._sides[text] = Side((grams(folded),), understand(text).intent, load_topics().find(folded))
        return self._sides[text]


def product_of(family: str) -> str:
    kind = family.partition("_")[0]
    return "" if kind in GENERAL else kind


def shop(entries: Texts, asking: Texts, about: Mapping[str, str], known: Known, rng: random.Random) -> list[Asked]:
    """The questions of ``asking`` to a shop whose entries are the wordings of ``entries``, by family.

    ``about``: the product of each family.
    """
    names = list(entries)
    middles = unit(np.stack([known.rows(entries[name]).astype(np.float64).sum(axis=0) for name in names]))
    sides = [_joined([known.side(text) for text in entries[name]]) for name in names]
    products = sorted({about[name] for name in names} - {""})
    asked = []
    for family, texts in asking.items():
        if not texts:
            continue
        for text, row in zip(texts, known.rows(texts), strict=True):
            own = about[family]
            shown = own if own and rng.random() < SHOWN else rng.choice(products) if products else ""
            alike = middles @ row
            near = np.argsort(-alike, kind="stable")[:CANDIDATES].tolist()
            of = [0 if not about[names[place]] else 1 if about[names[place]] == shown else -1 for place in near]
            said = facts(known.side(text), [sides[place] for place in near], alike[near].tolist(), of, len(names))
            right = [names[place] for place in near].index(family) if family in {names[place] for place in near} else -1
            asked.append(Asked(said, right, family in entries))
    return asked


def _joined(sides: Sequence[Side]) -> Side:
    topics = {topic: length for side in sides for topic, length in side.topics.items()}
    return Side(tuple(side.grams[0] for side in sides), sides[0].intent, topics)


def draw(
    families: Texts, asking: Texts, known: Known, rng: random.Random, size: int, entries: int = 1, *, dealt: bool = False
) -> list[Asked]:
    """A shop of at most ``size`` families with ``entries`` wordings in each entry; wordings that are entries do not ask.

    ``dealt``: which family is about which product goes by lot.
    """
    names = rng.sample(sorted(families), min(size, len(families)))
    held = {name: rng.sample(list(families[name]), min(entries, len(families[name]))) for name in names}
    about = {name: product_of(name) for name in names}
    if dealt:
        products = max(1, len(names) // SHEET)
        about = {name: rng.choice(("", f"product {rng.randrange(products)}")) for name in names}
    spare = set(rng.sample(names, round(SPARE * len(names))))
    questions = {name: [text for text in asking.get(name, ()) if text not in held[name]] for name in names}
    return shop({name: texts for name, texts in held.items() if name not in spare}, questions, about, known, rng)


def fitted(asked: Sequence[Asked]) -> Numbers:
    """The weights, the first of them the constant: ridge logistic regression by iteratively reweighted least squares.

    What speaks for an entry never counts against it: a fact whose weight comes out with the wrong sign is left out and the
    rest fitted again. The families would have it otherwise, as their wordings were chosen to share no words.
    """
    about = np.concatenate([one.about for one in asked])
    right = np.concatenate([np.arange(len(one.about)) == one.right for one in asked]).astype(np.float64)
    rows = np.column_stack([np.ones(len(about)), about])
    signs = np.array([0.0, *(-1.0 if fact in AGAINST else 1.0 for fact in FACTS)])
    kept = np.arange(rows.shape[1])
    while True:
        weights = np.zeros(rows.shape[1])
        weights[kept] = _solved(rows[:, kept], right)
        wrong = kept[signs[kept] * weights[kept] < 0.0]
        if not len(wrong):
            return weights
        kept = np.setdiff1d(kept, wrong[[np.argmax(np.abs(weights[wrong]))]])


def _solved(rows: Numbers, right: Numbers) -> Numbers:
    weights, shrink = np.zeros(rows.shape[1]), np.diag([0.0] + [_SHRINK] * (rows.shape[1] - 1))
    for _ in range(_ROUNDS):
        p = 1.0 / (1.0 + np.exp(-rows @ weights))
        slope = rows.T @ (right - p) - shrink @ weights
        curve = (rows * (p * (1.0 - p))[:, None]).T @ rows + shrink
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def judged(asked: Sequence[Asked], weights: Numbers) -> npt.NDArray[np.float64]:
    """(n, 2): the probability of the best candidate of each question, and whether it is right."""
    rows = []
    for one in asked:
        p = 1.0 / (1.0 + np.exp(-(one.about @ weights[1:] + weights[0])))
        best = int(p.argmax())
        rows.append((round(float(p[best]), 3), float(best == one.right)))
    return np.array(rows)


def threshold(found: npt.NDArray[np.float64], wished: float) -> float:
    """The lowest probability from which on that share of the best candidates is right."""
    order = found[np.argsort(-found[:, 0], kind="stable")]
    shares = np.cumsum(order[:, 1]) / np.arange(1, len(order) + 1)
    last = np.append(order[1:, 0] != order[:-1, 0], True)  # equals stand or fall together
    good = np.flatnonzero((shares >= wished) & last)
    return float(order[good[-1], 0]) if len(good) else 1.0


def answered(found: npt.NDArray[np.float64], asked: Sequence[Asked], wished: float) -> dict[str, float]:
    """Two halves calibrate each other: the share of the questions with an entry that are answered right, and the precision."""
    half = np.arange(len(found)) % 2 == 0
    given = right = 0.0
    for own, other in ((half, ~half), (~half, half)):
        above = found[own][found[own][:, 0] >= threshold(found[other], wished)]
        given, right = given + len(above), right + above[:, 1].sum()
    could = sum(one.known for one in asked) or 1
    return {
        "answered": round(float(right) / could, 4),
        "precision": round(float(right) / given, 4) if given else 1.0,
        "questions": len(found),
    }


class Fitted(NamedTuple):
    """Weights, thresholds, and what they reach."""

    weights: Numbers
    settings: dict[str, float]
    figures: dict[str, float]


def fit(families: Families, encoder: Encoder, say: Callable[[str], None], seed: int = 7) -> Fitted:
    """Fit, calibrate and measure for one encoder."""
    rng = random.Random(seed)  # noqa: S311 - draws of a fit, not secrets
    texts = sorted({text for part in families for wordings in part.values() for text in wordings})
    say(f"{len(texts):,} wordings into {encoder.name}")
    known = Known(texts, encoder)

    def draws(own: Texts, asking: Texts, size: int, wordings: int) -> list[Asked]:
        times = max(2, QUESTIONS // size)
        return [one for turn in range(times) for one in draw(own, asking, known, rng, size, wordings, dealt=turn % 2 == 1)]

    few = {name: rng.sample(list(own), min(4, len(own))) for name, own in families.seen.items()}
    asked = [one for size in SIZES for wordings in WORDINGS for one in draws(families.seen, few, size, wordings)]
    say(f"{len(asked):,} questions to fit on")
    weights = fitted(asked)
    tried = {
        (size, wordings): draws(families.seen, families.wordings, size, wordings) for size in SIZES for wordings in WORDINGS
    }
    every = judged([one for size, wordings in tried if size < SIZES[-1] for one in tried[size, wordings]], weights)
    settings = {what: threshold(every, wished) for what, wished in WISHED.items()}
    figures: dict[str, float] = {}
    for name, own in [
        *((f"{size}_entries_of_{wordings}", one) for (size, wordings), one in tried.items()),
        *(
            (f"unseen_families_of_{wordings}", draws(families.families, families.families, 30, wordings))
            for wordings in WORDINGS
        ),
    ]:
        rng.shuffle(own)
        found = judged(own, weights)
        told = answered(found, own, WISHED["given"]) | _at(found, own, settings["given"])
        figures |= {f"{name}_{what}": value for what, value in told.items()}
        say(f"{name}: " + ", ".join(f"{what} {value:g}" for what, value in told.items()))
    return Fitted(weights, settings, figures)


def _at(found: npt.NDArray[np.float64], asked: Sequence[Asked], least: float) -> dict[str, float]:
    """What the one threshold for all gives, and how often the best candidate is the right one."""
    above = found[found[:, 0] >= least]
    could = sum(one.known for one in asked) or 1
    return {
        "first": round(float(found[:, 1].sum()) / could, 4),
        "given": round(float(above[:, 1].sum()) / could, 4),
        "given_precision": round(float(above[:, 1].mean()), 4) if len(above) else 1.0,
    }


def read(path: Path) -> Families:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return split((family, text) for family, _, text in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="static")
    parser.add_argument("--families", type=Path, default=Path("corpora/families.tsv"))
    parser.add_argument("--out", type=Path, default=Path("analytics/models"))
    given = parser.parse_args()
    encoder = load_encoder(given.encoder)
    found = fit(read(given.families), encoder, lambda text: print(text, file=sys.stderr, flush=True))
    for name, weight in zip(("constant", *FACTS), found.weights.tolist(), strict=True):
        print(f"{name:14} {weight:8.3f}")
    print(found.settings)
    card = Card(
        kind=KIND, version=VERSION, data=sha256(given.families.read_bytes()).hexdigest(), code="livetide",
        licence="fitted on the project's own text", labels=[encoder.name, *FACTS], settings=found.settings,
        figures=found.figures,
    )  # fmt: skip
    save_model(given.out / f"faq-{encoder.name}.npz", card, {"weights": found.weights})


if __name__ == "__main__":
    main()
