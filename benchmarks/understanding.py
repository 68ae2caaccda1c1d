"""How well chat is understood: the shipped models on text that they were not trained on, with 95 % intervals.

Our own text is ``corpora/``: the tenth that no training looks at, and ``corpora/blind`` by another writer. Of the latter, lines
that stand in the training text as well (after folding) are left out first: short chat repeats itself. Public sets are measured
where they are at hand; nothing of them is in a model that is shipped.

    python -m benchmarks.understanding [FOLDER]   # of public data, with paraphrase/ and sentiment/ in it
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analytics.comprehension import understand_many
from analytics.encoders import Encoder, load_encoder
from analytics.encoders.base import unit
from analytics.evaluation import metrics
from analytics.evaluation.data import Labelled, Pairs, read_groups, read_labelled, read_pairs
from analytics.evaluation.groups import evaluate_groups, group_texts, leader_groups
from analytics.evaluation.metrics import Figure
from analytics.evaluation.retrieval import evaluate_retrieval
from analytics.fold import fold
from analytics.training.holdout import split

CORPORA = Path(__file__).resolve().parents[1] / "corpora"
ENCODERS = ("static", "semantic")
TAUGHT = ("families.tsv", "chat/intents.tsv", "chat/sentiment.tsv")
SEED = 7
AGAINST = "the same, against TF-IDF leader clustering"


def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def told(what: str, figure: str, found: Figure, n: int, beside: str = "") -> dict[str, Any]:
    """One figure, as the page takes it."""
    value, low, high = (round(one, 4) for one in found)
    return {"what": what, "figure": figure, "value": value, "low": low, "high": high, "n": n, "beside": beside}


def unknown_lines(path: Path) -> tuple[Labelled, int]:
    """A blind file without the lines that training has seen, and how many those were."""
    taught = {fold(text) for name in TAUGHT for _, text in read_labelled(CORPORA / name).rows}
    read = read_labelled(path)
    kept = [(row, number) for row, number in zip(read.rows, read.numbers, strict=True) if fold(row[1]) not in taught]
    left = read._replace(rows=[row for row, _ in kept], numbers=[number for _, number in kept])
    return left, len(read.rows) - len(kept)


def labels(name: str, attribute: str) -> dict[str, Any]:
    """Macro-F1 of what the product says; where it says ``unknown``, that counts as wrong."""
    read, dropped = unknown_lines(CORPORA / "blind" / f"{name}.tsv")
    said = [getattr(meaning, attribute) for meaning in understand_many([text for _, text in read.rows])]
    names = sorted({*read.labels, *said})
    gold, given = (np.array([names.index(one) for one in own], np.intp) for own in ([label for label, _ in read.rows], said))
    table = metrics.confusion(gold, given, len(names))
    found = metrics.bootstrap(table, {"macro_f1": metrics.macro_f1}, rng())["macro_f1"]
    unsure = f"; unknown: {said.count('unknown')}" if "unknown" in said else ""
    return told(
        f"{attribute}, blind lines", "macro-F1", found, len(read.rows), f"{dropped} more stand in the training text{unsure}"
    )


def families(encoder: Encoder) -> list[dict[str, Any]]:
    """Questions in other words: of families that no training has seen, and unseen wordings of the others."""
    rows = read_groups(CORPORA / "families.tsv").rows
    parts = split(rows)
    unseen = _labelled("unseen families", [(family, text) for family, own in parts.families.items() for text in own])
    blind, dropped = unknown_lines(CORPORA / "blind" / "families.tsv")
    found = []
    for name, read, beside in (
        ("unseen families", unseen, f"{len(parts.families)} families"),
        ("blind families", blind, f"{len(blind.labels)} families; {dropped} more lines stand in the training text"),
    ):
        figures = evaluate_retrieval(read, encoder, rng()).figures
        mrr = f"MRR@10 {figures['mrr_at_10'].value:.3f}; {beside}"
        found.append(told(f"{name}, another wording first, {encoder.name}", "R@1", figures["r_at_1"], len(read.rows), mrr))
    return [*found, to_family(encoder, parts.seen, parts.wordings)]


def to_family(encoder: Encoder, seen: dict[str, list[str]], asking: dict[str, list[str]]) -> dict[str, Any]:
    """The family whose wordings' middle is nearest to an unseen wording."""
    names = list(seen)
    middles = unit(np.stack([encoder.encode(own).astype(np.float64).sum(axis=0) for own in seen.values()]))
    texts = [(names.index(family), text) for family, own in asking.items() for text in own]
    given = (encoder.encode([text for _, text in texts]) @ middles.T).argmax(axis=1)
    right = given == np.array([place for place, _ in texts])
    counts = np.array([int((~right).sum()), int(right.sum())], np.int64)
    share = metrics.bootstrap(counts, {"share": lambda drawn: drawn[:, 1] / drawn.sum(axis=1)}, rng())["share"]
    what = f"unseen wordings to the right one of {len(names)} families, {encoder.name}"
    return told(what, "share", share, len(texts))


