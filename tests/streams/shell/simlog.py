"""A log in memory with everything that can go wrong between an engine and Kafka, one step at a time.

A schedule (a seeded random generator) decides the order of every effect: which waiting call goes on, which output reaches the
log, when a worker dies, when its successor starts, whether the dead one was only paused and comes back.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from streams.commits import Committed
from streams.records import SEQUENCE_HEADER, sequence_header
from streams.shell.agent import Agent
from streams.shell.checkpoint import Output
from streams.shell.engine import Commit, Engine
from streams.shell.partition import GapError
from streams.shell.poison import PoisonLimit

PARTITION = 0


class Entry(NamedTuple):
    """A record in the log."""

    topic: str
    offset: int
    value: bytes
    key: bytes = b"room-1"
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = PARTITION
    timestamp: int = 1_000


class Said(NamedTuple):
    writer: str
    output: Output


class Log:
    """What is durable."""

    def __init__(self, inputs: Mapping[str, Sequence[Entry]]) -> None:
        self.inputs = {topic: list(entries) for topic, entries in inputs.items()}
        self.outputs: list[Said] = []
        self.checkpoints: list[bytes] = []
        self.committed: dict[str, Committed] = {}
        self.generation = 0
        self.commits = 0


def entries(topic: str, values: Sequence[bytes], writer: str | None = None, repeat: int = 0, seed: int = 0) -> list[Entry]:
    """A topic's log; with a ``writer`` the records are numbered, and ``repeat`` stretches of them come again."""
    numbered = list(enumerate(values, 1))
    rng = random.Random(seed)
    for _ in range(repeat):
        at = rng.randrange(1, len(numbered))
        numbered[at:at] = numbered[max(0, at - rng.randrange(1, 5)) : at]
    return [
        Entry(topic, offset, value, headers=[sequence_header(writer, n)] if writer else [])
        for offset, (n, value) in enumerate(numbered)
    ]


class NullMeter:
    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...


class Faults:
    """Rules that a simulation may break on purpose, to prove that the verifier would notice."""

    def __init__(self, fenced: bool = True, newest_wins: bool = False) -> None:
        self.fenced, self.newest_wins = fenced, newest_wins


