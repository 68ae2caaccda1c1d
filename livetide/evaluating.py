"""What ``livetide evaluate`` and ``livetide train`` share: models by name, paths that are checked first, pages."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from analytics.evaluation.classify import Classifier, LinearClassifier
from analytics.evaluation.outcome import Evaluation
from analytics.evaluation.report import NAMES, page
from analytics.linear import VERSION, LinearModel, load_linear
from analytics.model_file import load_model
from streams.records import InvalidError

SEED = 7
"""Of the bootstrap: the same file gives the same intervals."""

Task = Literal["sentiment", "intent"]


def randomness() -> np.random.Generator:
    """A generator for the intervals of one evaluation."""
    return np.random.default_rng(SEED)


def check_paths(data: Path, *outputs: Path | None) -> None:
    """Refuse what could not be written at the end, or would write over the data, before anything long begins."""
    given = [output for output in outputs if output]
    for output in given:
        if sum(output.absolute() == other.absolute() for other in given) > 1:
            raise InvalidError(f"{output} is given twice: give each output a file of its own")
        if output.is_dir():
            raise InvalidError(f"{output} is a folder: give the name of a file in it")
        if not output.parent.is_dir():
            raise InvalidError(f"{output} cannot be written: there is no folder {output.parent}")
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise InvalidError(f"{output} cannot be written: permission is missing")
        if output.exists() and data.exists() and output.samefile(data):
            raise InvalidError(f"{output} is the data itself: give another file")


def command_line(*words: object) -> str:
    """The command as it can be typed again; an option is a pair, left out where its value is None."""
    typed = ["livetide"]
    for word in words:
        if not isinstance(word, tuple):
            typed.append(str(word))
        elif word[1] is not None:
            typed += [str(part) for part in word]
    return shlex.join(typed)


def figure_lines(found: Evaluation) -> Iterator[str]:
    """The figures, and what to know of them, for a terminal."""
    from livetide.cli.output import table, terminal_width

    rows: list[Sequence[str]] = [
        (NAMES.get(name, name), f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}")
        for name, figure in found.figures.items()
    ]
    if found.labels:
        rows.append(("calibration error", f"{found.labels.ece:.3f}", ""))
    yield f"{found.data}: {found.n:,} {'queries' if found.task == 'retrieval' else 'lines'}, judged by {found.model}"
    yield from table(("figure", "value", "95 % interval"), rows, terminal_width())
    yield from found.notes


def write_page(path: Path, found: Evaluation, command: str, facts: Sequence[tuple[str, str]] = ()) -> None:
    """Write the page of an evaluation; it stands there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(page(found, command, facts), encoding="utf-8")
    part.replace(path)


def classifier(task: Task, model: Path | None) -> Classifier:
    """The model of a file, or the shipped one. Raises :class:`InvalidError` for a file of another kind or version."""
    if model is None:
        return LinearClassifier(load_linear(task), f"the shipped {task} model")
    return LinearClassifier(LinearModel(load_model(model, task, VERSION)), f"the model {model}")
