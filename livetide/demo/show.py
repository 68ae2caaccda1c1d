"""The demo from start to end: the stack, the room, the wait until all has come through, the summary."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console as Screen
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from livetide import addresses
from livetide.demo.findings import Findings, find
from livetide.demo.frames import is_exact
from livetide.demo.receiver import Receiver
from livetide.demo.report import commands, table
from livetide.demo.summary import Line, compare, lost, still_to_come
from livetide.playing import Opened, Plan, keep_truth, open_plan, play, positions_folder
from livetide.reading import StoreRows, reader_url
from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, Status, statuses
from streams.lag import group_lags
from streams.publisher import Publisher
from streams.records import FatalError, LivetideError, RetryError
from streams.segments import SegmentStore
from streams.sources.simulator import Simulation
from streams.sources.simulator.truth import Truth

SETTLE_S = 120.0
"""How long the pipeline may take to finish after the last event: the last highlight is decided by the room's silence."""
QUIET_CHECKS = 3


@dataclass(frozen=True)
class Show:
    """What to show: a room of ``minutes`` from ``seed``, played at ``speed`` times real time."""

    seed: int = 7
    minutes: float = 6.0
    speed: float = 6.0
    keep_open: bool = True


def run(show: Show, given: Settings, screen: Screen) -> bool:
    """Show it. True when nothing planted was lost. Raises ``LivetideError`` when it cannot be shown."""
    given.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = given.data / "demo"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(data), _receiver(data) as receiver:
        webhook = {"webhook_url": receiver.url, "webhook_secret": load_secrets(data)["webhook_secret"]}
        stack = Stack(Settings(**(given.model_dump(exclude_unset=True) | webhook | {"data": data})))
        stack.down()  # what an interrupted demo left behind
        began = time.monotonic()
        for number in _endings():
            signal.signal(number, _asked_to_end)
        try:
            settings = _start(stack, screen)
            good = _perform(show, settings, receiver, screen, began)
            if show.keep_open:
                _stay_open(screen)
        finally:
            with contextlib.suppress(OSError):  # the terminal may be gone
                screen.print("Stopping the stack …")
            stack.down()
    return good


def _endings() -> list[signal.Signals]:
    """How the demo is asked to end: by a service manager, by the closing of its terminal. What `nohup` ignores stays so."""
    return [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]


def _asked_to_end(number: int, _frame: object) -> NoReturn:
    """The demo ends as by Ctrl-C: with its stack. Once is enough: a second signal must not break off the ending."""
    for one in _endings():
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _start(stack: Stack, screen: Screen) -> Settings:
    from livetide.cli.up import fetch_broker

    screen.rule("1  Kafka, ClickHouse and the processes")
    began = time.monotonic()
    fetch_broker(stack.settings)
    told: set[str] = set()

    def watch(statuses: list[Status]) -> None:
        for status in statuses:
            if status.state in ("ready", "done") and status.name not in told:
                told.add(status.name)
                screen.print(f"  [green]✓[/] {status.name} after {time.monotonic() - began:.1f} s")

    return stack.up(watch).settings(stack.settings)


def _perform(show: Show, settings: Settings, receiver: Receiver, screen: Screen, began: float) -> bool:
    room = f"demo-{show.seed}-{time.strftime('%H%M%S')}"
    plan = Plan(
        f"sim:{show.seed}", room, addresses.gateway(settings), speed=show.speed, time="live",
        simulation={"minutes": show.minutes},
    )  # fmt: skip
    opened = open_plan(plan, positions_folder(settings), _now())
    simulation = opened.source
    assert isinstance(simulation, Simulation)
    truth = simulation.truth()
    truth_path = keep_truth(opened, settings, room)
    assert truth_path
    screen.rule(f"2  A room of {show.minutes:g} minutes at {show.speed:g} times its speed")
    _play(plan, opened, settings, screen)
    address = reader_url(settings)
    rows, raw = StoreRows(address), StoreRows(address, raw=True)
    screen.rule("3  Waiting until everything has come through")
    found = _settled(lambda: find(rows, raw, room), truth, settings, screen)
    delivered = [one for one in receiver.delivered.values() if f":{room}:" in one.id]
    lines = compare(truth, found, delivered, _exact_clips(truth, found, settings.data / "clips"))
    screen.rule("4  Planted against found")
    _print_table(lines, screen)
    for status in statuses(settings.data):
        if status.state == "failed":
            log = settings.data / "logs" / f"{status.name}.log"
            screen.print(
                f"[red]the process {status.name} was given up: {escape(status.reason)}[/] (log: {log})", soft_wrap=True
            )
    failed = lost(lines)
    verdict = f"[red]{len(failed)} of {len(lines)} lines lost something" if failed else "[green]nothing planted was lost"
    screen.print(f"{verdict}[/] ({time.monotonic() - began:.0f} s in all)")
    _where(settings, room, found, truth_path, screen, stays=show.keep_open)
    return not failed


