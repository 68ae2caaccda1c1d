"""Rows for people (a table that fits the terminal) or for scripts (one JSON object a line)."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import typer

GAP = "  "
INDENT = "    "
WORDY = 24
"""A last column with this much room left is wrapped at its words; one with less goes under its row."""


def show(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    none: str = "no rows",
    width: int | None = None,
) -> None:
    """Print ``rows``: all of each as JSON, or the named ``columns`` as a table.

    Where there are no rows a person is told ``none`` on stderr; stdout stays empty in both forms. A table that is wider than
    the terminal (``width``; a pipe has no end) keeps the columns that fit, and the others stand under each row, whole: an id
    can still be copied.
    """
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    texts = [[_cell(row.get(column)) for column in columns] for row in rows]
    if not texts:
        typer.echo(none, err=True)
        return
    for line in table([column.replace("_", " ") for column in columns], texts, width or terminal_width()):
        typer.echo(line)


def terminal_width() -> int:
    """The columns of the terminal that stdout is; endless when it is none."""
    if not sys.stdout.isatty():
        return sys.maxsize
    import shutil

    return shutil.get_terminal_size().columns


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines of a table of at most ``width`` columns, as far as a single cell allows that."""
    widths = [max(wide(row[at]) for row in (head, *rows)) for at in range(len(head))]
    kept = len(head)
    while kept > 1 and sum(widths[:kept]) + len(GAP) * (kept - 1) > width:
        kept -= 1
    before = sum(widths[:kept]) + len(GAP) * kept
    if kept == len(head) - 1 and width - before >= WORDY and any(" " in row[-1] for row in rows):
        yield _line([*head[:kept], head[-1]], [*widths[:kept], 0])
        for row in rows:
            first, *more = textwrap.wrap(row[-1], width - before, break_on_hyphens=False) or [""]
            yield _line([*row[:kept], first], [*widths[:kept], 0])
            yield from (" " * before + text for text in more)
        return
    names = [f"{name}{GAP}".ljust(max(map(len, head[kept:])) + len(GAP)) for name in head[kept:]]
    yield _line(head[:kept], widths)
    for row in rows:
        yield _line(row[:kept], widths)
        yield from (f"{INDENT}{name}{text}" for name, text in zip(names, row[kept:], strict=True) if text)


def wide(text: str) -> int:
    """The columns that a text takes in a terminal: a Chinese character takes two."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell + " " * (width - wide(cell)) for cell, width in zip(cells, widths, strict=False)).rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
