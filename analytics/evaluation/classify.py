"""How well something labels lines: what a classifier is, today's own ones, and the figures of one on a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from analytics.clues import clues_of
from analytics.evaluation import metrics
from analytics.evaluation.data import Labelled
from analytics.evaluation.metrics import Numbers
from analytics.evaluation.outcome import Evaluation, Examples, Labels
from analytics.intent import UNKNOWN
from analytics.linear import LinearModel
from streams.records import InvalidError

SENTIMENTS = ("negative", "neutral", "positive")
_NEUTRAL = "neutral"
WORST = 50
_AT_ONCE = 512
_CUT = 200  # characters of a text that a report shows

Progress = Callable[[int, int], None]


class Classifier(Protocol):
    """What labels texts. ``name`` says to people which one it is."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def threshold(self) -> float:
        """The probability below which the product says ``unknown`` instead; 0 where it never does."""
        ...

    def predict(self, texts: Sequence[str]) -> Numbers:
        """The probability of each label for each text, ``float64`` (n, labels), rows of sum 1."""
        ...


class LinearClassifier:
    """A linear model: the shipped one, or that of a file of ``livetide train``.

    A text with nothing in it is ``neutral`` as in the product, where there is such a label, and else all labels are as likely.
    """

    def __init__(self, model: LinearModel, name: str) -> None:
        self._model, self.name = model, name
        self.labels: Sequence[str] = model.labels
        self.threshold = model.threshold

    def predict(self, texts: Sequence[str]) -> Numbers:
        clues = clues_of(texts)
        found = self._model.judge(clues.folded, clues.rows)
        empty = [not form for form in clues.folded]
        found[empty] = [label == _NEUTRAL for label in self.labels] if _NEUTRAL in self.labels else 1 / len(self.labels)
        return found


# ── Figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def evaluate_sentiment(
    data: Labelled, classifier: Classifier, rng: np.random.Generator, progress: Progress = lambda done, of: None
) -> Evaluation:
    """Accuracy and macro-F1 of feelings. Of a file with two of the three labels the better of these two is what is given.

    Raises :class:`InvalidError` for a label that is none of ``negative``, ``neutral`` and ``positive``.
    """
    for (label, _), number in zip(data.rows, data.numbers, strict=True):
        if label not in SENTIMENTS:
            raise InvalidError(f"{data.path}, line {number}: the label {label!r} is no feeling: {', '.join(SENTIMENTS)} are")
    notes = _unknown(data, classifier)
    if len(data.labels) < len(SENTIMENTS):
        notes.append(f"the file has the labels {' and '.join(data.labels)} alone, so one of these is given to each line")
    return _evaluate("sentiment", data, classifier, data.labels, notes, rng, progress)


def evaluate_intent(
    data: Labelled, classifier: Classifier, rng: np.random.Generator, progress: Progress = lambda done, of: None
) -> Evaluation:
    """Accuracy and macro-F1 of wishes. A label of the file that the model does not know is always wrong, and is told.

    Each line gets the likeliest wish, however unsure; ``unknown`` is given only where the file itself has that label. How often
    the product would say it is told. Raises :class:`InvalidError` where the model knows none of the labels.
    """
    notes = _unknown(data, classifier)
    labels = [*data.labels, *(label for label in classifier.labels if label not in (*data.labels, UNKNOWN))]
    return _evaluate("intent", data, classifier, labels, notes, rng, progress)


def _unknown(data: Labelled, classifier: Classifier) -> list[str]:
    """A note on the labels that the model does not know."""
    known = {*classifier.labels, UNKNOWN} if classifier.threshold else set(classifier.labels)
    unknown = [label for label in data.labels if label not in known]
    if len(unknown) == len(data.labels):
        raise InvalidError(
            f"{data.path}: {classifier.name} knows none of its labels ({', '.join(unknown[:5])}, …): give a file"
            f" with its labels ({', '.join(list(classifier.labels)[:5])}, …), or a model of these with --model"
        )
    if not unknown:
        return []
    lines = sum(label in unknown for label, _ in data.rows)
    return [f"the model does not know {', '.join(unknown[:10])}; lines that count as wrong for it: {lines:,}"]


