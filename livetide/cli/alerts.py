"""``livetide alerts``: what rises in the rooms, and a person's word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from livetide.settings import Settings

app = typer.Typer(help="Opinion alerts: list, ack, resolve, silence.", add_completion=False, no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The alert's id, as `livetide alerts list` shows it.")]
COLUMNS = ("since", "room_id", "level", "topic", "state", "share", "users", "id")


def _settings(*, to_write: bool = False) -> Settings:
    from livetide.stack.state import needed

    return needed(kafka=to_write, store=True)


@app.command("list")
def list_alerts(
    room: Annotated[str, typer.Option(help="Of this room only.")] = "",
    firing: Annotated[bool, typer.Option("--firing", help="Only those that fire now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Alerts as they stand, the newest first."""
    from livetide.cli.output import show
    from livetide.console.queries import Queries
    from livetide.reading import StoreRows, reader_url

    rows = Queries(StoreRows(reader_url(_settings()))).alerts(room)
    shown = [
        row | {"since": row["started_ts"].isoformat(timespec="seconds")}
        for row in rows
        if not firing or row["state"] == "firing"
    ]
    for row in shown:
        del row["started_ts"]
        if not as_json:
            row["share"] = f"{row['share']:.1%}"
    of_room = f" of room {room}" if room else ""
    if firing and rows:
        none = f"no alert{of_room} is firing; {len(rows)} were: `livetide alerts list` shows them"
    else:
        none = f"no alerts{of_room}" + ("" if room else ": nothing has risen in any room")
    show(shown, COLUMNS, as_json=as_json, none=none)


@app.command()
def ack(identity: Id) -> None:
    """Acknowledge: somebody is on it."""
    _change(identity, "acknowledged")


@app.command()
def resolve(identity: Id) -> None:
    """Resolve: it is over."""
    _change(identity, "resolved")


@app.command()
def silence(identity: Id) -> None:
    """Silence: it is known and not worth a call."""
    _change(identity, "silenced")


def _change(identity: str, state: str) -> None:
    import getpass
    import time

    from livetide.console.queries import Queries
    from livetide.opinions import hold
    from livetide.reading import StoreRows, reader_url
    from streams.publisher import Publisher
    from streams.records import Alert, InvalidError

    settings = _settings(to_write=True)
    queries = Queries(StoreRows(reader_url(settings)))
    row = queries.alert(identity)
    if row is None:
        raise InvalidError(f"there is no alert {identity!r}: `livetide alerts list` shows them all")
    publisher = Publisher(settings.cluster())

    def write(alert: Alert) -> None:
        publisher.publish(alert)

    now = hold(row, state, getpass.getuser(), write=write, shown=queries, clock=lambda: time.time_ns() // 1_000_000)
    typer.echo(_told(identity, state, now))


def _told(identity: str, state: str, now: dict[str, Any] | None) -> str:
    """What holds after a person's word."""
    if now is None:
        return f"{identity} will be {state}: it is written, and the store does not show it yet"
    if now["state"] == state:
        return f"{identity} is {state} at level {now['level']}"
    return f"{identity} was {state}, and is {now['state']} at level {now['level']} by what came after it"
