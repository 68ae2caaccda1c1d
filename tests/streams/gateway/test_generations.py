"""A room's keys are revoked alone, while the gateway runs, and no file that is lost lets them in again."""

from __future__ import annotations

import json
import logging
import stat
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import httpx
import pytest
from standardwebhooks import Webhook

from streams.gateway.auth import bearer_key, webhook_secret
from streams.gateway.generations import FILE, FIRST, LOOK_MS, Generation, Generations, advance, read
from streams.records import FatalError
from tests.support.gateway import MASTER, NOW, Clock, Harness, chat, gateway, lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


def test_a_room_begins_at_nothing_and_each_change_counts(path: Path) -> None:
    assert read(path) == {}
    assert advance(path, "r", "bearer") == Generation(1, 0)
    assert advance(path, "r", "bearer", "webhook") == Generation(2, 1)
    assert advance(path, "s:1", "webhook") == Generation(0, 1)
    assert read(path) == {"r": Generation(2, 1), "s:1": Generation(0, 1)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["r"] == {"bearer": 2, "webhook": 1}


def test_changes_at_once_are_all_counted(path: Path) -> None:
    threads = [Thread(target=advance, args=(path, "r", "bearer")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(path) == {"r": Generation(20)}


def test_no_key_is_a_key_of_another_room_or_generation() -> None:
    rooms = ("r", "r:1", "1:r", "r#1", "#1:r")
    made = [make(MASTER, room, number) for make in (bearer_key, webhook_secret) for room in rooms for number in range(4)]
    assert len(set(made)) == len(made)
    assert bearer_key(MASTER, "r", 0) == bearer_key(MASTER, "r"), "keys that people have hold"


def test_a_file_that_cannot_be_read_stops_a_start(path: Path) -> None:
    path.write_text('{"r": {"bearer": "one"}}')
    with pytest.raises(FatalError, match=r"room_keys\.json cannot be read .* backup"):
        Generations(path, Clock())
    with pytest.raises(FatalError):
        advance(path, "r", "bearer")


def test_the_file_is_looked_at_once_a_second(path: Path) -> None:
    clock = Clock()
    known = Generations(path, clock)
    advance(path, "r", "bearer")
    clock.now += LOOK_MS - 1
    assert known("r") == FIRST
    clock.now += 1
    assert known("r") == Generation(1)
    advance(path, "r", "bearer")
    clock.now -= 60_000  # somebody has set the clock back
    assert known("r") == Generation(2)


@pytest.mark.parametrize("damage", ["gone", "torn", "older"])
def test_what_was_known_is_never_forgotten(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    advance(path, "r", "bearer")
    older = path.read_bytes()
    advance(path, "r", "bearer")
    known = Generations(path, clock)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(older if damage == "older" else b'{"r": {"bea')
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.now += LOOK_MS
            assert known("r") == Generation(2)
    assert caplog.text.count("until then") == (1 if damage == "torn" else 0)
    path.unlink(missing_ok=True)
    path.write_text('{"r": {"bearer": 3}}')
    clock.now += LOOK_MS
    assert known("r") == Generation(3), "once it is back it counts again"


async def signed(g: Harness, room: str, secret: str, name: str) -> httpx.Response:
    body = lines(chat(name)).decode()
    when = datetime.fromtimestamp(g.clock.now / 1000, UTC)
    headers = {
        "Content-Type": "application/x-ndjson",
        "webhook-id": name,
        "webhook-timestamp": str(g.clock.now // 1000),
        "webhook-signature": Webhook(secret).sign(name, when, body),
    }
    return await g.client.post(f"/v1/rooms/{room}/events", content=body, headers=headers)


async def test_a_revoked_key_is_refused_by_a_gateway_that_runs_and_other_rooms_go_on(path: Path) -> None:
    clock = Clock(NOW)
    async with gateway(clock=clock, generations=Generations(path, clock)) as g:
        assert (await g.post(chat("a"))).status_code == 202
        advance(path, "r1", "bearer")
        clock.now += LOOK_MS
        old, new = bearer_key(MASTER, "r1"), bearer_key(MASTER, "r1", 1)
        assert (await g.post(chat("b"), key=old)).status_code == 401
        assert (await g.post(chat("b"), key=new)).status_code == 202
        assert (await g.post(chat("c"), room="r2")).status_code == 202
        assert (await signed(g, "r1", webhook_secret(MASTER, "r1"), "m1")).status_code == 202, "only the key was revoked"
        advance(path, "r1", "webhook")
        clock.now += LOOK_MS
        assert (await signed(g, "r1", webhook_secret(MASTER, "r1"), "m2")).status_code == 401
        assert (await signed(g, "r1", webhook_secret(MASTER, "r1", 1), "m3")).status_code == 202
        assert (await g.post(chat("d"), key=new)).status_code == 202
        assert sorted(g.texts()) == sorted(["有蓝色的吗"] * 6)
