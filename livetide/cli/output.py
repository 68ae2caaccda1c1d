"""Rows for people (a table) or for scripts (one JSON object a line)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print ``rows``: all of each as JSON, or the named ``columns`` as a table."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    texts = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max([len(column), *(len(text[at]) for text in texts)]) for at, column in enumerate(columns)]
    for line in ([column.replace("_", " ") for column in columns], *texts):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
