"""An evaluation as one page of HTML that stands alone: no script, nothing loaded, light and dark, readable on a phone.

All words that come from files are escaped, freed of control and direction marks, and set apart from the text around them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files

from analytics.evaluation.drawings import curve, span
from analytics.evaluation.metrics import CONFIDENCE, RESAMPLES, Figure
from analytics.evaluation.outcome import Evaluation, Examples, Labels

NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "r_at_1": "R@1",
    "r_at_5": "R@5",
    "mrr_at_10": "MRR@10",
    "pairwise_f1": "Pairwise F1",
    "ari": "Adjusted Rand index",
}
_ABOUT = {
    "accuracy": "share of lines that got their label",
    "macro_f1": "mean F1 over the classes, each counted alike",
    "r_at_1": "share of queries with another wording of theirs found first",
    "r_at_5": "share with one among the first five",
    "mrr_at_10": "mean of 1 / rank of the first right text",
    "pairwise_f1": "F1 of the pairs of lines that stand together",
    "ari": "agreement of the groups: 1 is equal, 0 is chance",
}
_CLASSES_SHOWN = 24
_LYING = 5  # labels whose names fit side by side
_JOINERS = "\u200c\u200d"  # of emoji, and of letters that join
_DARK_FROM = 0.7  # share of a row from which a cell is dark enough for light words


def page(evaluation: Evaluation, command: str, facts: Sequence[tuple[str, str]] = ()) -> str:
    """The page. ``command`` is what made it; ``facts`` are more rows for the table of what was measured."""
    task = evaluation.task.capitalize()
    tiles = "".join(_tile(name, figure) for name, figure in evaluation.figures.items())
    parts = [_notes(evaluation.notes)]
    if evaluation.labels:
        parts += [_confusion(evaluation.labels), _classes(evaluation.labels), _calibration(evaluation.labels)]
    parts += [_examples(one) for one in evaluation.examples]
    parts.append(_measured(evaluation, command, facts))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_words(task)} · {_words(evaluation.data)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
        f"<header><p>Livetide evaluation</p><h1>{_words(task)}</h1>"
        f"<p>{evaluation.n:,} {'queries' if evaluation.task == 'retrieval' else 'lines'} of {_own(evaluation.data)}, "
        f"judged by {_words(evaluation.model)}</p></header>\n<main>\n"
        f'<section class="tiles" aria-label="Figures">{tiles}</section>\n'
        + "\n".join(filter(None, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def _tile(name: str, figure: Figure) -> str:
    return (
        f'<div class="tile"><h2>{_words(NAMES.get(name, name))}</h2><p class="figure">{figure.value:.3f}</p>'
        f'{span(figure)}<p class="interval">{figure.low:.3f} to {figure.high:.3f}</p>'
        f"<p>{_words(_ABOUT.get(name, ''))}</p></div>"
    )


def _notes(notes: Sequence[str]) -> str:
    return '<ul class="notes">' + "".join(f"<li>{_words(note)}</li>" for note in notes) + "</ul>" if notes else ""


def _confusion(labels: Labels) -> str:
    """The confusion table as a heat map: of each gold label (row), which share was given which label (column)."""
    table = labels.table
    mistakes = table.sum(axis=0) + table.sum(axis=1) - 2 * table.diagonal()
    there = [at for at in range(len(labels.labels)) if table[at].any() or table[:, at].any()]
    shown = sorted(sorted(there, key=lambda at: (-int(mistakes[at]), at))[:_CLASSES_SHOWN])
    about = "Rows: what the line is. Columns: what was given. The darker, the larger its share of the row."
    if len(shown) < len(there):
        about += f" The {len(shown)} labels with the most mistakes of {len(there)}."
    head = "".join(f'<th scope="col"><span>{_own(labels.labels[at])}</span></th>' for at in shown)
    kind = " upright" if len(shown) > _LYING else ""
    rows = []
    for gold in shown:
        total = max(int(table[gold].sum()), 1)
        cells = "".join(_cell(int(table[gold, given]), total, right=gold == given) for given in shown)
        rows.append(f'<tr><th scope="row">{_own(labels.labels[gold])}</th>{cells}</tr>')
    return _section(
        "Confusion",
        about,
        f'<table class="heat{kind}"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>',
    )


def _cell(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    share = count / total
    kind = f"{'right' if right else 'wrong'}{' full' if share >= _DARK_FROM else ''}"
    return f'<td class="{kind}" style="--share:{max(6, round(100 * share))}%" title="{share:.0%} of the row">{count:,}</td>'


def _classes(labels: Labels) -> str:
    rows = [
        (one.label, f"{one.n:,}", f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}")
        for one in sorted(labels.classes, key=lambda one: one.f1)
    ]
    return _section(
        "Classes", "The weakest first.", _table(("label", "lines", "precision", "recall", "F1"), rows, texts=("label",))
    )


def _calibration(labels: Labels) -> str:
    about = (
        "Of the lines that the model is 80 % sure of, 80 % should be right: the nearer the points lie to the diagonal, the more"
        f" its probabilities can be believed. Expected calibration error {labels.ece:.3f}, in {len(labels.curve)} bins of equal"
        " mass."
    )
    return _section("Calibration", about, curve(labels.curve))


def _examples(examples: Examples) -> str:
    if not examples.rows:
        return ""
    return _section(examples.title, examples.about, _table(examples.head, examples.rows, texts=examples.texts))


def _measured(evaluation: Evaluation, command: str, facts: Sequence[tuple[str, str]]) -> str:
    rows = [
        ("data", evaluation.data), ("SHA-256 of the data", evaluation.sha256), ("model", evaluation.model), *facts,
        ("intervals", f"{CONFIDENCE:.0%}, percentiles of {RESAMPLES:,} bootstrap samples"), ("command", command),
    ]  # fmt: skip
    cells = "".join(f'<tr><th scope="row">{_words(name)}</th><td>{_own(value)}</td></tr>' for name, value in rows)
    return _section("What was measured", "", f'<table class="facts"><tbody>{cells}</tbody></table>')


def _section(title: str, about: str, inside: str) -> str:
    told = f"<p>{_words(about)}</p>" if about else ""
    return f'<section><h2>{_words(title)}</h2>{told}<div class="wide">{inside}</div></section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str]) -> str:
    kinds = [' class="text"' if name in texts else "" for name in head]
    top = "".join(f'<th scope="col"{kind}>{_words(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{kind}>{_own(value)}</td>" for value, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    ]
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _own(text: str) -> str:
    """Somebody else's words: their direction stays theirs."""
    return f"<bdi>{_words(text)}</bdi>"


def _words(text: str) -> str:
    """Escaped; control and direction marks, which show nothing and move what is around them, are shown as a box."""
    return escape("".join("\N{WHITE SQUARE}" if _hidden(one) else one for one in text))


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in _JOINERS


@cache
def _style() -> str:
    return (files("analytics.evaluation") / "report.css").read_text(encoding="utf-8")