def _play(plan: Plan, opened: Opened, settings: Settings, screen: Screen) -> None:
    simulation = opened.source
    assert isinstance(simulation, Simulation)
    publisher = Publisher(settings.cluster(), patient=True)  # its video is not drawn twice
    columns = (TextColumn("  {task.description:34}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    with Progress(*columns, console=screen) as bars:
        drawing = bars.add_task("drawing the room's video (once)", total=1.0)
        media = simulation.media(
            SegmentStore(settings.segment_folder), publisher, plan.room,
            lambda done, total: bars.update(drawing, completed=done, total=total),
        )  # fmt: skip
        bars.update(drawing, completed=bars.tasks[0].total or 1)
        playing = bars.add_task("playing", total=opened.outline.events if opened.outline else None)

        def progressed(progress: Any) -> None:
            counts = progress.counts
            words = f"{counts.accepted:,} in, {counts.rejected} refused, {progress.media} video"
            bars.update(playing, completed=progress.played, description=words)

        async def go() -> None:
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
            progress = await play(plan, opened, settings, stop=stop, clock=_now, on_progress=progressed, media=media)
            if not progress.finished:
                raise FatalError("the demo was stopped")

        asyncio.run(go())
    publisher.flush()


def _settled(look: Callable[[], Findings], truth: Truth, settings: Settings, screen: Screen) -> Findings:
    """What came out, once every group has read everything and every highlight is decided; or what there is by then."""
    until, quiet = time.monotonic() + SETTLE_S, 0
    cluster = settings.cluster()
    with screen.status("  reading the log to its end") as status:
        while True:
            with contextlib.suppress(RetryError):
                behind = {f"{group} on {topic}": n for (group, topic), n in group_lags(cluster).items() if n}
                found = look()
                waiting = still_to_come(truth, found)
                quiet = quiet + 1 if not behind and not waiting else 0
                status.update("  " + (waiting or ", ".join(list(behind)[:3]) or "all read"))
                if quiet >= QUIET_CHECKS:
                    return found
            if time.monotonic() > until:
                return look()
            time.sleep(0.5)


def _exact_clips(truth: Truth, found: Findings, folder: Path) -> int | None:
    ready = [clip for clip in found.clips if clip["status"] == "ready"]
    return sum(is_exact(truth, clip, folder / clip["path"]) for clip in ready) if ready else None


def _print_table(lines: list[Line], screen: Screen) -> None:
    styles = {True: None, False: "red", None: None}
    for text, ok in table(lines, screen.width):
        screen.print(Text(text, style=styles[ok] or ""), soft_wrap=True)


def _where(settings: Settings, room: str, found: Findings, truth_path: Path, screen: Screen, *, stays: bool) -> None:
    def line(text: str) -> None:
        screen.print(text, soft_wrap=True, highlight=False, markup=False)

    screen.rule("Where to look next")
    for clip in found.clips:
        if clip["status"] == "ready":
            line(f"  clip      {settings.data / 'clips' / clip['path']}")
    if found.spoken:
        line(f"  speech    {settings.data / 'speech' / found.spoken[0]['path']}")
    line(f"  planted   {truth_path}")
    if stays:
        password = load_secrets(settings.data)["console_password"]
        line(f"  console   {addresses.console(settings)}   password {password}")
    for text in commands(settings.data.absolute(), room, stays=stays):
        line(text)


def _stay_open(screen: Screen) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, *_endings()):
        signal.signal(number, lambda *_: stop.set())
    screen.print("[bold]The stack stays up until Ctrl-C.[/]")
    stop.wait()


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    with (data / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LivetideError(
                f"a demo runs already on {data}: end it with Ctrl-C, or set LIVETIDE_DATA for another"
            ) from error
        yield


@contextlib.contextmanager
def _receiver(data: Path) -> Iterator[Receiver]:
    receiver = Receiver(load_secrets(data)["webhook_secret"])
    try:
        yield receiver
    finally:
        receiver.stop()


def _now() -> int:
    return time.time_ns() // 1_000_000