class Worker:
    """One incarnation: an engine on the log, under the schedule's thumb. It is the engine's wire."""

    def __init__(self, log: Log, agent: Agent, clock: Any, faults: Faults) -> None:
        log.generation += 1
        self.log, self.generation, self.faults = log, log.generation, faults
        self.points: list[asyncio.Future[None]] = []
        self.queue: deque[tuple[Said, asyncio.Future[object]]] = deque()
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.read_at = dict.fromkeys(log.inputs, 0)
        self.engine = Engine(
            agent, self, meter=NullMeter(), clock=clock, poison=PoisonLimit(10**6), sleep=lambda _: self._point(), in_flight=7
        )

    async def _point(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.points.append(future)
        await future

    # the wire

    async def send(self, partition: int, output: Output, writer: str) -> asyncio.Future[object]:
        await self._point()
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.queue.append((Said(writer, output), done))
        return done

    async def write(self, partition: int, key: bytes, data: bytes) -> int:
        await self._point()
        self.log.checkpoints.append(data)
        offset = len(self.log.checkpoints) - 1
        await self._point()
        return offset

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        await self._point()
        if self.faults.fenced and self.generation != self.log.generation:
            return False
        commit = commits[PARTITION]
        self.log.committed = {topic: Committed(at, commit.metadata) for topic, at in commit.positions.items()}
        self.log.commits += 1
        await self._point()
        return True

    async def committed(self, partition: int) -> Mapping[str, Committed]:
        await self._point()
        return dict(self.log.committed)

    async def read(self, partition: int, offset: int) -> bytes | None:
        await self._point()
        return self.log.checkpoints[-1 if self.faults.newest_wins else offset]

    async def newest(self, partition: int) -> bytes | None:
        await self._point()
        return self.log.checkpoints[-1] if self.log.checkpoints else None

    async def earliest(self, partition: int) -> Mapping[str, int]:
        return dict.fromkeys(self.log.inputs, 0)

    async def read_from(self, topic: str, partition: int, offset: int) -> None:
        self.read_at[topic] = offset

    async def close_gap(self, partition: int, gap: GapError) -> int:
        await self._point()
        self.read_at[gap.topic] = gap.expected
        return gap.expected

    # what the schedule does to it

    def busy(self, name: str) -> bool:
        return name in self.tasks and not self.tasks[name].done()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        assert not self.busy(name)
        self.tasks[name] = asyncio.get_running_loop().create_task(work)

    def deliver(self) -> None:
        said, done = self.queue.popleft()
        self.log.outputs.append(said)
        done.set_result(None)

    async def kill(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        self.points.clear()
        self.queue.clear()

    def raise_failures(self) -> None:
        for task in self.tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error


class Simulation:
    """Runs an agent over a log under a seeded schedule, with crashes, take-overs and late zombies, until all is read."""

    def __init__(self, agent: Agent, log: Log, seed: int, *, crash: float = 0.02, faults: Faults | None = None) -> None:
        self.agent, self.log, self.rng, self.crash = agent, log, random.Random(seed), crash
        self.faults = faults or Faults()
        self.now = 1_000_000
        self.steps = 0
        self.crash_at: int | None = None
        self.zombies: list[Worker] = []
        self.worker = self._new_worker()

    def _clock(self) -> int:
        self.now += 1
        return self.now

    def _new_worker(self) -> Worker:
        return Worker(self.log, self.agent, self._clock, self.faults)

    async def run(self, limit: int = 20_000) -> None:
        try:
            while not self._finished():
                self.steps += 1
                assert self.steps < limit, "the simulation does not come to an end"
                await self._step()
                for _ in range(4):
                    await asyncio.sleep(0)
                self.worker.raise_failures()
            await self._settle()
        finally:
            for worker in (*self.zombies, self.worker):
                await worker.kill()

    def _finished(self) -> bool:
        ends = {topic: len(log) for topic, log in self.log.inputs.items()}
        return {topic: at.offset for topic, at in self.log.committed.items()} == ends

    async def _settle(self) -> None:
        """Everything that is under way arrives, the zombies' too."""
        for worker in (*self.zombies, self.worker):
            for _ in range(2_000):
                for _ in range(4):
                    await asyncio.sleep(0)
                if worker.points:
                    worker.points.pop(0).set_result(None)
                elif worker.queue:
                    worker.deliver()
                else:
                    break

    async def _step(self) -> None:
        if self.steps == self.crash_at or self.rng.random() < self.crash:
            await self._fall()
        worker = self.rng.choice(self.zombies) if self.zombies and self.rng.random() < 0.2 else self.worker
        choice = self.rng.random()
        if worker.points and choice < 0.55:
            worker.points.pop(self.rng.randrange(len(worker.points))).set_result(None)
        elif worker.queue and choice < 0.8:
            worker.deliver()
        elif worker is self.worker:
            self._new_work(worker)

    async def _fall(self) -> None:
        """The worker dies, or only loses its partition and does not know it yet."""
        fallen, self.worker = self.worker, self._new_worker()
        fate = self.rng.random()
        if fate < 0.5:
            await fallen.kill()
        else:
            self.zombies.append(fallen)
            if fate < 0.75:
                fallen.engine.close()

    def _new_work(self, worker: Worker) -> None:
        engine, kind = worker.engine, self.rng.choice(("feed", "feed", "tick", "checkpoint"))
        if worker.busy(kind):
            return
        if kind == "feed":
            topic = self.rng.choice(list(self.log.inputs))
            at = engine.positions().get((topic, PARTITION), 0) + self.rng.choice((0, 0, 0, 0, -2, 3))
            at = max(0, at)
            worker.start(kind, engine.feed(PARTITION, self.log.inputs[topic][at : at + self.rng.randrange(1, 12)]))
        elif kind == "tick":
            worker.start(kind, engine.tick(PARTITION))
        else:
            worker.start(kind, engine.checkpoint(engine.dirty()))


def read_exactly_once(said: Sequence[Said]) -> list[Output]:
    """What a reader takes that keeps the highest number per writer and topic, as every reader of ours does."""
    highest: dict[tuple[str, str], int] = {}
    taken = []
    for writer, output in said:
        if output.number > highest.get((writer, output.topic), 0):
            highest[writer, output.topic] = output.number
            taken.append(output)
    return taken


__all__ = [
    "SEQUENCE_HEADER",
    "Entry",
    "Faults",
    "Log",
    "NullMeter",
    "Said",
    "Simulation",
    "Worker",
    "entries",
    "read_exactly_once",
]
