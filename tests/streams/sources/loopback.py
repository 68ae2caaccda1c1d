"""A gateway on loopback that misbehaves on purpose: real sockets, real HTTP, and it remembers what it took."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from streams.sources.player import kind_of


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1000)
        await asyncio.sleep(0)


class Loopback:
    """Each request meets the next of ``moods``; when they are used up, every request is taken.

    ``ok``; a status with headers (``"429 Retry-After: 3"``); ``drop`` closes without reading the events; ``swallow`` takes them
    and closes without an answer; ``hang`` never answers; ``half`` sends half an answer.
    """

    def __init__(self, clock: Callable[[], int], moods: list[str] | None = None, most_lines: int = 10_000) -> None:
        self.moods = deque(moods or [])
        self.most_lines = most_lines
        self.requests: list[tuple[str, dict[str, str], list[bytes]]] = []
        self.order: dict[str, list[str]] = {}
        self.when: dict[str, int] = {}
        self.times: Counter[str] = Counter()
        self.answer: bytes | None = None
        self.on_request: Callable[[int], None] = lambda number: None
        self._clock = clock
        self._hanging: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task
        self._hanging.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._hanging.discard(task)
            writer.close()

    def stop(self) -> None:
        """End the connections that still hang."""
        for task in self._hanging:
            task.cancel()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        lines = body.splitlines()
        self.requests.append((request, headers, lines))
        self.on_request(len(self.requests))
        mood = self.moods.popleft() if self.moods else "ok"
        if mood == "drop":
            return False
        if mood == "hang":
            await asyncio.Event().wait()
        status, _, extra = mood.partition(" ")
        if status == "ok" and len(lines) > self.most_lines:
            status = "413"
        payload = b'{"error": "as asked"}'
        if status in {"ok", "swallow", "half"}:
            status, payload = ("202" if status == "ok" else status), self._take(lines)
        if status == "swallow":
            return False
        fields = [
            f"HTTP/1.1 {'202' if status == 'half' else status} -",
            f"Content-Length: {len(payload)}",
            *filter(None, [extra]),
        ]
        answer = "".join(f"{field}\r\n" for field in [*fields, ""]).encode()
        writer.write(answer + (payload[: len(payload) // 2] if status == "half" else payload))
        await writer.drain()
        return status != "half"

    def _take(self, lines: list[bytes]) -> bytes:
        if self.answer is not None:
            return self.answer
        accepted, duplicates, rejected = 0, 0, []
        for index, line in enumerate(lines):
            try:
                id = str(json.loads(line)["id"])
            except (ValueError, KeyError, TypeError):
                rejected.append({"index": index, "reason": "not an event"})
                continue
            self.times[id] += 1
            if self.times[id] > 1:
                duplicates += 1
                continue
            accepted += 1
            self.order.setdefault(kind_of(line), []).append(id)
            self.when[id] = self._clock()
        return json.dumps({"accepted": accepted, "duplicates": duplicates, "rejected": rejected}).encode()


@asynccontextmanager
async def listening(gateway: Loopback) -> AsyncIterator[str]:
    """The gateway on a port of its own; yields its address."""
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        gateway.stop()
        await server.wait_closed()


async def until(true: Callable[[], bool], step: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Wait until ``true()``, at most ten seconds."""
    async with asyncio.timeout(10):
        while not true():
            await step(0.005)
