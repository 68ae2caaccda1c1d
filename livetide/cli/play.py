"""``livetide play``: a recording or a simulation into the gateway, with progress, and a summary of what was refused."""

from __future__ import annotations

import asyncio
import json as json_format
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from livetide.cli.errors import FAILED, USAGE, explain

if TYPE_CHECKING:
    from rich.console import Console

    from livetide.playing import Opened, Plan
    from livetide.settings import Settings
    from streams.sources.player import Progress

EXIT_STOPPED = 130
EXIT_REFUSED = 4


def play(
    source: Annotated[
        str, typer.Argument(help="A chat or sales recording, a video file, a playlist or RTMP URL, or sim:SEED.")
    ],
    room: Annotated[str, typer.Option(help="The room to play it into.")],
    speed: Annotated[str, typer.Option(help="Times real time, or max: as fast as the gateway takes it.")] = "1",
    gateway: Annotated[str, typer.Option(help="Address of the gateway. Empty: the running stack's.")] = "",
    key: Annotated[str, typer.Option(envvar="LIVETIDE_ROOM_KEY", help="The room's key. Empty: this installation's.")] = "",
    source_name: Annotated[str, typer.Option(help="Name under which the gateway takes it. Empty: the recording's.")] = "",
    time: Annotated[str, typer.Option(help="original, now (move it to begin now) or live (to end now).")] = "original",
    start: Annotated[str, typer.Option(help="When the recording's position zero was, ISO or epoch ms.")] = "",
    zone: Annotated[str, typer.Option(help="What spreadsheet times without a zone mean.")] = "+08:00",
    minutes: Annotated[float | None, typer.Option(help="Length of a simulated room.")] = None,
    rate: Annotated[float | None, typer.Option(help="Chat messages a second of a simulated room.")] = None,
    video: Annotated[bool, typer.Option(help="Publish the source's video too.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the last run of this recording stopped.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Play a recording or a simulation into a room.

    Ctrl-C stops it cleanly; --resume goes on, and nothing is doubled. Exit codes: 0 everything arrived (or had arrived before),
    4 something was refused or could not be read (the summary says what; of a simulation only what it did not plant), 2 the
    source or an option is wrong, 1 the gateway gave no answer, 130 stopped.
    """
    from rich.console import Console

    from livetide import addresses
    from livetide.playing import Plan
    from livetide.stack.state import NotRunningError, connected
    from streams.records import InvalidError

    screen = Console(stderr=True)
    settings = connected()
    try:
        if time not in {"original", "now", "live"}:
            raise InvalidError(f"--time {time}: it is original, now or live")
        plan = Plan(
            uri=source,
            room=named("--room", room),
            gateway=gateway or addresses.gateway(settings),
            key=key,
            speed=speed_of(speed),
            time=cast(Literal["original", "now", "live"], time),
            source_name=source_name and named("--source-name", source_name),
            start_ms=start_of(start),
            zone=zone,
            resume=resume,
            video=video,
            simulation={name: value for name, value in (("minutes", minutes), ("rate", rate)) if value is not None},
        )
        opened, progress, failure = asyncio.run(
            _play(plan, settings, screen, quiet=json or not sys.stderr.isatty(), elsewhere=bool(gateway))
        )
    except NotRunningError:
        raise
    except InvalidError as error:
        screen.print(explain(error)[0], style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(USAGE) from None
    summary = summarised(opened, progress, failure)
    if json:
        typer.echo(json_format.dumps(summary, ensure_ascii=False))
    else:
        _tell(screen, summary)
    raise typer.Exit(exit_code(summary))


def named(option: str, name: str) -> str:
    """A name of a room or a source that the gateway takes. Raises ``InvalidError`` in the gateway's own words."""
    from streams.gateway.border import check_name
    from streams.gateway.refused import RefusedError
    from streams.records import InvalidError

    try:
        return check_name(option, name)
    except RefusedError as error:
        raise InvalidError(error.reason) from None


def speed_of(text: str) -> float | None:
    """The multiple of real time; None for ``max``. Raises ``InvalidError``."""
    from streams.records import InvalidError

    if text == "max":
        return None
    try:
        speed = float(text.lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 10_000:
        raise InvalidError(f"--speed {text}: it is a number above 0 (times real time), or max")
    return speed


def start_of(text: str) -> int | None:
    """Epoch milliseconds of ``--start``. Raises ``InvalidError``."""
    from streams.records import InvalidError

    if not text:
        return None
    if re.fullmatch(r"\d{12,14}", text):
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidError(f"--start {text}: it is a time such as 2026-11-24T20:00:00+08:00, or epoch milliseconds") from error
    if time.tzinfo is None:
        raise InvalidError(f"--start {text}: say in which zone, such as {text}+08:00")
    return round(time.timestamp() * 1000)


def summarised(opened: Opened, progress: Progress, failure: str) -> dict[str, Any]:
    """The outcome as ``--json`` prints it."""
    counts, tally = progress.counts, opened.tally
    return {
        "dialect": opened.source.dialect,
        "source": opened.name,
        "finished": progress.finished,
        "failure": failure,
        "played": progress.played,
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "rejected": counts.rejected,
        "reasons": dict(counts.reasons),
        "first_rejected": counts.first,
        "sent_again": counts.sent_again,
        "ignored": dict(tally.ignored),
        "damaged": dict(tally.damaged),
        "first_damaged": tally.examples,
        "late": tally.late,
        "media_segments": progress.media,
        "planted": _planted(opened),
    }


def _planted(opened: Opened) -> dict[str, int]:
    """How many unreadable events and repeats a simulation sends on purpose, in all of it; empty for a recording."""
    truth = getattr(opened.source, "truth", None)
    if truth is None:
        return {}
    planted = truth()
    return {"poison": len(planted.poison), "duplicates": sum(planted.duplicates.values())}


def exit_code(summary: dict[str, Any]) -> int:
    """What ``livetide play`` exits with."""
    if summary["failure"]:
        return FAILED
    if not summary["finished"]:
        return EXIT_STOPPED
    refused = summary["rejected"] or summary["damaged"]
    return EXIT_REFUSED if refused and not _as_planted(summary) else 0


def _as_planted(summary: dict[str, Any]) -> bool:
    """Whether what was refused is what a simulation planted to be refused."""
    planted = summary["planted"]
    return bool(planted) and summary["rejected"] == planted["poison"] and not summary["damaged"]


async def _play(
    plan: Plan, settings: Settings, screen: Console, *, quiet: bool, elsewhere: bool
) -> tuple[Opened, Progress, str]:
    from livetide.playing import keep_truth, media_of, open_plan, play, positions_folder
    from livetide.stack.state import needed
    from streams.records import FatalError, RetryError
    from streams.sources.player import Progress
    from streams.sources.posting import now_ms

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    opened = await asyncio.to_thread(open_plan, plan, positions_folder(settings), now_ms())
    if not elsewhere or (plan.video and hasattr(opened.source, "media")):
        needed(kafka=True)  # or the room's key, or Kafka's password, would go to whoever holds the port
    screen.print(f"{plan.uri}: {opened.source.dialect} → room {plan.room}, as {opened.name}", markup=False, soft_wrap=True)
    if truth := await asyncio.to_thread(keep_truth, opened, settings, plan.room):
        screen.print(f"what is planted: {truth}", markup=False, soft_wrap=True)
    last = Progress(played=opened.played)

    def shown(progress: Progress) -> None:
        nonlocal last
        last = progress
        show(progress)

    try:
        with ExitStack() as held, screen.status("preparing the video") if not quiet else nullcontext():
            media = await asyncio.to_thread(held.enter_context, media_of(plan, opened, settings))
            video = held.pop_all()
        with video, _shown(screen, opened, quiet) as show:
            last = await play(plan, opened, settings, stop=stop, clock=now_ms, on_progress=shown, media=media)
    except (RetryError, FatalError) as error:
        return opened, last, str(error)
    return opened, last, ""


@contextmanager
def _shown(screen: Console, opened: Opened, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Progress on the terminal; nothing when ``quiet``."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    total = opened.outline.events if opened.outline else None
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f}%") if total else TextColumn(""), MofNCompleteColumn())
    with Bars(*columns, TextColumn("{task.description}"), TimeElapsedColumn(), console=screen, disable=quiet) as bars:
        task = bars.add_task("", total=total, completed=opened.played)

        def show(progress: Progress) -> None:
            words = _words(progress, bars.tasks[0].speed or 0)
            bars.update(task, completed=progress.played, description=words.replace("[", r"\["))

        yield show


def _words(progress: Progress, rate: float) -> str:
    counts = progress.counts
    words = [f"{rate:,.0f}/s", f"{counts.accepted:,} accepted", f"{counts.duplicates:,} duplicates"]
    if counts.rejected:
        reason, number = counts.reasons.most_common(1)[0]
        words.append(f"{counts.rejected:,} refused ({number:,}: {reason[:40]})")
    if progress.media:
        words.append(f"{progress.media:,} video segments")
    if counts.waiting:
        words.append(f"waiting: {counts.waiting[:60]}")
    return ", ".join(words)


def _tell(screen: Console, summary: dict[str, Any]) -> None:
    def line(text: str, style: str = "") -> None:
        screen.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    line(f"{summary['played']:,} events played: {summary['accepted']:,} accepted, {summary['duplicates']:,} duplicates")
    if summary["media_segments"]:
        line(f"{summary['media_segments']:,} video segments published")
    for reason, number in summary["ignored"].items():
        line(f"  {number:,} left out: {reason}")
    if summary["late"]:
        line(f"  {summary['late']:,} came late: the file is too far out of order")
    for reason, number in summary["damaged"].items():
        line(f"  {number:,} could not be read: {reason}", "yellow")
    for example in summary["first_damaged"][:3]:
        line(f"    {example}")
    for reason, number in summary["reasons"].items():
        line(f"  {number:,} refused: {reason}", "yellow")
    for example in summary["first_rejected"][:3]:
        line(f"    {example}")
    if planted := summary["planted"]:
        line(
            f"  a simulation plants {planted['poison']:,} events that must be refused and {planted['duplicates']:,} repeats: "
            + ("exactly those came" if _as_planted(summary) else "what came is something else")
        )
    if summary["failure"]:
        line(summary["failure"], "red")
    elif not summary["finished"]:
        line("Stopped. Go on with the same command and --resume.")
