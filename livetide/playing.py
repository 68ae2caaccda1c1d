"""Playing a recording or a simulation into the gateway: what is decided before the player starts, and what is reported after.

The command ``livetide play`` and the demo share it. Times: ``original`` keeps the recording's own, ``now`` moves it so that it
begins now, ``live`` so that it ends now. A simulation and a video have no time of their own; for them ``original`` is a fixed
day.

The same recording played twice under one source name is harmless, since its ids are the same. Moved to another time it is
another performance, so its source name then carries the time, unless one is given.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from livetide.settings import Settings, load_secrets
from streams.gateway import generations
from streams.gateway.auth import bearer_key
from streams.records import InvalidError
from streams.sources import position as kept
from streams.sources.base import MediaFeed, Source, Tally
from streams.sources.media import MediaFile
from streams.sources.opening import MEDIA_URL, open_source
from streams.sources.player import Player, Progress
from streams.sources.posting import Poster, Sleep
from streams.sources.sales_csv import ZONE

ORIGINAL_DAY = 1_767_225_600_000  # 2026-01-01T00:00:00Z
OUTLINED_BYTES = 256 << 20
"""Larger files are not read through beforehand: they are played without a percentage."""


@dataclass
class Plan:
    """What to play and how. ``speed`` None is as fast as it is taken. ``key`` empty is this installation's key of the room."""

    uri: str
    room: str
    gateway: str
    key: str = ""
    speed: float | None = 1.0
    time: Literal["original", "now", "live"] = "original"
    source_name: str = ""
    start_ms: int | None = None
    zone: str = ZONE
    resume: bool = False
    video: bool = True
    simulation: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outline:
    """A source read through: how many events, from when to when."""

    events: int = 0
    first_at: int = 0
    last_at: int = 0


@dataclass
class Opened:
    """A source ready to play: moved by ``shift_ms``, its first ``played`` events answered for."""

    source: Source
    name: str
    shift_ms: int
    base_ts: int
    played: int = 0
    outline: Outline | None = None

    @property
    def tally(self) -> Tally:
        """What reading it left out; empty for a source that leaves nothing out."""
        found = getattr(self.source, "tally", None)
        return found if isinstance(found, Tally) else Tally()


def open_plan(plan: Plan, positions: Path, now_ms: int) -> Opened:
    """Open the source of ``plan`` and settle its name, its time and where to begin.

    Raises ``InvalidError`` for what cannot be opened, and for a resume that does not fit what was played before.
    """
    before = _before(plan, positions)
    timed = plan.uri.startswith("sim:")
    base_ts = before.base_ts if before else _base(plan, now_ms)
    options = {**plan.simulation, "base_ts": base_ts} if timed else {}
    source = open_source(plan.uri, start_ms=plan.start_ms, zone=plan.zone, **options)
    if isinstance(source, MediaFile):
        base_ts = before.base_ts if before else _begin_of_video(plan, source, now_ms)
        source, timed = open_source(plan.uri, start_ms=base_ts), True
    outline = outlined(source) if _worth_outlining(plan.uri) else None
    if before:
        return Opened(source, before.source, before.shift_ms, base_ts, before.played, outline)
    shift_ms = 0 if timed or plan.time == "original" else _shift(plan, outline, now_ms)
    return Opened(source, plan.source_name or _name(plan.uri, shift_ms, now_ms), shift_ms, base_ts, 0, outline)


async def play(
    plan: Plan,
    opened: Opened,
    settings: Settings,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int],
    on_progress: Callable[[Progress], None] = lambda progress: None,
    media: MediaFeed | None = None,
    client: httpx.AsyncClient | None = None,
    sleep: Sleep = asyncio.sleep,
) -> Progress:
    """Play ``opened`` to its end or until ``stop``, keeping the position. Gives up by ``RetryError`` or ``FatalError``."""
    path = kept.position_path(positions_folder(settings), plan.uri, plan.room)
    position = kept.Position(
        uri=plan.uri,
        room=plan.room,
        source=opened.name,
        print=_print(plan),
        played=opened.played,
        shift_ms=opened.shift_ms,
        base_ts=opened.base_ts,
    )
    saved_at = 0

    def noted(progress: Progress, *, at_once: bool = False) -> None:
        nonlocal saved_at
        position.played = progress.played
        if at_once or clock() - saved_at >= 1000:
            kept.save(path, position)
            saved_at = clock()

    def progressed(progress: Progress) -> None:
        noted(progress)
        on_progress(progress)

    key = plan.key or _own_key(settings, plan.room)
    async with _client(plan.gateway, client) as http:
        poster = Poster(http, plan.gateway, plan.room, key, opened.name, stop=stop, clock=clock, sleep=sleep)
        player = Player(
            opened.source,
            poster,
            clock=clock,
            stop=stop,
            sleep=sleep,
            speed=plan.speed,
            shift_ms=opened.shift_ms,
            skip=opened.played,
            media=media,
            on_progress=progressed,
        )
        try:
            await player.run()
        finally:
            position.finished = player.progress.finished
            noted(player.progress, at_once=True)
    return player.progress


