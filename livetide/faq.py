"""FAQ entries in files, in the store and on their way into the log."""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from analytics.faq_mine import Said, Sentence
from livetide.console.queries import Rows
from streams.records import ALL_ROOMS, FaqEntry, InvalidError, Product, fen, yuan

FIELDS = ("room", "id", "question", "wordings", "answer", "sku", "source", "state", "valid_until", "price", "asked")
BETWEEN = " | "  # the wordings of one entry in a table
MOST_BYTES = 64_000_000
MOST_ROWS = 500_000


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """An entry as a file has it: times as ISO dates in UTC, money as decimal strings of yuan."""

    question: str
    answer: str = ""
    room: str = ""
    id: str = ""
    wordings: list[str] = []
    sku: str = ""
    source: str = "import"
    state: str = "active"
    valid_until: str = ""
    price: str = ""
    asked: int = 0


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_file(path: Path, room: str, by: str, now_ms: int) -> list[FaqEntry]:
    """The entries of a file: ``.jsonl``, one object a line, or ``.tsv`` with the names of the fields in its first line.

    ``room`` is where an entry belongs that names none. Raises ``InvalidError`` with the line that is wrong.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidError(f"{path} has more than {MOST_BYTES:,} bytes: divide it")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{path} cannot be read as UTF-8 text: {error}") from error
    lines = _of_table(text, path) if path.suffix.lower() in (".tsv", ".txt") else _of_objects(text, path)
    entries = []
    for number, line in lines:
        try:
            entries.append(entry_of(line, room, by, now_ms))
        except (InvalidError, msgspec.ValidationError) as error:
            raise InvalidError(f"{path}, line {number}: {error}") from error
    return entries


def entry_of(line: Line, room: str, by: str, now_ms: int) -> FaqEntry:
    """The record of a line. Raises ``InvalidError`` or msgspec's ``ValidationError`` for what cannot be one."""
    owner = line.room or room
    if not owner:
        raise InvalidError(f"the entry {line.question[:40]!r} names no room: give --room, or {ALL_ROOMS!r} for all rooms")
    until = moment(line.valid_until) if line.valid_until else 0
    fields = {name: getattr(line, name) for name in ("question", "answer", "wordings", "sku", "source", "state", "asked")}
    return msgspec.convert(
        fields
        | {
            "room": owner, "id": line.id or named(owner, line.question, line.sku), "event_ts": now_ms, "ingest_ts": now_ms,
            "valid_until": until, "price": fen(line.price) if line.price else 0, "by": by,
        },
        FaqEntry,
    )  # fmt: skip


def named(room: str, question: str, sku: str) -> str:
    """The id of an entry that has none: the same question of the same room and product, the same id."""
    return sha256(f"{room}\0{sku}\0{question}".encode("utf-8", "replace")).hexdigest()[:16]


