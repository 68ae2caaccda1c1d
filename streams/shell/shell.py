"""One agent as a Faust app, driven by the clock: assignment in, engine of that generation, ticks, checkpoints, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError

from streams.faust_private import Batch, FaustApp, Limits
from streams.kafka import Cluster
from streams.records import Meter
from streams.shell.agent import Agent
from streams.shell.budget import Budget
from streams.shell.engine import Engine
from streams.shell.poison import PoisonLimit
from streams.shell.progress import Progress
from streams.shell.wire import KafkaWire, Reader

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often things happen. ``epoch_s`` is how long an outbox agent's outputs may wait; a direct agent's do not wait, so
    its checkpoints may be rarer. All agents of a process together write ``bytes_per_s`` of checkpoints (``budget.py``), so
    those of many bytes are made less often. After ``session_s`` of silence another worker takes over; a restart under the same
    instance name is back sooner."""

    epoch_s: float = 0.25
    direct_epoch_s: float = 1.0
    tick_s: float = 1.0
    look_s: float = 3.0
    patience_s: float = 10.0
    beat_s: float = 1.0
    bytes_per_s: float = 8e6
    session_s: float = 6.0
    stop_s: float = 1.5
    stall_s: float = 30.0


class Shell:
    """Runs one agent. ``failed`` is called once with whatever ends it; nothing unsafe is committed after that."""

    def __init__(
        self,
        agent: Agent,
        cluster: Cluster,
        reader: Reader,
        *,
        instance: str,
        meter: Meter,
        clock: Callable[[], int],
        failed: Callable[[BaseException], None],
        pace: Pace = Pace(),
        budget: Budget | None = None,
        poison: PoisonLimit | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.agent = agent
        self.progress = Progress(agent.name, time.monotonic, stall_s=pace.stall_s)
        self._reader, self._meter, self._clock, self._failed, self._pace = reader, meter, clock, failed, pace
        self._poison = poison or PoisonLimit()
        self._budget = budget or Budget(pace.bytes_per_s, time.monotonic)
        self._lags: set[tuple[str, int]] = set()
        self._engine: Engine | None = None
        self._epoch = 0
        self._mine: set[int] = set()
        self._last: dict[int, float] = {}
        self._stopping = False
        self._round = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._faust = FaustApp(
            agent.name, agent.group, [topic.name for topic in agent.sources], cluster, self, self._take,
            instance=instance, session_s=pace.session_s, limits=limits,
        )  # fmt: skip

    async def start(self) -> None:
        await self._faust.start()
        self._tasks = [
            asyncio.create_task(self._guard(work())) for work in (self._drive, self._beat, self._look, self._watch_faust)
        ]

    async def stop(self) -> None:
        """Take nothing more in, make what is done durable, leave. A second or two; a static member keeps its partitions."""
        self._stopping = True
        self._faust.halt()
        try:
            async with asyncio.timeout(self._pace.stop_s):
                await self._last_checkpoint()
        except TimeoutError:
            log.warning("agent %s stops without a last checkpoint: Kafka does not answer. Nothing is lost.", self.agent.name)
        self.revoked()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait({asyncio.create_task(self._faust.stop())}, timeout=self._pace.stop_s)

    async def _last_checkpoint(self) -> None:
        if engine := self._engine:
            async with self._round:
                await engine.checkpoint(engine.dirty())

    # what Faust tells

    def assigned(self, epoch: int, partitions: set[int]) -> None:
        """A new generation: a new engine, which knows nothing yet."""
        self.revoked()
        self._epoch, self._mine, self._last = epoch, partitions, {}
        engine: Engine
        wire = KafkaWire(self.agent, self._faust, self._reader, self._faust.identity(), lambda: engine.live)
        engine = Engine(self.agent, wire, meter=self._meter, clock=self._clock, poison=self._poison)
        self._engine = engine
        self.progress.assigned()
        log.info("agent %s: generation %s, partitions %s", self.agent.name, self._faust.identity()[0], sorted(partitions))

    def revoked(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine, self._mine = None, set()
        self._tell({})

    async def _take(self, batch: Batch) -> None:
        engine = self._engine
        if engine is None or batch.epoch != self._epoch or self._stopping:
            return
        try:
            await engine.feed(batch.partition, batch.records)
            if engine.laden(batch.partition):
                await self._checkpoint(engine, [batch.partition])
            if self._poison.exceeded:
                await self._give_up(engine)
        except Exception as error:
            engine.close()
            self._failed(error)

    async def _give_up(self, engine: Engine) -> None:
        """Too much poison: what is buried is made durable first, so that it can be looked at and a restart gets further."""
        async with self._round:
            await engine.checkpoint(engine.dirty())
        raise self._poison.error(self.agent.name)

    # what the clock drives

    async def _guard(self, work: Any) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self._engine:
                self._engine.close()
            self._failed(error)

    async def _watch_faust(self) -> None:
        await self._faust.wait_until_stopped()
        if not self._stopping:
            raise RuntimeError(f"agent {self.agent.name}: Faust stopped by itself")

    async def _beat(self) -> None:
        while True:
            self.progress.beat(self._waiting_for(self._engine))
            await asyncio.sleep(self._pace.beat_s)

    async def _drive(self) -> None:
        ticked = time.monotonic()
        while not self._stopping:
            await asyncio.sleep(self._pace.epoch_s / 2)
            engine = self._engine
            if engine is None:
                continue
            for number in sorted(self._mine):
                await engine.recover(number)
            now = time.monotonic()
            if now - ticked >= self._pace.tick_s:
                ticked = now
                for number in sorted(self._mine):
                    if self._caught_up(engine, number):
                        await engine.tick(number)
            if due := [number for number in engine.dirty() if self._due(number, now)]:
                await self._checkpoint(engine, due)

    async def _checkpoint(self, engine: Engine, numbers: list[int]) -> None:
        now = time.monotonic()
        async with self._round:
            await engine.checkpoint(numbers)
        for number in numbers:
            self._last[number] = now
            self._budget.spent((self.agent.name, number), engine.checkpoint_bytes.get(number, 0))

    def _due(self, number: int, now: float) -> bool:
        epoch = self._pace.epoch_s if self.agent.mode == "outbox" else self._pace.direct_epoch_s
        return now - self._last.get(number, 0.0) >= epoch and self._budget.free((self.agent.name, number))

    def _waiting_for(self, engine: Engine | None) -> str | None:
        if engine is None:
            return "its group is rebalancing"
        missing = [number for number in sorted(self._mine) if not engine.recovered(number)]
        return f"partitions {missing} are not recovered yet" if missing else None

    def _caught_up(self, engine: Engine, number: int) -> bool:
        """Time may pass for a partition only when nothing of it waits, as of a recent answer of the broker."""
        positions = engine.positions()
        ends = {
            topic.name: self._faust.end(topic.name, number, within_ms=3_000, now_ms=int(time.time() * 1000))
            for topic in self.agent.sources
        }
        return all(end is not None and positions.get((topic, number), -1) >= end for topic, end in ends.items())

    async def _look(self) -> None:
        """Ask Kafka for the ends of our partitions, on a connection of our own."""
        while True:
            await asyncio.sleep(self._pace.look_s)
            engine, topics = self._engine, [topic.name for topic in (*self.agent.sources, self.agent.checkpoints)]
            partitions = [(topic, number) for topic in topics for number in self._mine]
            if engine is None:
                continue
            try:
                async with asyncio.timeout(self._pace.patience_s):
                    ends = await self._reader.ends(partitions) if partitions else {}
            except (KafkaError, TimeoutError) as error:
                log.warning("agent %s: Kafka does not tell the ends of the topics: %r", self.agent.name, error)
                if self.progress.silent():
                    self._tell({})
                continue
            if engine is self._engine:
                for number in [n for topic, n in ends if topic == self.agent.checkpoints.name]:
                    engine.overtaken(number, ends.pop((self.agent.checkpoints.name, number)))
                self._tell(self.progress.looked(ends, engine.durable))

    def _tell(self, lags: Mapping[tuple[str, int], int]) -> None:
        """The lag as a metric; what is not ours any more, or not known any more, is no figure at all."""
        for topic, number in self._lags - lags.keys():
            self._meter.gauge("agent_lag", math.nan, agent=self.agent.name, topic=topic, partition=str(number))
        for (topic, number), lag in lags.items():
            self._meter.gauge("agent_lag", lag, agent=self.agent.name, topic=topic, partition=str(number))
        self._lags = set(lags)
