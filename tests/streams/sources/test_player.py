"""The player: pace, order, nothing lost, resume; on a clock that only sleeping moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
import pytest

from streams.records import RetryError
from streams.sources.base import Event, MediaFeed
from streams.sources.player import COALESCE_MS, SPAN_MS, TICK_S, Player, Progress, kind_of, shifted
from streams.sources.posting import Poster
from tests.streams.sources.loopback import Clock, Loopback, listening

T = 1_764_000_000_000


class Tape:
    """A source out of a list."""

    dialect = "tape"

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def events(self) -> Iterator[Event]:
        return iter(self._events)


def event(id: str, at: int, kind: str = "chat") -> Event:
    return Event(T + at, json.dumps({"kind": kind, "id": id, "ts": T + at, "user": "u", "text": "好"}).encode())


class Desk:
    def __init__(self, gateway: Loopback, url: str, client: httpx.AsyncClient, clock: Clock) -> None:
        self.gateway, self.url, self.client, self.clock = gateway, url, client, clock
        self.stop = asyncio.Event()
        self.seen: list[Progress] = []
        self.patience_s = 1e6

    def player(self, events: list[Event], **options: Any) -> Player:
        poster = Poster(
            self.client,
            self.url,
            "r",
            "k",
            "s",
            stop=self.stop,
            sleep=self.clock.sleep,
            clock=self.clock,
            patience_s=self.patience_s,
        )
        return Player(
            Tape(events),
            poster,
            clock=self.clock,
            stop=self.stop,
            sleep=self.clock.sleep,
            on_progress=self.seen.append,
            **options,
        )

    async def play(self, events: list[Event], **options: Any) -> Progress:
        return await self.player(events, **options).run()


@asynccontextmanager
async def desk(moods: list[str] | None = None) -> AsyncIterator[Desk]:
    clock = Clock()
    gateway = Loopback(clock, moods)
    async with listening(gateway) as url, httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.2), trust_env=False) as client:
        yield Desk(gateway, url, client, clock)


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0, 60.0])
async def test_pace(speed: float) -> None:
    ats = [0, 10, 400, 3000, 3001, 3100, 60_000]
    async with desk() as d:
        began = d.clock.now
        progress = await d.play([event(str(at), at) for at in ats], speed=speed)
        for at in ats:
            due = at / speed
            assert due - COALESCE_MS <= d.gateway.when[str(at)] - began <= due + 2, (at, due)
        assert (progress.finished, progress.played, progress.at) == (True, 7, T + 60_000)


async def test_max_does_not_wait() -> None:
    async with desk() as d:
        await d.play([event(str(n), n * 10_000) for n in range(50)], speed=None)
        assert d.clock.slept == []
        assert len(d.gateway.requests) == 1


async def test_after_an_outage_it_catches_up() -> None:
    async with desk(["ok"] + ["503 Retry-After: 10"] * 3) as d:
        began = d.clock.now
        await d.play([event(str(n), n * 1000) for n in range(60)], speed=1.0)
        assert d.gateway.order["chat"] == [str(n) for n in range(60)]
        assert d.gateway.when["59"] - began == pytest.approx(59_000, abs=100)


async def test_kinds_have_requests_of_their_own_and_do_not_run_ahead() -> None:
    events = [event(f"{kind}{n}", n * 500, kind) for n in range(100) for kind in ("chat", "sale", "viewer")]
    async with desk() as d:
        await d.play(events, speed=None)
        for kind in ("chat", "sale", "viewer"):
            assert d.gateway.order[kind] == [f"{kind}{n}" for n in range(100)]
        for _, _, lines in d.gateway.requests:
            assert len({kind_of(line) for line in lines}) == 1
            stamps = [json.loads(line)["ts"] for line in lines]
            assert max(stamps) - min(stamps) <= SPAN_MS


async def test_chat_that_is_refused_for_its_rate_does_not_hold_the_sales_of_its_slice() -> None:
    async with desk() as d:
        d.gateway.moods.extend(["429 Retry-After: 30"])
        began = d.clock.now
        await d.play([event("c", 0), event("s", 1, "sale")], speed=None)
        assert sorted(when - began for when in d.gateway.when.values()) in ([0, 30_000], [30_000, 30_000])
        assert d.gateway.when["c"] - began == 30_000 or d.gateway.when["s"] - began == 30_000


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_each_event_is_taken_once_and_in_order(seed: int) -> None:
    rng = Random(seed)
    troubles = ["429", "503", "drop", "swallow", "half", "500"]
    moods = [rng.choice(["ok", rng.choice(troubles)]) for _ in range(60)]
    kinds = ["chat", "chat", "chat", "sale", "viewer", "speech"]
    events = [event(str(n), n * rng.randrange(1, 40), rng.choice(kinds)) for n in range(120)]
    events.sort(key=lambda one: one.at)
    async with desk(moods) as d:
        progress = await d.play(events, speed=rng.choice([None, 1.0, 10.0]), batch=rng.choice([1, 7, 50]))
        taken = {kind: [json.loads(one.line)["id"] for one in events if kind_of(one.line) == kind] for kind in set(kinds)}
        assert d.gateway.order == {kind: ids for kind, ids in taken.items() if ids}
        assert progress.counts.accepted + progress.counts.duplicates == 120
        assert progress.counts.rejected == 0


@pytest.mark.parametrize("seed", range(8))
async def test_stop_and_resume_lose_nothing(seed: int) -> None:
    rng = Random(seed)
    events = [event(str(n), n * 20) for n in range(300)]
    moods = [rng.choice(["ok", "ok", "swallow", "503"]) for _ in range(40)]
    async with desk(moods) as d:
        d.gateway.on_request = lambda number: d.stop.set() if number == rng.randrange(1, 12) else None
        played, runs = 0, 0
        while True:
            runs += 1
            progress = await d.play(events, speed=None, batch=20, skip=played)
            assert progress.played >= played
            assert all(d.gateway.times[str(n)] for n in range(progress.played)), "the position is ahead of the gateway"
            played = progress.played
            if progress.finished:
                break
            d.stop.clear()
        assert d.gateway.order["chat"] == [str(n) for n in range(300)]
        assert played == 300
        assert runs < 100


async def test_the_position_stays_behind_when_the_gateway_gives_no_answer() -> None:
    async with desk(["ok", "ok"] + ["503"] * 1000) as d:
        d.patience_s = 30
        player = d.player([event(str(n), n) for n in range(100)], speed=None, batch=10)
        with pytest.raises(RetryError):
            await player.run()
        assert player.progress.played == 20
        assert not player.progress.finished


async def test_poison_is_sent_and_counted() -> None:
    events = [event("1", 0), Event(T, b'{"kind": "chat", "id"'), Event(T, b"\xff\xfe"), event("2", 1)]
    async with desk() as d:
        progress = await d.play(events, speed=None, shift_ms=5)
        assert (progress.counts.accepted, progress.counts.rejected) == (2, 2)
        sent = [line for _, _, lines in d.gateway.requests for line in lines]
        assert b"\xff\xfe" in sent


async def test_an_empty_source_is_finished_at_once() -> None:
    async with desk() as d:
        progress = await d.play([], speed=1.0)
        assert (progress.finished, progress.played) == (True, 0)
        assert d.gateway.requests == []


class Feed:
    """A video of ten-second segments."""

    def __init__(self, minutes: float, clock: Clock) -> None:
        self.start_ms, self.end_ms = T, T + int(minutes * 60_000)
        self.published: list[tuple[int, int]] = []
        self.closed = False
        self._clock = clock

    def publish_until(self, at_ms: int) -> int:
        before = len(self.published)
        while self.start_ms + 10_000 * (len(self.published) + 1) <= min(at_ms, self.end_ms or at_ms):
            self.published.append((10_000 * (len(self.published) + 1), self._clock.now))
        return len(self.published) - before

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("events", [[], [event("1", 0), event("2", 25_000)]], ids=["alone", "with chat"])
@pytest.mark.parametrize("speed", [1.0, 6.0, None])
async def test_video_goes_out_as_the_clock_passes(events: list[Event], speed: float | None) -> None:
    async with desk() as d:
        feed = Feed(1, d.clock)
        as_feed: MediaFeed = feed  # type: ignore[assignment]  # its end is known here, an int where None would be allowed
        began = d.clock.now
        progress = await d.play(events, speed=speed, media=as_feed)
        assert [end for end, _ in feed.published] == [10_000 * n for n in range(1, 7)]
        assert progress.media == 6
        assert feed.closed
        if speed:
            for end, when in feed.published:
                assert 0 <= when - began - end / speed <= 2 * TICK_S * 1000, (end, when - began)


async def test_progress_is_told_while_it_waits() -> None:
    async with desk() as d:
        await d.play([event("1", 0), event("2", 5000)], speed=1.0)
        assert len(d.seen) >= 10
        assert d.seen[-1].finished


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        (b'{"kind":"chat","ts":1,"end":"x"}', b'{"kind":"chat","ts":11,"end":"x"}'),
        (b'{"kind":"speech","ts":1,"end":2}', b'{"kind":"speech","ts":11,"end":12}'),
        (b'{"ts":true}', b'{"ts":true}'),
        (b'{"ts":', b'{"ts":'),
        (b"[1]", b"[1]"),
        (b"\xff", b"\xff"),
    ],
)
def test_shift(line: bytes, moved: bytes) -> None:
    assert shifted(line, 10) == moved
    assert shifted(line, 0) is line