def moment(text: str) -> int:
    """Epoch milliseconds of an ISO date or time; a date alone ends with its day. Raises ``InvalidError``."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"{text[:40]!r} is no date: write 2026-05-09 or 2026-05-09T12:30 (UTC)") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1000) + (86_400_000 if len(text) <= len("2026-05-09") else 0)


def line_of(entry: FaqEntry) -> dict[str, Any]:
    """An entry as a file has it."""
    until = datetime.fromtimestamp(entry.valid_until / 1000, UTC).isoformat(timespec="seconds") if entry.valid_until else ""
    given: dict[str, Any] = {name: getattr(entry, name) for name in FIELDS}
    return given | {"valid_until": until, "price": yuan(entry.price) if entry.price else ""}


def write_text(entries: Iterable[FaqEntry], *, table: bool) -> str:
    """All entries as JSON lines or as a table with tabs."""
    if not table:
        return "".join(json.dumps(line_of(entry), ensure_ascii=False) + "\n" for entry in entries)
    held = io.StringIO()
    writer = csv.writer(held, delimiter="\t", lineterminator="\n")
    writer.writerow(FIELDS)
    for entry in entries:
        line = line_of(entry) | {"wordings": BETWEEN.join(entry.wordings)}
        writer.writerow([line[name] for name in FIELDS])
    return held.getvalue()


def _of_objects(text: str, path: Path) -> list[tuple[int, Line]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append((number, msgspec.json.decode(line, type=Line)))
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
                raise InvalidError(f"{path}, line {number}: no entry: {error}") from error
    return found


def _of_table(text: str, path: Path) -> list[tuple[int, Line]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    found = []
    try:
        unknown = set(reader.fieldnames or ()) - set(FIELDS)
        if unknown or "question" not in (reader.fieldnames or ()):
            raise InvalidError(f"{path}: the first line must name the columns, of {', '.join(FIELDS)}; question at least")
        for row in reader:
            if None in row or None in row.values():
                raise InvalidError(f"{path}, line {reader.line_num}: another number of columns than the first line names")
            given: dict[str, Any] = {name: value for name, value in row.items() if value}
            given["wordings"] = [part.strip() for part in row.get("wordings", "").split(BETWEEN.strip()) if part.strip()]
            given["asked"] = int(given.get("asked", 0))
            found.append((reader.line_num, msgspec.convert(given, Line)))
    except (csv.Error, ValueError, msgspec.ValidationError) as error:
        raise InvalidError(f"{path}, line {reader.line_num}: {error}") from error
    return found


# ── The store ────────────────────────────────────────────────────────────────────────────────────────────────────────


def stored_entries(rows: Rows, room: str = "") -> list[FaqEntry]:
    """The entries as they stand, withdrawn ones left out; of one room and of all rooms, or of every room."""
    where = "AND room_id IN (%(room)s, '*')" if room else ""
    found = rows(
        f"SELECT * FROM faq_now WHERE state != 'withdrawn' {where} ORDER BY room_id, question, id",  # noqa: S608 - ours
        {"room": room},
    )
    return [entry_of_row(row) for row in found]


def entry_of_row(row: dict[str, Any]) -> FaqEntry:
    """The record that a row of ``faq_now`` was."""
    fields = {name: row[name] for name in ("id", "question", "answer", "sku", "source", "state", "asked")}
    return msgspec.convert(
        fields
        | {
            "room": row["room_id"], "wordings": list(row["wordings"]), "by": row["changed_by"], "event_ts": _ms(row["ts"]),
            "ingest_ts": _ms(row["ingest_ts"]), "valid_until": _ms(row["valid_until"]), "price": fen(str(row["price"])),
        },
        FaqEntry,
    )  # fmt: skip


def stored_products(rows: Rows) -> dict[tuple[str, str], Product]:
    """The catalogue by room and sku as its events leave it: an empty field keeps its earlier value."""
    found = rows(
        """
        SELECT room_id, sku, argMaxIf(name, ts, name != '') AS last_name, argMaxIf(price, ts, price > 0) AS last_price,
               argMaxIf(attributes, ts, notEmpty(attributes)) AS last_attributes, max(ts) AS last_ts
        FROM products GROUP BY room_id, sku HAVING argMax(type, ts) != 'withdraw'
        """,
        {},
    )
    return {
        (row["room_id"], row["sku"]): Product(
            room=row["room_id"], sku=row["sku"], event_ts=_ms(row["last_ts"]), ingest_ts=_ms(row["last_ts"]), id="", source="",
            type="show", name=row["last_name"], price=fen(str(row["last_price"])), attributes=dict(row["last_attributes"]),
        )
        for row in found
    }  # fmt: skip


def stored_questions(rows: Rows, room: str, since_ms: int) -> list[Said]:
    """The questions of past broadcasts, with what became of them and the product that was on show.

    At most :data:`MOST_ROWS`, the newest: whoever gets so many should say that there may be older ones.
    """
    found = rows(
        f"""
        SELECT chat.room_id AS room_id, chat.ts AS ts, chat.user_id AS user_id, text, status, answer
        FROM danmaku AS chat LEFT JOIN answers AS told ON told.room_id = chat.room_id AND told.source_id = chat.source_id
        WHERE chat.ts >= fromUnixTimestamp64Milli(%(since)s) {"AND chat.room_id = %(room)s" if room else ""}
          AND (status != '' OR startsWith(intent, 'ask_'))
        ORDER BY chat.ts DESC LIMIT {MOST_ROWS}
        """,  # noqa: S608 - our own constants
        {"room": room, "since": since_ms},
    )
    shown = _shown(rows, room)
    return [
        Said(row["room_id"], ts := _ms(row["ts"]), row["user_id"], row["text"], row["status"], row["answer"],
             _at(shown.get(row["room_id"], []), ts))
        for row in found
    ]  # fmt: skip


def stored_speech(rows: Rows, room: str, since_ms: int) -> list[Sentence]:
    """What was said in past broadcasts."""
    found = rows(
        f"""
        SELECT room_id, ts, text FROM speech
        WHERE ts >= fromUnixTimestamp64Milli(%(since)s) {"AND room_id = %(room)s" if room else ""}
        ORDER BY ts DESC LIMIT {MOST_ROWS}
        """,  # noqa: S608 - our own constants
        {"room": room, "since": since_ms},
    )
    return [Sentence(row["room_id"], _ms(row["ts"]), row["text"]) for row in found]


def _shown(rows: Rows, room: str) -> dict[str, list[tuple[int, str]]]:
    """By room: from when on which product was on show; empty where one was taken off."""
    found: dict[str, list[tuple[int, str]]] = {}
    asked = f"SELECT room_id, ts, sku, type FROM products {'WHERE room_id = %(room)s' if room else ''} ORDER BY ts"  # noqa: S608
    for row in rows(asked, {"room": room}):
        own = found.setdefault(row["room_id"], [])
        if row["type"] != "withdraw":
            own.append((_ms(row["ts"]), row["sku"]))
        elif own and own[-1][1] == row["sku"]:
            own.append((_ms(row["ts"]), ""))
    return found


def _at(shown: Sequence[tuple[int, str]], ts: int) -> str:
    place = bisect_right(shown, (ts, "\U0010ffff"))
    return shown[place - 1][1] if place else ""


def _ms(when: Any) -> int:
    return round(float(when.timestamp()) * 1000)