def groups() -> list[dict[str, Any]]:
    """Live questions among chatter, room by room, beside TF-IDF leader clustering with the best of its cuts."""
    read = read_groups(CORPORA / "blind" / "groups.tsv")
    texts = [text for _, text in read.rows]
    given = group_texts(texts)
    ours = evaluate_groups(read, given, "ours", rng()).figures["pairwise_f1"]
    cuts = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    plain = {cut: evaluate_groups(read, leader_groups(texts, cut), "plain", rng()).figures["pairwise_f1"] for cut in cuts}
    best = max(cuts, key=lambda cut: plain[cut].value)
    times = ours.value / plain[best].value
    gated = max(evaluate_groups(read, behind_the_gate(texts, given, cut), "", rng()).figures["pairwise_f1"] for cut in cuts)
    beside = (
        f"{times:.2f} times TF-IDF leader clustering of all lines at its best cut ({best:g}), {plain[best].value:.3f};"
        f" that of the lines alone that the product takes for questions: {gated.value:.3f}"
    )
    found = told("groups of live questions, blind, 60 % chatter", "pairwise F1", ours, len(texts), beside)
    return [found, {"what": AGAINST, "figure": "times", "value": round(times, 3), "n": len(texts)}]


def behind_the_gate(texts: Sequence[str], ours: Sequence[str | None], cut: float) -> list[str | None]:
    """Leader clustering of those lines alone that the product does not take for chatter."""
    asked = [place for place, group in enumerate(ours) if group is not None]
    given: list[str | None] = [None] * len(texts)
    for place, group in zip(asked, leader_groups([texts[place] for place in asked], cut), strict=True):
        given[place] = group
    return given


def public(folder: Path, encoder: Encoder) -> list[dict[str, Any]]:
    """Paraphrases of people: LCQMC (general) and BQ (a bank), their development parts."""
    found = []
    general = folder / "paraphrase/LCQMC/dev.txt"
    if general.exists():
        read = read_pairs(general)
        figures = evaluate_retrieval(read, encoder, rng()).figures
        mrr = f"MRR@10 {figures['mrr_at_10'].value:.3f}"
        found.append(told(f"LCQMC dev, {encoder.name}", "R@1", figures["r_at_1"], len(read.rows), mrr))
    bank = folder / "paraphrase/BQ_corpus/dev.csv"
    if bank.exists():
        with bank.open(encoding="utf-8-sig", newline="") as file:
            rows = [(a, b, mark == "1") for a, b, mark in csv.reader(file) if mark in ("0", "1")]
        figures = evaluate_retrieval(Pairs(str(bank), rows, "", 0, 0), encoder, rng()).figures
        r1 = f"R@1 {figures['r_at_1'].value:.3f}"
        found.append(told(f"BQ dev, {encoder.name}", "MRR@10", figures["mrr_at_10"], len(rows), r1))
    return found


def reviews(folder: Path) -> list[dict[str, Any]]:
    """Sentiment trained on the open reviews, on their development part: what `livetide train sentiment` makes of much data."""
    path = folder / "sentiment/online_shopping_open.csv"
    if not path.exists():
        return []
    from analytics.clues import clues_of
    from analytics.linear import LinearModel
    from analytics.model_file import Model
    from analytics.training.linear import train_linear

    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    name = {"1": "positive", "0": "negative"}
    train, dev = ([(name[row["label"]], row["review"]) for row in read if row["split"] == part] for part in ("train", "dev"))
    model = LinearModel(Model(*train_linear("sentiment", train, seed=SEED, progress=lambda what, done, of: None)))
    clues = clues_of([text for _, text in dev])
    given = model.judge(clues.folded, clues.rows).argmax(axis=1)
    gold = np.array([model.labels.index(label) for label, _ in dev], np.intp)
    table = metrics.confusion(gold, given, len(model.labels))
    found = metrics.bootstrap(table, {"accuracy": metrics.accuracy}, rng())["accuracy"]
    return [
        told("sentiment trained on open reviews, their dev part", "accuracy", found, len(dev), f"learnt from {len(train):,}")
    ]


def _labelled(name: str, rows: Sequence[tuple[str, str]]) -> Labelled:
    return Labelled(name, list(rows), list(range(1, len(rows) + 1)), "", 0, 0)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    encoders = [load_encoder(name) for name in ENCODERS]
    figures = [labels("intents", "intent"), labels("sentiment", "sentiment")]
    for encoder in encoders:
        figures += families(encoder)
    figures += groups()
    if folder is not None:
        for encoder in encoders:
            figures += public(folder, encoder)
        figures += reviews(folder)
    print(json.dumps(figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
