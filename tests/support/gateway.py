"""A gateway to talk to: the real application over a log in memory, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec

from streams.gateway.app import GatewayConfig, create_app
from streams.gateway.auth import bearer_key
from streams.gateway.generations import FIRST, Generation
from streams.gateway.memory_log import MemoryLog
from streams.topics import TOPICS

MASTER = "master-secret-of-the-tests"
OPERATOR = "operator-key-of-the-tests"
USER_HASH = "user-hash-key-of-the-tests"
NOW = 1_795_550_000_000


class Counts:
    """A meter that remembers what was counted."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self.counted[(name, *labels.values())] += int(amount)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        self.gauges[name] = value

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        self.counted[(name, *labels.values())] += 1

    def text(self) -> bytes:
        return "".join(f"{'_'.join(name)} {value}\n" for name, value in self.counted.items()).encode()


class Clock:
    """Epoch milliseconds that stand still until a test moves them."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def config(**changes: Any) -> GatewayConfig:
    given: dict[str, Any] = {"master": MASTER, "operator_key": OPERATOR, "user_hash": USER_HASH, "envelope_s": 0.005}
    return GatewayConfig(**(given | changes))


def chat(identity: str = "c1", ts: Any = NOW, **fields: Any) -> dict[str, Any]:
    return {"kind": "chat", "id": identity, "ts": ts, "user": "u1", "text": "有蓝色的吗"} | fields


def sale(identity: str = "s1", ts: int = NOW, **fields: Any) -> dict[str, Any]:
    return {"kind": "sale", "id": identity, "ts": ts, "type": "order", "sku": "A1", "amount": "12.30"} | fields


def viewer(identity: str = "v1", ts: int = NOW, **fields: Any) -> dict[str, Any]:
    return {"kind": "viewer", "id": identity, "ts": ts, "user": "u1", "type": "enter"} | fields


def lines(*events: Any) -> bytes:
    """Events as NDJSON; bytes stay as they are."""
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode() for one in events)


class Harness:
    """A running gateway, its log and the means to speak to it."""

    def __init__(self, client: httpx.AsyncClient, log: MemoryLog, meter: Counts, clock: Clock) -> None:
        self.client = client
        self.log = log
        self.meter = meter
        self.clock = clock

    async def post(
        self, *events: Any, room: str = "r1", body: bytes | None = None, key: str | None = None, **params: str
    ) -> httpx.Response:
        """Post events as NDJSON with the room's key."""
        headers = {
            "Authorization": f"Bearer {bearer_key(MASTER, room) if key is None else key}",
            "Content-Type": "application/x-ndjson",
        }
        content = lines(*events) if body is None else body
        return await self.client.post(f"/v1/rooms/{room}/events", params=params, content=content, headers=headers)

    async def operator(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": f"Bearer {OPERATOR}"})

    def records(self, topic: str) -> list[Any]:
        """What lies in a topic, decoded, in order."""
        return [TOPICS[topic].decode(record.value) for record in self.log.records if record.topic == topic]

    def texts(self) -> list[str]:
        return [chat.text for envelope in self.records("live.danmaku") for chat in envelope.messages]


async def until(true: Callable[[], bool], within_s: float = 5) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def gateway(
    log: MemoryLog | None = None,
    clock: Clock | None = None,
    generations: Callable[[str], Generation] = lambda _room: FIRST,
    **changes: Any,
) -> AsyncIterator[Harness]:
    """Run the application over a log in memory until the block ends."""
    log, meter, clock = log or MemoryLog(), Counts(), clock or Clock()
    app = create_app(config(**changes), log, meter=meter, clock=clock, scrape=meter.text, generations=generations)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=30) as client:
            yield Harness(client, log, meter, clock)


def answer(response: httpx.Response) -> tuple[int, int, int, list[int]]:
    """Status, accepted, duplicates and the places that were rejected."""
    told = msgspec.json.decode(response.content)
    return response.status_code, told["accepted"], told["duplicates"], [one["index"] for one in told["rejected"]]