class _Judged(NamedTuple):
    """Of each line: its gold label and the one given, as numbers, and the probability of the latter (before ``unknown``)."""

    gold: npt.NDArray[np.intp]
    given: npt.NDArray[np.intp]
    p: Numbers


def _evaluate(
    task: str, data: Labelled, classifier: Classifier, labels: list[str], notes: list[str],
    rng: np.random.Generator, progress: Progress,
) -> Evaluation:  # fmt: skip
    judged = _judge(data, classifier, labels, progress)
    table = metrics.confusion(judged.gold, judged.given, len(labels))
    curve = metrics.reliability(judged.p, judged.gold == judged.given)
    return Evaluation(
        task=task,
        n=len(data.rows),
        figures=metrics.bootstrap(table, {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}, rng),
        model=classifier.name,
        data=data.path,
        sha256=data.sha256,
        notes=[*notes, *_doubts(judged, classifier), *data.notes],
        examples=[_worst(data, judged, labels)],
        labels=Labels(labels, table, metrics.by_class(table, labels), curve, metrics.expected_calibration_error(curve)),
    )


def _judge(data: Labelled, classifier: Classifier, labels: Sequence[str], progress: Progress) -> _Judged:
    """Every distinct text is judged once, and among ``labels`` only."""
    texts = list(dict.fromkeys(text for _, text in data.rows))
    columns = [list(classifier.labels).index(label) for label in labels if label in classifier.labels]
    numbers = np.array([labels.index(classifier.labels[column]) for column in columns], np.intp)
    best = np.empty(len(texts), np.intp)
    p = np.empty(len(texts))
    for start in range(0, len(texts), _AT_ONCE):
        part = classifier.predict(texts[start : start + _AT_ONCE])[:, columns]
        chosen, here = part.argmax(axis=1), slice(start, start + len(part))
        best[here] = numbers[chosen]
        p[here] = part[np.arange(len(part)), chosen] / np.maximum(part.sum(axis=1), 1e-12)
        progress(here.stop, len(texts))
    if UNKNOWN in labels and classifier.threshold:
        best[p < classifier.threshold] = labels.index(UNKNOWN)
    place = {text: at for at, text in enumerate(texts)}
    rows = np.array([place[text] for _, text in data.rows], np.intp)
    number = {label: at for at, label in enumerate(labels)}
    return _Judged(np.array([number[label] for label, _ in data.rows], np.intp), best[rows], p[rows])


def _doubts(judged: _Judged, classifier: Classifier) -> list[str]:
    """A note on how often the product would rather say ``unknown``."""
    sure = judged.p >= classifier.threshold
    if sure.all() or not sure.any():
        return []
    right = (judged.gold == judged.given)[sure].mean()
    return [
        f"the product says unknown to {1 - sure.mean():.1%} of the lines (below {classifier.threshold:.2f}); of the others"
        f" {right:.1%} are right"
    ]


def _worst(data: Labelled, judged: _Judged, labels: Sequence[str]) -> Examples:
    """The most confident mistakes, each text once."""
    seen: set[str] = set()
    rows: list[tuple[str, ...]] = []
    wrong = np.flatnonzero(judged.gold != judged.given)
    for at in wrong[np.argsort(-judged.p[wrong], kind="stable")].tolist():
        gold, text = data.rows[at]
        if text not in seen and len(rows) < WORST:
            seen.add(text)
            rows.append((text[:_CUT], gold, labels[judged.given[at]], f"{judged.p[at]:.2f}", str(data.numbers[at])))
    about = f"{len(wrong):,} of {len(data.rows):,} lines are wrong; these are the ones that the model was surest of."
    return Examples("Worst errors", about, ("text", "gold", "given", "p", "line"), rows, ("text",))
