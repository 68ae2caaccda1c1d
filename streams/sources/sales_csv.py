"""Sales out of a spreadsheet: an order export as CSV, with Chinese or English column names.

One row is one sale event. Column names, time formats and status words are recognised from lists that shops' exports share;
what is not recognised is refused with the column's name and the line. UTF-8, UTF-16 and GB18030 (what Excel writes in China)
are read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any

from streams.records import InvalidError
from streams.sources import files
from streams.sources.base import Tally
from streams.sources.recording import Draft, Recording, whole
from streams.sources.sales_cells import COLUMNS, sale_amount, sale_quantity, sale_time, sale_type, zone_of

ZONE = "+08:00"
AHEAD = 500_000
"""Exports are often newest first: the whole file is put in order, up to this many rows."""


def recognise(head: str) -> bool:
    """Whether the first line is a header of at least two columns that we know, one of them the time or the order."""
    known = set(_columns(_cells(head)))
    return len(known) >= 2 and bool(known & {"ts", "order"})


def open_sales_csv(path: Path, *, zone: str = ZONE) -> Recording:
    """``path`` as a source. Times without a zone are meant in ``zone``: ``+08:00``, or a name of the tz database.

    Raises ``InvalidError`` when a column that cannot be done without is missing.
    """
    raw = files.head(path)
    encoding = sales_encoding(raw)
    start = raw.decode(encoding, "ignore").removeprefix("\ufeff")
    columns = _columns(_cells(start))
    for needed, unless in (("ts", ()), ("order", ("type",)), ("amount", ("type",))):
        if needed not in columns and not any(name in columns for name in unless):
            raise InvalidError(
                f"{path}, line 1: no column for {needed!r}. Understood are: {', '.join(COLUMNS[needed])}. "
                f"Found: {', '.join(_cells(start))[:400]}"
            )
    place = zone_of(zone)
    delimiter = _delimiter(start)

    def drafts(tally: Tally) -> Iterator[Draft]:
        rows = csv.reader(_text_lines(path, tally, encoding), delimiter=delimiter)
        next(rows, None)
        for number, cells in _safely(rows, tally):
            row = {name: _first(cells, places) for name, places in columns.items()}
            if any(row.values()):
                yield from _draft(row, number, place, tally)

    return Recording(f"sales CSV ({encoding})", path, drafts, ahead=AHEAD)


def sales_encoding(raw: bytes) -> str:
    """UTF-8 or UTF-16 by mark, UTF-8 if it decodes, else GB18030."""
    try:
        raw[: len(raw) - 4 if len(raw) >= files.HEAD else len(raw)].decode("utf-8")
    except UnicodeDecodeError as error:
        cut_at_end = error.end >= len(raw) - 4
        return files.encoding_of(raw, "utf-8" if cut_at_end and len(raw) >= files.HEAD else "gb18030")
    return files.encoding_of(raw)


def _draft(row: dict[str, str], number: int, zone: tzinfo, tally: Tally) -> Iterator[Draft]:
    try:
        kind = sale_type(row.get("type", ""))
        if not kind:
            tally.ignore("cancelled or closed")
            return
        fields: dict[str, Any] = {
            "kind": "sale",
            "id": row.get("id", ""),
            "ts": sale_time(row.get("ts", ""), zone),
            "type": kind,
        }
        if row.get("sku"):
            fields["sku"] = whole(row["sku"])
        if row.get("quantity"):
            fields["quantity"] = sale_quantity(row["quantity"])
        if row.get("amount"):
            fields["amount"] = sale_amount(row["amount"])
        elif kind in {"order", "pay", "refund"}:
            raise InvalidError(f"a sale of type {kind} without an amount")
        for name in ("order", "user"):
            if row.get(name):
                fields[name] = whole(row[name].strip("\t'="))
        yield Draft(fields["ts"], number, fields)
    except InvalidError as error:
        tally.damage("a row that is no sale", f"line {number} ({error})")


def _columns(cells: list[str]) -> dict[str, list[int]]:
    """Where each field stands; several columns of one field in the order of :data:`COLUMNS`."""
    plain = [cell.strip().strip("\ufeff\"'").lower() for cell in cells]
    found = {field: [plain.index(name) for name in names if name in plain] for field, names in COLUMNS.items()}
    return {field: places for field, places in found.items() if places}


def _first(cells: list[str], places: list[int]) -> str:
    """The first of several cells that is filled: an order that nobody has paid yet has a time of order only."""
    return next((cells[place].strip() for place in places if place < len(cells) and cells[place].strip()), "")


def _cells(start: str) -> list[str]:
    return next(csv.reader([_first_line(start)], delimiter=_delimiter(start)), [])


def _delimiter(start: str) -> str:
    return max(",\t;", key=_first_line(start).count)


def _first_line(start: str) -> str:
    return re.split(r"[\r\n]", start.lstrip("\ufeff").replace("\0", ""), maxsplit=1)[0]


def _text_lines(path: Path, tally: Tally, encoding: str) -> Iterator[str]:
    """Lines as :mod:`csv` wants them: ended by a line feed, whatever the spreadsheet program ends them by."""
    rest = ""
    for piece in files.text(path, tally, encoding):
        text = rest + piece.replace("\0", "")
        held = "\r" if text.endswith("\r") else ""  # perhaps the first half of an end
        *complete, rest = text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        rest += held
        yield from (line + "\n" for line in complete)
    yield from (line + "\n" for line in rest.split("\r") if line)


def _safely(rows: Any, tally: Tally) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each ends; a row that is no CSV (a quote that never closes) is damage."""
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            tally.damage(f"no CSV: {error}", f"line {rows.line_num}")
            continue
        yield rows.line_num, cells
