"""``livetide faq``: questions and answers from past broadcasts and files, checked before they answer anybody."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analytics.faq_mine import Said
    from livetide.reading import StoreRows
    from livetide.settings import Settings
    from streams.records import FaqEntry

app = typer.Typer(
    help="FAQ entries: mine, check, import, export, coverage, withdraw.", add_completion=False, no_args_is_help=True
)

Room = Annotated[str, typer.Option(help="Of this room only.")]
Since = Annotated[str, typer.Option(help="Not older than: a UTC time such as 2026-05-09T12:30, or an age such as 12h, 7d.")]
Least = Annotated[int, typer.Option(min=2, help="How often a question must come in one broadcast.")]
Encoder = Annotated[str, typer.Option(help="static, semantic, lexical, or the file or folder of an encoder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Entries as JSON lines (.jsonl) or a table with tabs (.tsv).")]
Out = Annotated[Path | None, typer.Option(help="Write to this file, .jsonl or .tsv. Default: JSON lines on stdout.")]
BadRoom = "Which room the entries belong to that name none; * is all rooms of the shop."


def _settings(*, to_write: bool = False) -> Settings:
    from livetide.stack.state import needed

    return needed(kafka=to_write, store=not to_write)


def _rows() -> StoreRows:
    from livetide.reading import StoreRows, reader_url

    return StoreRows(reader_url(_settings()), timeout=120.0)


def _now() -> int:
    import time

    return time.time_ns() // 1_000_000


def _since(text: str) -> int:
    from livetide.cli.deadletters import moment

    return moment(text, _now()) if text else 0


@app.command()
def mine(
    room: Room = "",
    since: Since = "30d",
    least: Least = 3,
    encoder: Encoder = "static",
    out: Out = None,
) -> None:
    """Draft entries from what viewers asked again and again in past broadcasts, with what was said to it.

    Nothing answers anybody before a person has read it: look the file through, set `state` to active where the answer is
    right, and `livetide faq import` it; or import the drafts as they are and review them in the console.
    """
    from analytics.encoders import load_encoder
    from analytics.faq_mine import drafts, repeated
    from livetide.faq import stored_speech

    rows, encode = _rows(), load_encoder(encoder)
    questions = _questions(rows, room, since)
    groups = repeated(questions, encode, least)
    made = drafts(groups, stored_speech(rows, room, _since(since)), encode, _now())
    _write(made, out)
    with_answer = sum(bool(entry.answer) for entry in made)
    typer.echo(
        f"{len(questions)} questions, {len(groups)} asked {least} times or more in a broadcast, {len(made)} of them without a "
        f"certain answer: {len(made)} drafts, {with_answer} with what was said to it",
        err=True,
    )


@app.command("import")
def import_file(
    file: File,
    room: Annotated[str, typer.Option(help=BadRoom)] = "",
    force: Annotated[bool, typer.Option("--force", help="Also where `check` finds something wrong.")] = False,
) -> None:
    """Send the entries of a file into the log: the workers answer with them from then on; drafts wait in the console.

    An entry replaces the one with its id; one without an id gets that of its room, product and question. With the state
    withdrawn it takes it away.
    """
    import getpass

    from livetide.cli.errors import FAILED
    from livetide.faq import read_file
    from streams.publisher import Publisher

    entries = read_file(file, room, getpass.getuser(), _now())
    wrong = [one for one in _problems(entries, None, "static") if one["kind"] in ("invalid", "double", "contradiction")]
    if wrong and not force:
        for one in wrong:
            typer.echo(f"{one['kind']}: {one['says']}", err=True)
        typer.echo(
            f"nothing was imported: {len(wrong)} problems (`livetide faq check {file}`); --force imports it all", err=True
        )
        raise typer.Exit(FAILED)
    publisher = Publisher(_settings(to_write=True).cluster())
    for entry in entries:
        publisher.send(entry)
    publisher.flush()
    typer.echo(f"imported {len(entries)} entries")


@app.command()
def export(room: Room = "", out: Out = None) -> None:
    """The entries as they stand, drafts too, withdrawn ones not; with --room those of all rooms as well."""
    from livetide.faq import stored_entries

    _write(stored_entries(_rows(), room), out)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Entries as in import. Default: those in the store.")
    ] = None,
    room: Annotated[str, typer.Option(help=BadRoom)] = "",
    no_catalogue: Annotated[
        bool, typer.Option("--no-catalogue", help="Leave prices unchecked: no store is needed for a file.")
    ] = False,
    encoder: Encoder = "static",
    as_json: AsJson = False,
) -> None:
    """Find doubles, contradictions, prices that no longer hold against the catalogue, and entries out of date.

    Exit code 1 when something is wrong.
    """
    import getpass

    from livetide.cli.errors import FAILED
    from livetide.cli.output import show
    from livetide.faq import read_file, stored_entries

    rows = None if file and no_catalogue else _rows()
    if file is None:
        assert rows is not None
        entries = stored_entries(rows, room)
    else:
        entries = read_file(file, room, getpass.getuser(), _now())
    found = _problems(entries, None if no_catalogue else rows, encoder)
    show(found, ("kind", "room", "id", "other", "says"), as_json=as_json, none=f"{len(entries)} entries, nothing wrong")
    if found:
        raise typer.Exit(FAILED)


@app.command()
def coverage(
    room: Room = "", since: Since = "30d", least: Least = 3, encoder: Encoder = "static", as_json: AsJson = False
) -> None:
    """How many of the questions that came again and again in a broadcast were answered, or an answer proposed."""
    from datetime import UTC, datetime

    from analytics.encoders import load_encoder
    from analytics.faq_mine import coverage as covered
    from livetide.cli.output import show

    found = covered(_questions(_rows(), room, since), load_encoder(encoder), least)
    shown = [
        {
            "broadcast": datetime.fromtimestamp(one.begin / 1000, UTC).isoformat(timespec="seconds"), "room": one.room,
            "repeated": one.repeated, "given": one.given, "proposed": one.proposed,
            "share": round(one.share, 4) if as_json else f"{one.share:.0%}",
        }
        for one in sorted(found, key=lambda one: (-one.begin, one.room))
    ]  # fmt: skip
    show(
        shown, ("broadcast", "room", "repeated", "given", "proposed", "share"), as_json=as_json,
        none="no question came again and again",
    )  # fmt: skip


@app.command()
def withdraw(
    identity: Annotated[str, typer.Argument(metavar="ID", help="The entry's id, as `livetide faq export` shows it.")],
    room: Annotated[str, typer.Option(help="The room it belongs to, where several have that id; * for all rooms.")] = "",
) -> None:
    """Take an entry away: nobody is told it any more."""
    import getpass

    from msgspec.structs import replace

    from livetide.faq import stored_entries
    from streams.publisher import Publisher
    from streams.records import InvalidError

    found = [one for one in stored_entries(_rows()) if one.id == identity and room in ("", one.room)]
    if len(found) != 1:
        where = ", ".join(entry.room for entry in found)
        raise InvalidError(
            f"rooms {where} have an entry {identity!r}: give --room" if found else f"there is no entry {identity!r}"
        )
    now = _now()
    gone = replace(found[0], state="withdrawn", event_ts=now, ingest_ts=now, by=getpass.getuser())
    Publisher(_settings(to_write=True).cluster()).publish(gone)
    typer.echo(f"{identity} is withdrawn: {gone.question}")


def _questions(rows: StoreRows, room: str, since: str) -> list[Said]:
    """What viewers asked; where that is more than is read at once, it is told that the older ones are left out."""
    from livetide.faq import MOST_ROWS, stored_questions

    found = stored_questions(rows, room, _since(since))
    if len(found) == MOST_ROWS:
        typer.echo(f"only the newest {MOST_ROWS:,} questions are read: give a later --since, or one --room", err=True)
    return found


def _problems(entries: list[FaqEntry], rows: StoreRows | None, encoder: str) -> list[dict[str, Any]]:
    from analytics.encoders import load_encoder
    from analytics.faq_check import problems
    from livetide.faq import stored_products

    found = problems(entries, stored_products(rows) if rows else None, load_encoder(encoder), _now())
    return [problem._asdict() for problem in found]


def _write(entries: list[FaqEntry], out: Path | None) -> None:
    from livetide.faq import write_text

    text = write_text(entries, table=out is not None and out.suffix.lower() in (".tsv", ".txt"))
    if out is None:
        sys.stdout.write(text)
    else:
        part = out.with_name(f".{out.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(out)
        typer.echo(f"{out}: {len(entries)} entries", err=True)
