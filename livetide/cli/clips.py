"""``livetide clips``: the finished clips, and where they lie."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Finished highlight clips: list, copy.", add_completion=False, no_args_is_help=True)

COLUMNS = ("start", "room_id", "seconds", "title", "status", "file", "id")


@app.command("list")
def list_clips(
    room: Annotated[str, typer.Option(help="Of this room only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Clips, the newest first; a failed one with its reason."""
    from livetide.cli.output import show
    from livetide.console.queries import Queries
    from livetide.reading import StoreRows, reader_url
    from livetide.stack.state import needed

    settings = needed(store=True)
    rows = []
    for clip in Queries(StoreRows(reader_url(settings))).clips(room):
        file = str(settings.data / "clips" / clip.pop("path")) if clip["status"] == "ready" else ""
        rows.append(clip | {"start": clip.pop("ts").isoformat(), "seconds": clip["duration_ms"] / 1000, "file": file})
    none = f"no clips{f' of room {room}' if room else ''}: one is cut when a highlight is final and its video was recorded"
    show(rows, COLUMNS, as_json=as_json, none=none)


@app.command()
def copy(
    identity: Annotated[str, typer.Argument(help="The clip's id, as `livetide clips list` shows it.")],
    target: Annotated[str, typer.Argument(help="A file or a folder.")],
) -> None:
    """Copy a finished clip to a place of your own."""
    import shutil

    from livetide.console.queries import Queries
    from livetide.reading import StoreRows, reader_url
    from livetide.stack.state import needed
    from streams.records import InvalidError

    settings = needed(store=True)
    path = Queries(StoreRows(reader_url(settings))).clip_path(identity)
    if path is None:
        raise InvalidError(f"there is no finished clip {identity!r}: `livetide clips list` shows them all")
    typer.echo(shutil.copy(settings.data / "clips" / path, target))