def _own_key(settings: Settings, room: str) -> str:
    """This installation's key of the room, as it holds now."""
    known = generations.read(settings.data / generations.FILE)
    return bearer_key(load_secrets(settings.data)["master"], room, known.get(room, generations.FIRST).bearer)


def positions_folder(settings: Settings) -> Path:
    """Where positions are kept."""
    return settings.data / "run"


def keep_truth(opened: Opened, settings: Settings, room: str) -> Path | None:
    """Write what a simulation planted to ``truth/ROOM.json`` in the data folder; None for a source that plants nothing."""
    write = getattr(opened.source, "write_truth", None)
    if write is None:
        return None
    path = settings.data / "truth" / f"{room}.json"
    write(path)
    return path


def outlined(source: Source) -> Outline:
    """Read a finite source through once."""
    outline = Outline()
    for event in source.events():
        if not outline.events:
            outline.first_at = event.at
        outline.events += 1
        outline.last_at = event.at
    return outline


def _before(plan: Plan, positions: Path) -> kept.Position | None:
    if not plan.resume:
        return None
    if MEDIA_URL.match(plan.uri):
        raise InvalidError(f"{plan.uri} is a live stream; there is nothing to resume, play it without --resume")
    before = kept.load(kept.position_path(positions, plan.uri, plan.room), _print(plan))
    if before and plan.source_name and before.source != plan.source_name:
        raise InvalidError(f"{plan.uri} was played as {before.source!r}, not {plan.source_name!r}; play without --resume")
    return before


def _print(plan: Plan) -> str:
    """What makes it the same performance that a position speaks of."""
    settled = sorted((name, str(value)) for name, value in plan.simulation.items())
    return f"{kept.fingerprint(plan.uri)} {plan.start_ms} {settled}"


def _base(plan: Plan, now_ms: int) -> int:
    """When a simulation begins."""
    if plan.time == "live":
        return now_ms - int(float(plan.simulation.get("minutes", 6)) * 60_000)
    return now_ms if plan.time == "now" else ORIGINAL_DAY


def _begin_of_video(plan: Plan, video: MediaFile, now_ms: int) -> int:
    """When a video's first picture was taken, or shall have been."""
    if plan.time == "original" or plan.start_ms is not None:
        return video.start_ts
    return now_ms - (video.facts.duration_ms if plan.time == "live" else 0)


def _shift(plan: Plan, outline: Outline | None, now_ms: int) -> int:
    if outline is None or not outline.events:
        raise InvalidError(
            f"{plan.uri} cannot be moved in time: only recordings of chat and sales up to {OUTLINED_BYTES >> 20} MiB"
        )
    return now_ms - (outline.first_at if plan.time == "now" else outline.last_at)


def _worth_outlining(uri: str) -> bool:
    if uri.startswith("sim:"):
        return True
    path = Path(uri.removeprefix("file://"))
    return path.is_file() and path.stat().st_size <= OUTLINED_BYTES


def _name(uri: str, shift_ms: int, now_ms: int) -> str:
    """A source name that the border takes, from the recording's own name."""
    if uri.startswith("sim:"):
        return uri.replace(":", "-")
    own = Path(urlsplit(uri).path if "://" in uri else uri).name or "stream"
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", own).strip("-.")[:32]
    if plain != own:  # names that differ only in what was replaced stay different
        plain = f"{plain or 'recording'}-{hashlib.blake2b(own.encode(), digest_size=3).hexdigest()}"
    if not shift_ms:
        return plain
    return f"{plain}-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}"


@asynccontextmanager
async def _client(gateway: str, given: httpx.AsyncClient | None) -> AsyncIterator[httpx.AsyncClient]:
    if given is not None:
        yield given
        return
    # a proxy of the environment must not stand between us and a gateway on this machine
    local = urlsplit(gateway).hostname in {"127.0.0.1", "localhost", "::1"}
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, connect=5), trust_env=not local) as client:
        yield client


@contextmanager
def media_of(plan: Plan, opened: Opened, settings: Settings) -> Iterator[MediaFeed | None]:
    """The video of an opened source, ready to be published; None where it has none, or ``plan.video`` is off."""
    feed = getattr(opened.source, "media", None)
    if feed is None or not plan.video:
        yield None
        return
    from streams.publisher import Publisher
    from streams.segments import SegmentStore

    publisher = Publisher(settings.cluster(), patient=True)  # a stream is not seen twice
    try:
        yield feed(SegmentStore(settings.segment_folder), publisher, plan.room)
    finally:
        publisher.flush()
