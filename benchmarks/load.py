"""A steady load of chat through the gateway, and rises of complaints in rooms of their own; a process by itself.

What people write is the simulator's: small talk, questions, excitement and floods in the shares of real chat. The rate is
made even, and every request goes out when it is due, whether the one before it is answered or not.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from random import Random
from typing import Any
from urllib.parse import urlsplit

from streams.gateway.auth import bearer_key
from streams.sources.simulator import open_simulation
from streams.sources.simulator.phrases import COMPLAINTS, complaint, small_talk

BATCH_S = 0.2
TALK_S = 6.0  # ordinary chat in a room before its complaints
TALK_RATE = 5
COMPLAINT_S = 0.25
IDLE_S = 10.0


@dataclass(frozen=True)
class Load:
    """``rate`` messages a second over ``rooms`` rooms, and ``rises`` of complaints spread over the time."""

    seconds: float = 50.0
    rate: int = 1_000
    rooms: int = 20
    rises: int = 40
    complaints: int = 16


@dataclass
class Tally:
    """What happened: seconds to the answers, messages taken, how late the latest request went out, when complaints came."""

    waits: list[float] = field(default_factory=list)
    accepted: int = 0
    late: float = 0.0
    rises: dict[str, tuple[int, int]] = field(default_factory=dict)


def run_load(load: Load, gateway: str, master: str, said: Connection) -> None:
    """Prepare, say so, send, and tell the tally."""
    asyncio.run(_Sender(load, gateway, master).run(said))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Connections:
    """Connections to the gateway, as many as there are requests under way. A common client's pool costs more than our load."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._used: list[float] = []

    async def post(self, path: str, key: str, content: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to NDJSON."""
        reader, writer = self._fresh() or await asyncio.open_connection(self._host, self._port)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self._idle.append((reader, writer))
        self._used.append(time.monotonic())
        return int(first.split()[1]), body

    def _fresh(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The connection that was used last, unless the gateway may have closed it for its idleness: then all are too old."""
        if self._used and time.monotonic() - self._used[-1] > IDLE_S:
            self.close()
        return self._idle.pop() if self._idle and self._used.pop() else None

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle, self._used = [], []


class _Sender:
    def __init__(self, load: Load, gateway: str, master: str) -> None:
        self._load, self._master, self._tally, self._connections = load, master, Tally(), Connections(gateway)

    async def run(self, said: Connection) -> None:
        load, rooms = self._load, [f"steady-{number}" for number in range(self._load.rooms)]
        talks = {room: _talk(number, load) for number, room in enumerate(rooms)}
        for number, room in enumerate(rooms):
            await self._post(room, _sheets(number))
        said.send("ready")
        began = time.perf_counter()
        gap = max(0.0, load.seconds - TALK_S - load.complaints * COMPLAINT_S) / max(1, load.rises)
        async with asyncio.TaskGroup() as tasks:
            for number, room in enumerate(rooms):
                tasks.create_task(self._steady(room, talks[room], began + BATCH_S * number / len(rooms)))
            for number in range(load.rises):
                tasks.create_task(self._rise(f"rise-{number}", Random(number), began + number * gap))
        self._connections.close()
        said.send(vars(self._tally))

    async def _post(self, room: str, events: list[dict[str, Any]]) -> None:
        content = "\n".join(json.dumps(event, ensure_ascii=False) for event in events).encode()
        began = time.perf_counter()
        status, answer = await self._connections.post(f"/v1/rooms/{room}/events", bearer_key(self._master, room), content)
        self._tally.waits.append(time.perf_counter() - began)
        if status != 202 or json.loads(answer)["accepted"] != len(events):
            raise RuntimeError(f"{room}: {status}: {answer[:300].decode(errors='replace')}")
        self._tally.accepted += sum(event["kind"] == "chat" for event in events)

    async def _until(self, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        self._tally.late = max(self._tally.late, time.perf_counter() - due)

    async def _steady(self, room: str, talk: Iterator[tuple[str, str]], began: float) -> None:
        size, number = round(self._load.rate / self._load.rooms * BATCH_S), 0
        async with asyncio.TaskGroup() as requests:
            for turn in range(int(self._load.seconds / BATCH_S)):
                await self._until(began + turn * BATCH_S)
                events = []
                for _ in range(size):
                    user, text = next(talk)
                    number += 1
                    events.append({"kind": "chat", "id": f"m{number}", "ts": now_ms(), "user": user, "text": text})
                requests.create_task(self._post(room, events))

    async def _rise(self, room: str, rng: Random, began: float) -> None:
        """Some ordinary chat, then one complaint after another, each of somebody else and in other words."""
        topic = rng.choice(("counterfeit", "quality"))
        said = COMPLAINTS[topic]["said"]
        first = 0
        async with asyncio.TaskGroup() as requests:
            for number in range(int(TALK_S * TALK_RATE)):
                await self._until(began + number / TALK_RATE)
                chat = {"kind": "chat", "id": f"t{number}", "ts": now_ms(), "user": f"v{number % 12}", "text": small_talk(rng)}
                requests.create_task(self._post(room, [chat]))
            for number, sentence in enumerate(rng.sample(said, min(len(said), self._load.complaints))):
                await self._until(began + TALK_S + number * COMPLAINT_S)
                first = first or now_ms()
                text = complaint(rng, topic, sentence)
                chat = {"kind": "chat", "id": f"c{number}", "ts": now_ms(), "user": f"c{number}", "text": text}
                requests.create_task(self._post(room, [chat]))
        self._tally.rises[room] = (first, now_ms())


def _talk(number: int, load: Load) -> Iterator[tuple[str, str]]:
    """User and text, one message after another, for as long as the load lasts."""
    rate = min(200.0, max(1.0, load.rate / load.rooms))
    simulation = open_simulation(1_000 + number, minutes=max(1.0, load.seconds / 60), base_ts=0, rate=rate)
    messages = sorted(simulation.talk.messages, key=lambda message: message.at)
    while True:
        for message in messages:
            yield message.body["user"], message.body["text"]


def _sheets(number: int) -> list[dict[str, Any]]:
    """The products of a room, so that its questions find answers."""
    simulation = open_simulation(1_000 + number, minutes=1, base_ts=0)
    products = [event for event in simulation.planned if event.kind == "product"]
    return [{"kind": "product", "id": event.id, "ts": now_ms(), **event.body} for event in products]
