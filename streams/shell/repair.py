"""What a person does when an agent refuses to start because its offsets and its checkpoints no longer fit together.

Offsets that were moved by hand name no checkpoint, and records that Kafka removed before they were read are gone. The shell
never guesses; these three ways back are chosen by a person, with the agent's workers stopped:

* ``to_checkpoint``: back to the newest checkpoint that lies in the topic. What was said after it may be said again.
* ``anew``: forget the state, begin at the earliest or the latest record, under a new lineage of numbers.
* ``skip_lost``: keep the state, accept that what Kafka has removed is lost, go on with what is left, under a new lineage: the
  numbers that a direct agent gave beyond the checkpoint would come again with other content.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.commits import group_commits
from streams.kafka import Cluster
from streams.reach import admin_client
from streams.records import FatalError, LivetideError, RetryError, sequence_header
from streams.shell import checkpoint as ck
from streams.shell.agent import Agent
from streams.shell.checkpoint import Checkpoint
from streams.shell.partition import Partition
from streams.shell.wire import Reader

MAX_REQUEST = 96 * 2**20


@dataclass(frozen=True)
class Repaired:
    """One partition after a repair: where its sources go on, and what had to be given up."""

    partition: int
    positions: Mapping[str, int]
    lost: int = 0


def to_checkpoint(cluster: Cluster, agent: Agent) -> list[Repaired]:
    """Commit the newest readable checkpoint of each partition. Partitions that have none are left as they are."""
    return asyncio.run(_repair(cluster, agent, _newest))


def anew(cluster: Cluster, agent: Agent, clock: Callable[[], int], *, latest: bool = False) -> list[Repaired]:
    """Begin all partitions anew, at the earliest or the latest record of each source."""

    async def fresh(desk: _Desk, partition: int) -> Repaired:
        positions = await desk.bounds(partition, latest=latest)
        await desk.write(Partition.fresh(agent, partition, positions, clock()).snapshot().checkpoint)
        return Repaired(partition, positions)

    return asyncio.run(_repair(cluster, agent, fresh))


def skip_lost(cluster: Cluster, agent: Agent, clock: Callable[[], int]) -> list[Repaired]:
    """Move positions up to what Kafka still holds; everything else of the state stays."""
    committed = group_commits(cluster, agent.group)

    async def skip(desk: _Desk, partition: int) -> Repaired:
        named = {ck.named(at.metadata) for (_, number), at in committed.items() if number == partition}
        if len(named) != 1 or None in named:
            raise FatalError(f"partition {partition}: its commits name no checkpoint; use --to-checkpoint first")
        offset = named.pop()
        assert offset is not None
        data = await desk.checkpoint(partition, offset)
        if data is None:
            raise FatalError(f"partition {partition}: its checkpoint {offset} is gone; use --anew")
        kept = ck.decode(data, f"{agent.checkpoints.name}-{partition}@{offset}")
        earliest = await desk.bounds(partition, latest=False)
        positions = {topic: max(at, earliest.get(topic, 0)) for topic, at in kept.positions.items()}
        await desk.say(kept)
        lineage = max(clock(), kept.lineage + 1)
        new = msgspec.structs.replace(kept, slot=1 - kept.slot, positions=positions, lineage=lineage, sent=0, outbox=[])
        await desk.write(new)
        return Repaired(partition, positions, sum(positions.values()) - sum(kept.positions.values()))

    return asyncio.run(_repair(cluster, agent, skip))


class _Desk:
    """The clients of a repair."""

    def __init__(self, agent: Agent, reader: Reader, producer: AIOKafkaProducer, group: AIOKafkaConsumer) -> None:
        self.agent, self._reader, self._producer, self._group = agent, reader, producer, group

    async def bounds(self, partition: int, *, latest: bool) -> dict[str, int]:
        ask = self._reader.ends if latest else self._reader.earliest
        found = await ask([(topic.name, partition) for topic in self.agent.sources])
        return {topic: at for (topic, _), at in found.items()}

    async def checkpoint(self, partition: int, offset: int) -> bytes | None:
        record = await self._reader.first_from(self.agent.checkpoints.name, partition, offset)
        return record.value if record is not None and record.offset == offset else None

    async def newest(self, partition: int) -> tuple[int, Checkpoint] | None:
        place = (self.agent.checkpoints.name, partition)
        at, end = (await self._reader.earliest([place]))[place], (await self._reader.ends([place]))[place]
        found = None
        while at < end and (record := await self._reader.first_from(*place, at)) is not None:
            found, at = (record.offset, ck.decode(record.value, f"{place[0]}-{partition}@{record.offset}")), record.offset + 1
        return found

    async def say(self, checkpoint: Checkpoint) -> None:
        """What its commit allows to be said, under its own numbers; readers skip what they have."""
        for output in checkpoint.outbox:
            header = sequence_header(checkpoint.writer, output.number)
            await self._producer.send_and_wait(output.topic, output.value, output.key, checkpoint.partition, headers=[header])

    async def write(self, checkpoint: Checkpoint) -> None:
        topic = self.agent.checkpoints.name
        done = await self._producer.send_and_wait(topic, ck.encode(checkpoint), checkpoint.key, checkpoint.partition)
        await self.commit(checkpoint, done.offset)

    async def commit(self, checkpoint: Checkpoint, offset: int) -> None:
        offsets = {
            TopicPartition(topic, checkpoint.partition): OffsetAndMetadata(at, ck.metadata(offset))
            for topic, at in checkpoint.positions.items()
        }
        self._group.assign(list(offsets))
        try:
            await self._group.commit(offsets)
        except CommitFailedError as error:
            raise RetryError(f"group {self.agent.group} has members: stop its workers first, then repair again") from error


async def _newest(desk: _Desk, partition: int) -> Repaired:
    found = await desk.newest(partition)
    if found is None:
        return Repaired(partition, {})
    await desk.commit(found[1], found[0])
    return Repaired(partition, found[1].positions)


async def _repair(cluster: Cluster, agent: Agent, work: Callable[[_Desk, int], Awaitable[Repaired]]) -> list[Repaired]:
    await asyncio.to_thread(admin_client, cluster)  # says clearly why it is not let in
    async with _desk(cluster, agent) as desk:
        return [await work(desk, partition) for partition in range(cluster.partitions)]


@asynccontextmanager
async def _desk(cluster: Cluster, agent: Agent) -> AsyncIterator[_Desk]:
    reader = Reader(cluster)
    producer = AIOKafkaProducer(**cluster.aiokafka(), acks="all", enable_idempotence=True, max_request_size=MAX_REQUEST)
    group = AIOKafkaConsumer(**cluster.aiokafka(), group_id=agent.group, enable_auto_commit=False)
    try:
        async with AsyncExitStack() as clients:
            for start, stop in ((c.start, c.stop) for c in (reader, producer, group)):
                clients.push_async_callback(stop)
                await start()
            yield _Desk(agent, reader, producer, group)
    except LivetideError:
        raise
    except KafkaError as error:
        raise RetryError(f"Kafka does not answer: {error!r}") from error
