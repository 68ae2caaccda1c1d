"""A log in memory: for tests, and for trying the border without a broker."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from streams.gateway.log import Queue, Settled
from streams.records import LivetideError, RetryError
from streams.topics import partition_of


class Appended(NamedTuple):
    """A record as it lies in the log."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class MemoryLog:
    """Keeps what is appended in ``records``. ``hold()`` makes it a log that does not answer, ``fail()`` one that refuses."""

    def __init__(self, partitions: int = 4, *, most_records: int = 10_000, most_bytes: int = 64 << 20) -> None:
        self.records: list[Appended] = []
        self._partitions = partitions
        self._queue = Queue(most_records, most_bytes)
        self._waiting: deque[tuple[Appended, Settled]] = deque()
        self._held = False
        self._failing: LivetideError | None = None
        self._failing_topic = ""
        self._scheduled = False

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    def append(self, topic: str, key: bytes, value: bytes, partition: int, settled: Settled) -> None:
        place = partition if partition >= 0 else partition_of(key.decode(), self._partitions)
        self._queue.enter(len(value))
        self._waiting.append((Appended(topic, place, key, value), settled))
        self._schedule()

    def _schedule(self) -> None:
        if not self._held and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._scheduled = False
        while self._waiting and not self._held:
            record, settled = self._waiting.popleft()
            error = self._failing if self._failing_topic in ("", record.topic) else None
            if error is None:
                self.records.append(record)
            self._queue.leave(len(record.value))
            settled(error)

    def hold(self) -> None:
        """Acknowledge nothing until :meth:`release`."""
        self._held = True

    def release(self) -> None:
        """Acknowledge what waits, in order."""
        self._held = False
        self._schedule()

    def fail(self, error: LivetideError | None, topic: str = "") -> None:
        """Refuse what is not acknowledged yet and what comes, of one topic or of all; None: accept again."""
        self._failing = error
        self._failing_topic = topic

    @property
    def backlog(self) -> int:
        return self._queue.records

    @property
    def pressure(self) -> float:
        return self._queue.pressure

    async def relief(self, within_s: float) -> None:
        await self._queue.relief(within_s)

    async def check(self) -> None:
        if self._held or self._failing is not None:
            raise RetryError("the log in memory does not answer")

    async def close(self, within_s: float) -> None:
        await self._queue.empty(within_s)
        if self._waiting:
            self.fail(self._failing or RetryError("the log was closed"))
        self.release()
        self._settle()
