"""Training of the linear models of :mod:`analytics.linear` on labelled lines: a shop's own, or those of ``corpora/``.

Everything that can be chosen is chosen by cross-validation, and the probabilities are calibrated on its unseen parts by one
temperature (Guo et al. 2017): the longest gram, how strongly weights are held back, how far rare classes are lifted.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from analytics.clues import CLUE_UNIT, CLUES, clues_of
from analytics.evaluation.metrics import expected_calibration_error, macro_f1_of, reliability
from analytics.linear import CUT, IDF_UNIT, KINDS, LONGEST, VERSION, read_grams
from analytics.model_file import Card
from analytics.training.figures import temperature_of, threshold_of
from streams.records import InvalidError, Sentiment

FEWEST = 5  # lines of a class
PRECISION = 0.7  # of the intents that are named at all, on unseen lines
MANY = 20_000  # lines from where choices are made on a part of them, and grams that came once are left out
MUCH = 60_000  # rows times classes from where the choices are made on one unseen part of five, not on all
SENTIMENTS = get_args(Sentiment)

Row = tuple[str, str]
Progress = Callable[[str, int, int], None]
Array = npt.NDArray[Any]
_AT_ONCE = 256
_LONGEST, _LIFTS, _PENALTIES = (2, 3, 4), (0.0, 0.5, 1.0), (0.5, 1.0, 2.0, 5.0, 15.0, 40.0)
_CHOICES = len(_LONGEST) + len(_LIFTS) - 1 + len(_PENALTIES) - 1


class Aside(NamedTuple):
    """A line that teaches with a weight below 1 and is never measured on.

    ``of`` is the number of the row that it is another form of: where that one is measured, it does not teach.
    """

    label: str
    text: str
    weight: float
    of: int = -1


class Choice(NamedTuple):
    """What cross-validation chooses: the longest gram, the inverse of the penalty, and the power of the rarity of a class."""

    longest: int
    inverse_penalty: float
    lift: float


class Lines(NamedTuple):
    """Lines as numbers: class of each, weight of each, clues (n, clues), and who has which gram of what length."""

    classes: Array
    weights: Array
    clues: Array
    owners: Array
    columns: Array
    codes: Array
    lengths: Array


class Fitted(NamedTuple):
    """What a fit gives: weights (classes, columns) and biases, the idf of the columns that are grams, and which those are."""

    coefficients: Array
    bias: Array
    idf: Array
    kept: Array


def train_linear(
    kind: str,
    rows: Sequence[Row],
    *,
    seed: int,
    progress: Progress,
    beside: Sequence[Aside] = (),
    precision: float = PRECISION,
    licence: str = "trained on text of the shop's own",
) -> tuple[Card, dict[str, Array]]:
    """A model of one of :data:`~analytics.linear.KINDS` from ``(label, text)`` rows, as a model file takes it.

    ``beside``: lines that teach and are never measured on. ``precision``: how often an intent that is named shall be right on
    unseen lines; below its threshold the model says ``unknown``. ``progress`` gets what is done, how
    much of it, of how much. Raises :class:`InvalidError` for rows that nothing can be learnt from.
    """
    labels = check_rows(kind, rows)
    lines = read_lines([*((label, text, 1.0) for label, text in rows), *(aside[:3] for aside in beside)], labels)
    choice, shares = _choose(lines, np.array([aside.of for aside in beside], np.int64), len(labels), seed, progress)
    truth = lines.classes[: len(rows)]
    seen = shares.sum(axis=1) > 0
    temperature = temperature_of(shares[seen], truth[seen])
    calm = _tempered(shares[seen], temperature)
    progress("fit", 0, 1)
    fitted = fit(lines, np.arange(len(lines.classes)), choice, len(labels))
    progress("fit", 1, 1)
    right = calm.argmax(axis=1) == truth[seen]
    settings = {"temperature": temperature, "longest": choice.longest} | _chosen(choice)
    if kind == "intent":
        settings |= {"precision": precision, "threshold": threshold_of(calm.max(axis=1), right, precision)}
    arrays, scales = quantise(fitted, lines.codes)
    figures = {
        "lines": len(rows),
        "cv_macro_f1": round(macro_f1_of(truth[seen], calm.argmax(axis=1), len(labels)), 4),
        "cv_accuracy": round(float(right.mean()), 4),
        "cv_calibration_error": round(expected_calibration_error(reliability(calm.max(axis=1), right)), 4),
    }
    held = "\n".join(f"{label}\t{text}" for label, text, *_ in [*rows, *beside])
    card = Card(
        kind=kind, version=VERSION, data=sha256(held.encode("utf-8", "surrogatepass")).hexdigest(),
        code=f"livetide {version('livetide')}", licence=licence, labels=labels, settings=settings | scales, figures=figures,
    )  # fmt: skip
    return card, arrays


def _chosen(choice: Choice) -> dict[str, float]:
    return {"inverse_penalty": choice.inverse_penalty, "lift": choice.lift}


def check_rows(kind: str, rows: Sequence[Row]) -> list[str]:
    """The labels of the rows, in order. Raises :class:`InvalidError` with what is wrong and what to do."""
    if kind not in KINDS:
        raise InvalidError(f"{kind!r} is no kind of linear model: give one of {', '.join(KINDS)}")
    counts = Counter(label for label, _ in rows)
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r}" if counts else "none"
        raise InvalidError(f"a classifier needs lines of at least two labels, and there is {found}: add lines of another label")
    unknown = [label for label in counts if label not in SENTIMENTS]
    if kind == "sentiment" and unknown:
        raise InvalidError(f"label {unknown[0]!r} is no sentiment: write one of {', '.join(SENTIMENTS)} before the tab")
    short = [f"{label!r} has {count}" for label, count in sorted(counts.items()) if count < FEWEST]
    if short:
        raise InvalidError(f"each label needs at least {FEWEST} lines, and {', '.join(short[:5])}: add lines, or join labels")
    return [label for label in SENTIMENTS if label in counts] if kind == "sentiment" else sorted(counts)


def read_lines(rows: Sequence[tuple[str, str, float]], labels: Sequence[str]) -> Lines:
    """Rows as numbers."""
    number = {label: place for place, label in enumerate(labels)}
    clues, owners, codes, lengths = [], [], [], []
    for start in range(0, len(rows), _AT_ONCE):
        read = clues_of([text for _, text, _ in rows[start : start + _AT_ONCE]])
        clues.append(read.rows)
        before: Array = np.zeros(0, np.uint64)
        for length in range(1, LONGEST + 1):
            grams = read_grams(read.folded, length)
            keys = (grams.owners.astype(np.uint64) << np.uint64(32)) | grams.codes
            new = ~np.isin(keys, before)
            owners.append(grams.owners[new] + start)
            codes.append(grams.codes[new])
            lengths.append(np.full(int(new.sum()), length, np.int8))
            before = keys
    known, first, columns = np.unique(np.concatenate(codes), return_index=True, return_inverse=True)
    return Lines(
        np.array([number[label] for label, _, _ in rows]), np.array([weight for _, _, weight in rows]),
        np.concatenate(clues), np.concatenate(owners), columns, known, np.concatenate(lengths)[first],
    )  # fmt: skip


def _matrix(lines: Lines, chosen: Array, kept: Array, idf: Array) -> sparse.csr_matrix:
    """Features (chosen, grams + clues): distinct grams times idf, to unit length, and the clues beside."""
    place = np.full(len(lines.classes), -1)
    place[chosen] = np.arange(len(chosen))
    column = np.full(len(lines.codes), -1)
    column[kept] = np.arange(len(kept))
    rows, columns = place[lines.owners], column[lines.columns]
    there = (rows >= 0) & (columns >= 0)
    rows, columns = rows[there], columns[there]
    grams = sparse.csr_matrix((idf[columns].astype(float), (rows, columns)), shape=(len(chosen), len(kept)))
    norms = np.sqrt(np.asarray(grams.multiply(grams).sum(axis=1)).ravel())
    grams = sparse.diags_array(1 / np.maximum(norms, 1e-9)) @ grams
    return sparse.csr_matrix(sparse.hstack([grams, sparse.csr_matrix(lines.clues[chosen] / CLUE_UNIT)]))


def fit(lines: Lines, chosen: Array, choice: Choice, classes: int) -> Fitted:
    """Logistic regression on some of the lines."""
    member = np.zeros(len(lines.classes), bool)
    member[chosen] = True
    counts = np.bincount(lines.columns[member[lines.owners]], minlength=len(lines.codes))
    kept = np.flatnonzero((counts >= (2 if len(chosen) >= MANY else 1)) & (lines.lengths <= choice.longest))
    idf = np.clip(np.rint((np.log((1 + len(chosen)) / (1 + counts[kept])) + 1) * IDF_UNIT), 1, 255).astype(np.uint8)
    truth, weights = lines.classes[chosen], lines.weights[chosen]
    mass = np.bincount(truth, weights=weights, minlength=classes)
    lifted = (mass.sum() / classes / np.maximum(mass, 1e-9)) ** choice.lift
    model = LogisticRegression(C=choice.inverse_penalty, max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: what is left is below the quantisation
        model.fit(_matrix(lines, chosen, kept, idf), truth, sample_weight=weights * lifted[truth])
    coefficients, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if classes == 2:  # of two classes only the second has weights
        coefficients, bias = np.concatenate([-coefficients, coefficients]) / 2, np.concatenate([-bias, bias]) / 2
    return Fitted(coefficients, bias, idf, kept)


def shares_of(lines: Lines, chosen: Array, fitted: Fitted) -> Array:
    """Probabilities (chosen, classes) before they are calibrated."""
    said = _matrix(lines, chosen, fitted.kept, fitted.idf) @ fitted.coefficients.T + fitted.bias
    shares = np.exp(said - said.max(axis=1, keepdims=True))
    result: Array = shares / shares.sum(axis=1, keepdims=True)
    return result


def _tempered(shares: Array, temperature: float) -> Array:
    raised = np.maximum(shares, 1e-300) ** (1 / temperature)
    result: Array = raised / raised.sum(axis=1, keepdims=True)
    return result


def _choose(lines: Lines, aside_of: Array, classes: int, seed: int, progress: Progress) -> tuple[Choice, Array]:
    """The choice with the best macro-F1 on unseen parts, and what it said of those (0 where a line was not measured).

    The last lines, as many as ``aside_of``, are those beside.
    """
    measured, aside = np.split(np.arange(len(lines.classes)), [len(lines.classes) - len(aside_of)])
    rng = np.random.default_rng(seed)
    part = measured if len(measured) <= MANY else np.sort(rng.choice(measured, MANY, replace=False))
    truth = lines.classes[part]
    parts = max(2, min(5, int(np.bincount(truth)[np.unique(truth)].min())))
    folds = list(StratifiedKFold(parts, shuffle=True, random_state=seed).split(part, truth))
    one = len(measured) * classes > MUCH
    tried: dict[Choice, float] = {}

    def unseen(choice: Choice, folds: list[tuple[Array, Array]]) -> Array:
        shares = np.zeros((len(measured), classes))
        for train, test in folds:
            teaching = np.concatenate([part[train], aside[~np.isin(aside_of, part[test])]])
            fitted = fit(lines, teaching, choice, classes)
            shares[part[test]] = shares_of(lines, part[test], fitted)
        return shares

    def score(choice: Choice) -> float:
        if choice not in tried:
            shares = unseen(choice, folds[:1] if one else folds)
            judged = np.flatnonzero(shares.sum(axis=1))
            tried[choice] = macro_f1_of(lines.classes[judged], shares[judged].argmax(axis=1), classes)
            progress("choose", len(tried), _CHOICES)
        return tried[choice]

    best = max((Choice(longest, 5.0, 0.5) for longest in _LONGEST), key=score)
    best = max((best._replace(lift=lift) for lift in _LIFTS), key=score)
    best = max((best._replace(inverse_penalty=c) for c in _PENALTIES), key=score)
    return best, unseen(best, folds)


def quantise(fitted: Fitted, codes: Array) -> tuple[dict[str, Array], dict[str, float]]:
    """A fit as the arrays and the scales of a model file."""
    grams, clues = fitted.coefficients[:, : -len(CLUES)], fitted.coefficients[:, -len(CLUES) :]
    said = (grams * (fitted.idf.astype(float) / IDF_UNIT)).T
    gram_scale = max(float(np.abs(said).max()) / 127, 1e-9)
    clue_scale = max(float(np.abs(clues).max()) / 32_000, 1e-9)
    small = np.rint(said / gram_scale).astype(np.int8)
    telling = (small != 0).any(axis=1)
    telling |= ~telling.any()
    arrays = {
        "grams": codes[fitted.kept][telling].astype(np.uint32),
        "idf": fitted.idf[telling],
        "weights": small[telling],
        "clues": np.rint(clues.T / clue_scale).astype(np.int16),
        "bias": fitted.bias.astype(np.float64),
    }
    return arrays, {"gram_scale": gram_scale, "clue_scale": clue_scale, "read": CUT}
