"""``livetide up``: what it downloads it shows, then it waits for every process and says where things are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from livetide.settings import Settings
    from livetide.stack import StackState, Status


def up(
    workers: int | None = typer.Option(
        None, min=1, max=64, help="How many workers share the partitions. Default: LIVETIDE_WORKERS, or 1."
    ),
    timeout: float = typer.Option(180.0, help="Seconds to wait until everything is ready."),
) -> None:
    """Start the one-machine stack (Kafka, the store and every process) and wait until it is ready.

    The first time it downloads the Kafka broker's jars (43 MB) into a cache. Harmless when the stack is up already.
    """
    from livetide.settings import Settings
    from livetide.stack import Stack
    from streams.records import RetryError

    settings = Settings(workers=workers) if workers else Settings()
    stack = Stack(settings)
    begun, was_up = time.monotonic(), stack.state() is not None
    if not was_up:
        fetch_broker(settings)
    hint = _other_settings(stack.changed()) if was_up else ""
    try:
        with progress() as watch:
            state = stack.up(watch, timeout)
    except RetryError as error:
        raise RetryError(f"{error}. {hint}".rstrip(". ")) from error
    if hint:
        typer.echo(f"livetide: {hint}", err=True)
    typer.echo("the stack is up already" if was_up else f"the stack is ready after {time.monotonic() - begun:.1f} s")
    for line in places(state):
        typer.echo(line)


def _other_settings(names: list[str]) -> str:
    """What to say when the running stack was started with other settings than are given now."""
    if not names:
        return ""
    return (
        f"The stack runs with what it was started with, and {', '.join(names)} differ now: `livetide down`, then `livetide up`"
    )


def places(state: StackState) -> list[str]:
    """Where everything is, for people."""
    rows = {
        "console": state.console,
        "gateway": f"{state.gateway} (documentation at /docs; `livetide key ROOM` prints a room's keys)",
        "kafka": state.kafka,
        "clickhouse": state.clickhouse + (f", {state.clickhouse_http}" if state.clickhouse_http else ""),
        "data": f"{state.data} (logs/, clips/, speech/)",
        "passwords": "`livetide status --secrets` shows them",
    }
    return [f"  {name:11} {value}" for name, value in rows.items()]


def fetch_broker(settings: Settings) -> None:
    """Fetch the embedded broker's jars, with a progress bar, if they are needed and not there."""
    from streams.broker import jars

    if settings.kafka or not (needed := jars.missing(settings.cache)):
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("Kafka broker"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("jars", total=sum(jar.size for jar in needed))
        jars.ensure(settings.cache, fetch=jars.from_maven(settings.maven), advance=lambda size: bar.advance(task, size))


@contextmanager
def progress() -> Iterator[Callable[[list[Status]], None]]:
    """Shows how the processes come up: one changing line on a terminal, else a line when each is ready."""
    if not sys.stderr.isatty():
        told: set[str] = set()

        def tell(statuses: list[Status]) -> None:
            for status in statuses:
                if status.state in ("ready", "done") and status.name not in told:
                    told.add(status.name)
                    typer.echo(f"  {status.name} is {status.state}", err=True)

        yield tell
        return
    from rich.console import Console

    marks = {"ready": "[green]✓[/]", "done": "[green]✓[/]", "failed": "[red]✗[/]", "starting": "…", "pausing": "[yellow]↻[/]"}
    with Console(stderr=True).status("starting") as line:
        yield lambda statuses: line.update("  ".join(f"{s.name} {marks.get(s.state, '·')}" for s in statuses))
