"""The player: a source's events to the gateway at the pace at which they came, N times as fast, or as fast as they are taken.

Order within a room is kept where it means something. Events go out in slices of the recording; within a slice each kind has a
request of its own, all in flight together, because kinds travel by different topics and chat alone is ever refused for its
rate; the next slice starts when the gateway has answered for all of this one. So no kind overtakes itself, and none runs ahead
of another by more than a slice.

Nothing is lost: a slice is sent until it is answered for, and the position that :mod:`streams.sources.position` keeps moves
only then. What was sent and not yet counted when the player stopped is sent again on resume, with the same ids, and is a
duplicate.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import msgspec

from streams.sources.base import Event, MediaFeed, Source
from streams.sources.posting import Counts, Poster, Sleep, Stopped, pause

BATCH = 500
SPAN_MS = 10_000
"""How far apart, on the recording's clock, events of different kinds in one slice may be."""

COALESCE_MS = 50
TICK_S = 0.5
"""How often a waiting player looks after the video and its progress."""


@dataclass
class Progress:
    """``played`` counts the events that the gateway answered for, in earlier runs too; ``at`` is the recording's clock."""

    played: int = 0
    at: int = 0
    first_at: int = 0
    media: int = 0
    stopped: bool = False
    finished: bool = False
    counts: Counts = field(default_factory=Counts)


class _Kind(msgspec.Struct):
    kind: str = ""


_kind = msgspec.json.Decoder(_Kind)


class Player:
    """Plays one source into one room.

    ``speed`` is a multiple of real time; None is as fast as the gateway takes. ``shift_ms`` moves every time-stamp. ``skip``
    events were played before. ``on_progress`` is called after each slice and while waiting, with the current progress.
    """

    def __init__(
        self,
        source: Source,
        poster: Poster,
        *,
        clock: Callable[[], int],
        stop: asyncio.Event,
        sleep: Sleep = asyncio.sleep,
        speed: float | None = 1.0,
        shift_ms: int = 0,
        skip: int = 0,
        batch: int = BATCH,
        media: MediaFeed | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.progress = Progress(played=skip)
        self._events = _Peekable(islice(source.events(), skip, None))
        self._poster = poster
        self._clock = clock
        self._stop = stop
        self._sleep = sleep
        self._speed = speed
        self._shift_ms = shift_ms
        self._batch = batch
        self._media = media
        self._on_progress = on_progress
        self._began: tuple[int, int] | None = None

    async def run(self) -> Progress:
        """Play to the end, or until ``stop``. Raises what :class:`Poster` raises when it gives up; progress stays readable."""
        try:
            while not self._stop.is_set() and (first := await asyncio.to_thread(self._events.peek)) is not None:
                if self._began is None:
                    self._begin(first.at)
                if await self._due(first.at):
                    await self._play(await asyncio.to_thread(self._slice))
            await self._rest_of_the_video()
            self.progress.finished = not self._stop.is_set()
        except Stopped:
            pass
        finally:
            if self._media:
                await asyncio.to_thread(self._media.close)
        self.progress.stopped = not self.progress.finished
        self._on_progress(self.progress)
        return self.progress

    def _begin(self, at: int) -> None:
        self._began = (at, self._clock())
        self.progress.first_at = self.progress.at = at

    async def _due(self, at: int) -> bool:
        """Wait until the recording's clock is at ``at``; False if stopped meanwhile."""
        assert self._began
        while self._speed and not self._stop.is_set():
            wait = (at - self._now()) / self._speed / 1000
            if wait <= 0:
                break
            await pause(min(max(wait, 0.001), TICK_S), self._sleep, self._stop)
            await self._publish(min(self._now(), at))
            self._on_progress(self.progress)
        return not self._stop.is_set()

    def _now(self) -> int:
        """The recording's clock."""
        assert self._began
        first_at, began = self._began
        return first_at + int((self._clock() - began) * (self._speed or 1))

    def _slice(self) -> list[Event]:
        """The events that are due together: at most a batch, and of several kinds only from a short stretch of time."""
        until = self._now() + COALESCE_MS * self._speed if self._speed else None
        found: list[Event] = []
        kinds: set[str] = set()
        while len(found) < self._batch and (event := self._events.peek()) is not None:
            kinds.add(kind_of(event.line))
            late = until is not None and event.at > until
            if found and (late or (len(kinds) > 1 and event.at - found[0].at > SPAN_MS)):
                break
            found.append(event)
            self._events.take()
        return found

    async def _play(self, events: list[Event]) -> None:
        await self._publish(events[-1].at)
        lanes: defaultdict[str, list[bytes]] = defaultdict(list)
        for event in events:
            lanes[kind_of(event.line)].append(shifted(event.line, self._shift_ms))
        said = [Counts() for _ in lanes]
        sent = [
            asyncio.ensure_future(self._poster.post(lines, counts)) for lines, counts in zip(lanes.values(), said, strict=True)
        ]
        watch = asyncio.ensure_future(self._watch(said))
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        watch.cancel()
        for counts in said:
            add(self.progress.counts, counts)
        if failure := next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None):
            raise failure
        self.progress.played += len(events)
        self.progress.at = events[-1].at
        self._on_progress(self.progress)

    async def _watch(self, said: list[Counts]) -> None:
        """While a slice is out: say what it waits for."""
        while True:
            await asyncio.sleep(TICK_S)
            waiting = next((counts.waiting for counts in said if counts.waiting), "")
            self._on_progress(replace(self.progress, counts=replace(self.progress.counts, waiting=waiting)))

    async def _publish(self, at: int) -> None:
        if self._media:
            self.progress.media += await asyncio.to_thread(self._media.publish_until, at)

    async def _rest_of_the_video(self) -> None:
        """After the last event: what is left of the video, at the same pace."""
        if not self._media or self._stop.is_set():
            return
        if self._began is None:
            self._begin(self._media.start_ms)
        while not self._stop.is_set() and not self._video_ended():
            paced = bool(self._speed) or self._media.end_ms is None
            at = self._now() if paced else self.progress.at + SPAN_MS
            await self._publish(at)
            self.progress.at = at
            self._on_progress(self.progress)
            if paced and not self._video_ended():
                await pause(TICK_S, self._sleep, self._stop)

    def _video_ended(self) -> bool:
        assert self._media
        end = self._media.end_ms  # a stream learns it late
        return end is not None and self.progress.at > end


class _Peekable:
    """An iterator whose next event can be looked at without taking it."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._next: Event | None = None

    def peek(self) -> Event | None:
        if self._next is None:
            self._next = next(self._events, None)
        return self._next

    def take(self) -> None:
        self._next = None


def kind_of(line: bytes) -> str:
    """The event's kind; empty for a line that cannot be read (a planted poison)."""
    try:
        return _kind.decode(line).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def shifted(line: bytes, shift_ms: int) -> bytes:
    """The event with its times moved by ``shift_ms``; a line that cannot be read stays as it is."""
    if not shift_ms:
        return line
    try:
        event: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    if not isinstance(event, dict):
        return line
    for name in ("ts", "end"):
        if isinstance(event.get(name), int) and not isinstance(event[name], bool):
            event[name] += shift_ms
    return msgspec.json.encode(event)


def add(total: Counts, part: Counts) -> None:
    """Add what the gateway said about one request to the sum."""
    total.accepted += part.accepted
    total.duplicates += part.duplicates
    total.rejected += part.rejected
    total.reasons += part.reasons
    total.first += part.first[: max(0, 20 - len(total.first))]
    total.sent_again += part.sent_again
    total.waiting = ""
