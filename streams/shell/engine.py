"""One generation of one agent: recover, feed, tick, checkpoint, over a wire that may be Kafka or a simulation of it.

A new generation of the group is a new engine: it forgets everything and recovers each partition from the checkpoint that the
committed offset names. An engine whose generation is over (:meth:`Engine.close`) says and commits nothing more of its own
accord, and what it has under way is harmless: its commit is fenced, and its outputs carry the numbers and the content that the
next owner will say again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams.commits import Committed
from streams.records import FatalError, Meter, RetryError
from streams.shell import checkpoint as ck
from streams.shell.agent import Agent
from streams.shell.checkpoint import Checkpoint, Output
from streams.shell.partition import Fate, GapError, Message, Partition, Snapshot
from streams.shell.poison import PoisonLimit

CHUNK = 32  # records between two chances for others to run: 32 envelopes of 64 at 30 µs a message are 60 ms
BACKOFF_S = (0.1, 5.0)
LADEN_BYTES = 8 * 2**20
FAR_BEHIND = 1_000  # records of which none is new, before it is worth a seek


class Commit(NamedTuple):
    """What is committed for one partition, on all its source topics at once."""

    positions: Mapping[str, int]
    metadata: str


class Wire(Protocol):
    """The log, as an engine needs it. Everything retries by itself until it is done or the generation is over."""

    async def send(self, partition: int, output: Output, writer: str) -> asyncio.Future[object]:
        """Hand one output over, in order; what is returned ends when it is durable."""
        ...

    async def write(self, partition: int, key: bytes, data: bytes) -> int:
        """Make a checkpoint durable; its offset."""
        ...

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        """Commit all of it; False when this generation is over and nothing was or will be committed by it."""
        ...

    async def committed(self, partition: int) -> Mapping[str, Committed]:
        """What is committed for the partition, by source topic; topics without a commit are missing."""
        ...

    async def read(self, partition: int, offset: int) -> bytes | None:
        """The checkpoint at exactly this offset; None when it is gone."""
        ...

    async def newest(self, partition: int) -> bytes | None:
        """The newest checkpoint that lies in the log, whoever wrote it; None when there is none."""
        ...

    async def earliest(self, partition: int) -> Mapping[str, int]:
        """The first offset that each source topic still holds."""
        ...

    async def read_from(self, topic: str, partition: int, offset: int) -> None:
        """Read on from this offset: what comes is long known."""
        ...

    async def close_gap(self, partition: int, gap: GapError) -> int:
        """The offset of the first record that the log holds from ``gap.expected`` on. When that is not ``gap.got``, reading
        goes on from it. Raises ``FatalError`` when records were removed before we read them."""
        ...


@dataclass
class _Open:
    """A recovered partition, the lock between feeding and snapshots, and outputs on their way."""

    core: Partition
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pending: deque[asyncio.Future[object]] = field(default_factory=deque)


class Engine:
    """The partitions of one agent in one generation of its group."""

    def __init__(
        self,
        agent: Agent,
        wire: Wire,
        *,
        meter: Meter,
        clock: Callable[[], int],
        poison: PoisonLimit,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        in_flight: int = 20_000,
    ) -> None:
        self.agent, self.live = agent, True
        self._wire, self._meter, self._clock, self._sleep = wire, meter, clock, sleep
        self._poison, self._in_flight = poison, in_flight
        self._open: dict[int, _Open] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self.checkpoint_bytes: dict[int, int] = {}
        self.durable: dict[tuple[str, int], int] = {}
        self._named: dict[int, int] = {}
        self._told: set[tuple[int, str]] = set()

    def close(self) -> None:
        """The generation is over, and so are its figures: the partitions may be another worker's now."""
        self.live = False
        for number, what in self._told:
            self._meter.gauge("agent_state", math.nan, agent=self.agent.name, partition=str(number), what=what)
        for number in self.checkpoint_bytes:
            self._meter.gauge("agent_checkpoint_bytes", math.nan, agent=self.agent.name, partition=str(number))

    def positions(self) -> dict[tuple[str, int], int]:
        """Where feeding stands: next offset by topic and partition."""
        return {(topic, n): at for n, part in self._open.items() for topic, at in part.core.positions.items()}

    def dirty(self) -> list[int]:
        """Recovered partitions that have something to checkpoint."""
        return [number for number, part in self._open.items() if part.core.dirty]

    def laden(self, number: int) -> bool:
        """Whether the outputs that wait for a checkpoint are so many bytes that it should not wait: they must fit into it."""
        part = self._open.get(number)
        return part is not None and sum(len(output.value) for output in part.core.outputs) > LADEN_BYTES

    def recovered(self, number: int) -> bool:
        return number in self._open

    # ── Recovery ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def recover(self, number: int) -> None:
        """Bring one partition back to what the committed checkpoint says; once per engine."""
        async with self._opening.setdefault(number, asyncio.Lock()):
            if number in self._open or not self.live:
                return
            found = await self._named_checkpoint(number)
            if found is None:
                core = Partition.fresh(self.agent, number, await self._wire.earliest(number), self._clock())
                part = _Open(core)
                # The lineage must be the committed one before anything is numbered under it.
                if not await self._checkpoint({number: part}):
                    return
            else:
                checkpoint, offset = found
                if missing := {topic.name for topic in self.agent.sources} - checkpoint.positions.keys():
                    start = await self._wire.earliest(number)
                    checkpoint.positions.update({topic: start[topic] for topic in missing})
                part = _Open(Partition(self.agent, checkpoint))
                self._note(number, checkpoint, offset)
                await self._release(part, checkpoint.outbox)
            if self.live:
                self._open[number] = part

    async def _named_checkpoint(self, number: int) -> tuple[Checkpoint, int] | None:
        agent, committed = self.agent, await self._wire.committed(number)
        if not committed:
            await self._refuse_amnesia(number)
            return None
        repair = f"Somebody moved the offsets by hand: run `livetide agents repair {agent.name}` and start again."
        names = {topic: ck.named(commit.metadata) for topic, commit in committed.items()}
        where = ", ".join(f"{t}-{number}@{c.offset} ({c.metadata or 'no checkpoint'})" for t, c in sorted(committed.items()))
        if None in names.values() or len(set(names.values())) > 1:
            raise FatalError(f"group {agent.group}: the committed offsets {where} do not name one checkpoint. {repair}")
        offset = next(iter(names.values()))
        assert offset is not None
        place = f"{agent.checkpoints.name}-{number}@{offset}"
        data = await self._wire.read(number, offset)
        if data is None:
            raise FatalError(f"{place}, which group {agent.group} names, is gone. {repair}")
        checkpoint = ck.decode(data, place)
        sources = {topic.name for topic in agent.sources}
        positions = {topic: at for topic, at in checkpoint.positions.items() if topic in sources}
        agrees = positions == {topic: commit.offset for topic, commit in committed.items()}
        if not agrees or (checkpoint.agent, checkpoint.partition) != (agent.name, number):
            raise FatalError(f"group {agent.group}: {where} disagrees with {place} at {checkpoint.positions}. {repair}")
        return checkpoint, offset

    async def _refuse_amnesia(self, number: int) -> None:
        """No commit marks a fresh installation, but only without checkpoints: nothing is fed before the first commit."""
        agent, data = self.agent, await self._wire.newest(number)
        if data is None or not self.live:
            return
        if not ck.decode(data, f"the newest checkpoint in {agent.checkpoints.name}-{number}").birth:
            raise FatalError(
                f"group {agent.group} has committed nothing for partition {number}, but checkpoints of it lie in "
                f"{agent.checkpoints.name}: the group was deleted, or its offsets expired. Beginning anew would say everything "
                f"again. Choose: `livetide agents repair {agent.name} --to-checkpoint` goes on from the newest checkpoint, "
                "`--anew` forgets the state."
            )

    # ── Feeding ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def feed(self, number: int, batch: Sequence[Message]) -> None:
        """Take a batch of one partition, in order. Returns early when the generation is over: it will come again."""
        await self.recover(number)
        if batch and batch[-1].offset + FAR_BEHIND < (at := self._position(batch[-1].topic, number)):
            await self._wire.read_from(batch[-1].topic, number, at)
            return
        for start in range(0, len(batch), CHUNK):
            if not self.live or (part := self._open.get(number)) is None:
                return
            async with part.lock:
                with self._closed_on_failure():
                    all_taken = await self._chunk(part, batch[start : start + CHUNK])
            if not all_taken:
                return
            if self.agent.mode == "direct":
                await self._back_pressure(part)
            await self._sleep(0)

    def _position(self, topic: str, number: int) -> int:
        part = self._open.get(number)
        return part.core.positions.get(topic, 0) if part is not None else 0

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """Whoever fails or is cancelled halfway leaves a state that no checkpoint may describe."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    async def _chunk(self, part: _Open, batch: Sequence[Message]) -> bool:
        """Take these records; False when the rest of the batch is of no use."""
        fates: dict[Fate, int] = {}
        fate: Fate | None = "stale"
        for message in batch:
            fate = await self._one(part, message)
            if fate is None:
                break
            fates[fate] = fates.get(fate, 0) + 1
            if fate in {"dead", "processed"}:
                self._poison.record(fate == "dead")
        for fate, count in fates.items():
            if fate != "stale":
                self._meter.count("agent_records", count, agent=self.agent.name, fate=fate)
        if dead := fates.get("dead"):
            self._meter.count("deadletters", dead, stage=self.agent.name)
        if self.agent.mode == "direct":
            await self._hand_over(part)
        return fate is not None

    async def _one(self, part: _Open, message: Message) -> Fate | None:
        """Take one record, however long it takes; None when it must come again later."""
        wait, longest = BACKOFF_S
        while True:
            try:
                return part.core.feed(message)
            except RetryError:
                if self.agent.mode == "direct":
                    await self._hand_over(part)
                await self._sleep(wait)
                wait = min(2 * wait, longest)
                if not self.live:
                    return None
            except GapError as gap:
                found = await self._wire.close_gap(part.core.number, gap)
                if not self.live or found != message.offset:
                    return None
                part.core.skip_hole(message.topic, found)

    async def _hand_over(self, part: _Open) -> None:
        outputs, part.core.outputs = part.core.outputs, []
        for output in outputs:
            part.pending.append(await self._wire.send(part.core.number, output, part.core.writer))
        self._count_outputs(outputs)

    async def _back_pressure(self, part: _Open) -> None:
        while part.pending and (part.pending[0].done() or len(part.pending) > self._in_flight):
            first = part.pending[0]
            await first
            if part.pending and part.pending[0] is first:  # a checkpoint may have taken them all meanwhile
                part.pending.popleft()

    async def tick(self, number: int) -> None:
        """Let time pass for one partition of an outbox agent."""
        part = self._open.get(number)
        if part is None or not self.live or self.agent.mode == "direct":
            return
        async with part.lock:
            with self._closed_on_failure():
                part.core.tick(self._clock())

    # ── Checkpoints ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def checkpoint(self, numbers: Iterable[int]) -> bool:
        """Make the state of these partitions durable, commit all of them at once, then say what that allows to be said.

        One call at a time. False when the generation is over.
        """
        parts = {number: self._open[number] for number in numbers if number in self._open}
        return bool(parts) and self.live and await self._checkpoint(parts)

    async def _checkpoint(self, parts: Mapping[int, _Open]) -> bool:
        began = time.perf_counter()
        shots = {number: await self._shot(part) for number, part in parts.items()}
        offsets = await asyncio.gather(*(self._durable(number, *shot) for number, shot in shots.items()))
        if not self.live:
            return False
        commits = {
            number: Commit(shot.checkpoint.positions, ck.metadata(offset))
            for (number, (shot, _)), offset in zip(shots.items(), offsets, strict=True)
        }
        if not await self._wire.commit(commits):
            self.close()
            return False
        for (number, (shot, _)), offset in zip(shots.items(), offsets, strict=True):
            self._note(number, shot.checkpoint, offset)
            if self.live:  # it may have been closed while it committed
                self._tell_state(number, parts[number].core.gauges())
        self._meter.observe("agent_checkpoint_seconds", time.perf_counter() - began, agent=self.agent.name)
        await asyncio.gather(*(self._release(parts[number], shot.outputs) for number, (shot, _) in shots.items()))
        return True

    def overtaken(self, number: int, end: int) -> None:
        """The checkpoint topic ends at ``end``. When something lies behind the committed checkpoint, it is of one that died or
        had lost the partition; under the same key, compaction would in time remove ours for its sake. So another is due, which
        goes to the other slot and lies behind it."""
        if (part := self._open.get(number)) is not None and end > self._named[number] + 1:
            part.core.dirty = True

    def _tell_state(self, number: int, figures: Mapping[str, float]) -> None:
        for what, value in figures.items():
            self._told.add((number, what))
            self._meter.gauge("agent_state", value, agent=self.agent.name, partition=str(number), what=what)

    def _note(self, number: int, checkpoint: Checkpoint, offset: int) -> None:
        """What is committed: ``durable`` holds it by topic and partition, for those who watch progress."""
        self._named[number] = offset
        self.durable.update({(topic, number): at for topic, at in checkpoint.positions.items()})

    async def _shot(self, part: _Open) -> tuple[Snapshot, list[asyncio.Future[object]]]:
        async with part.lock:
            pending = list(part.pending)
            part.pending.clear()
            return part.core.snapshot(), pending

    async def _durable(self, number: int, shot: Snapshot, pending: Sequence[asyncio.Future[object]]) -> int:
        for sent in pending:
            await sent
        data = shot.encode()
        self.checkpoint_bytes[number] = len(data)
        if self.live:
            self._meter.gauge("agent_checkpoint_bytes", len(data), agent=self.agent.name, partition=str(number))
        return await self._wire.write(number, shot.checkpoint.key, data)

    async def _release(self, part: _Open, outputs: Sequence[Output]) -> None:
        sent = [await self._wire.send(part.core.number, output, part.core.writer) for output in outputs]
        for one in sent:
            await one
        self._count_outputs(outputs)

    def _count_outputs(self, outputs: Iterable[Output]) -> None:
        counts: dict[str, int] = {}
        for output in outputs:
            counts[output.topic] = counts.get(output.topic, 0) + 1
        for topic, count in counts.items():
            self._meter.count("agent_outputs", count, agent=self.agent.name, topic=topic)
