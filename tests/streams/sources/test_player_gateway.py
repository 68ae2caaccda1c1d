"""Recordings through the real gateway: exactly their rows, whatever is played twice."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.gateway.auth import bearer_key
from streams.sources.opening import open_source
from streams.sources.player import Player, Progress
from streams.sources.posting import Poster
from tests.support.gateway import MASTER, NOW, Clock, Harness, gateway

T = 1_764_000_000_000
FILES = sorted(path.name for path in (Path(__file__).parent / "samples").iterdir())


async def played(harness: Harness, file: Path, room: str = "r1", batch: int = 3, shift_ms: int = 0) -> Progress:
    """Play a file as fast as the gateway takes it, on the gateway's clock."""
    stop = asyncio.Event()
    clock = harness.clock

    async def sleep(seconds: float) -> None:
        clock.now += round(seconds * 1000)
        await asyncio.sleep(0)

    source = open_source(str(file), start_ms=T if file.name == "danmaku_factory.xml" else None)
    poster = Poster(
        harness.client, "http://gateway", room, bearer_key(MASTER, room), file.stem, stop=stop, sleep=sleep, clock=clock
    )
    return await Player(source, poster, clock=clock, stop=stop, sleep=sleep, speed=None, batch=batch, shift_ms=shift_ms).run()


def kept(harness: Harness) -> list[tuple[str, str, int]]:
    """Kind, id and time of everything that the log holds."""
    topics = {"live.sales": "sale", "live.viewers": "viewer", "live.speech": "speech", "live.catalogue": "product"}
    rows = [(kind, one.id, one.event_ts) for topic, kind in topics.items() for one in harness.records(topic)]
    return rows + [("chat", one.id, one.event_ts) for e in harness.records("live.danmaku") for one in e.messages]


def expected(file: Path) -> list[tuple[str, str, int]]:
    source = open_source(str(file), start_ms=T if file.name == "danmaku_factory.xml" else None)
    events: list[dict[str, Any]] = [msgspec.json.decode(event.line) for event in source.events()]
    return [(event["kind"], event["id"], event["ts"]) for event in events]


@pytest.mark.parametrize("file", FILES)
async def test_every_dialect_enters_as_it_is_and_only_once(samples: Path, file: str) -> None:
    rows = expected(samples / file)
    async with gateway() as harness:
        first = await played(harness, samples / file)
        assert (first.counts.accepted, first.counts.duplicates, first.counts.rejected) == (len(rows), 0, 0)
        assert sorted(kept(harness)) == sorted(rows)
        again = await played(harness, samples / file)
        assert (again.counts.accepted, again.counts.duplicates, again.counts.rejected) == (0, len(rows), 0)
        assert sorted(kept(harness)) == sorted(rows)
        assert harness.records("live.deadletter") == []


async def test_times_are_the_recordings_own_moved_as_asked(samples: Path) -> None:
    async with gateway() as harness:
        await played(harness, samples / "events.jsonl", shift_ms=NOW - T)
        assert {ts - NOW + T for _, _, ts in kept(harness)} == {ts for _, _, ts in expected(samples / "events.jsonl")}


async def test_chat_over_the_rooms_rate_waits_and_all_of_it_gets_in(samples: Path) -> None:
    rows = expected(samples / "bililive_recorder.xml")
    clock = Clock()
    async with gateway(clock=clock, room_rate=1) as harness:
        progress = await played(harness, samples / "bililive_recorder.xml", batch=2)
        assert progress.counts.accepted == len(rows)
        assert progress.counts.sent_again > 0
        assert sorted(kept(harness)) == sorted(rows)
        assert clock.now - NOW >= 1000


async def test_poison_goes_to_the_dead_letters_and_the_rest_goes_in(tmp_path: Path) -> None:
    path = tmp_path / "planted.jsonl"
    good = [b'{"kind":"chat","id":"%d","ts":%d,"user":"u","text":"x"}' % (n, T + n) for n in range(10)]
    bad = [b'{"kind":"chat","id":"11"}', b"\xff\xfe{", b'{"kind":"gift","id":"1","ts":1764000000000}', b"[" * 500]
    path.write_bytes(b"\n".join([*good[:5], *bad, *good[5:]]))
    async with gateway() as harness:
        progress = await played(harness, path, batch=100)
        assert (progress.counts.accepted, progress.counts.rejected) == (10, 4)
        assert len(harness.records("live.deadletter")) == 4
        assert progress.counts.reasons.total() == 4


async def test_a_whole_simulated_room_enters(tmp_path: Path) -> None:
    pytest.importorskip("av")
    source = open_source("sim:5", base_ts=T, minutes=1)
    path = tmp_path / "room.jsonl"
    path.write_bytes(b"\n".join(event.line for event in source.events()))
    async with gateway() as harness:
        progress = await played(harness, path, batch=200)
        counts = progress.counts
        assert counts.accepted + counts.duplicates + counts.rejected == progress.played
        assert len(kept(harness)) == counts.accepted > 100
