"""The engine's wire on a real broker: large checkpoints, checkpoints that are gone, and gaps of three kinds."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams import admin
from streams.faust_private import Batch, FaustApp, Limits
from streams.kafka import Cluster
from streams.records import FatalError, encode
from streams.shell.agent import Agent
from streams.shell.engine import Commit
from streams.shell.partition import GapError
from streams.shell.wire import KafkaWire, Reader
from streams.topics import SALES, TOPICS
from tests.streams.shell.operators import Echo, sale

pytestmark = pytest.mark.kafka


class Member:
    """An agent's app with its wire, as the shell would hold them."""

    def __init__(self, cluster: Cluster, agent: Agent, reader: Reader) -> None:
        self.batches: list[Batch] = []
        self.ready = asyncio.Event()
        self.app = FaustApp(
            agent.name,
            agent.group,
            [agent.sources[0].name],
            cluster,
            self,
            self.take,
            instance="",
            session_s=6,
            limits=Limits(),
        )
        self.agent, self.reader = agent, reader

    def assigned(self, epoch: int, partitions: set[int]) -> None:
        self.wire = KafkaWire(self.agent, self.app, self.reader, self.app.identity(), lambda: True)
        self.ready.set()

    def revoked(self) -> None:
        self.ready.clear()

    async def take(self, batch: Batch) -> None:
        self.batches.append(batch)


@pytest.fixture
async def member(cluster: Cluster, topic_maker: Callable[..., str]) -> AsyncIterator[Member]:
    source = dataclasses.replace(SALES, name=await asyncio.to_thread(topic_maker, "sales"))
    agent = Agent(f"wire-{source.name.rpartition('.')[2]}", (source,), Echo, "direct")
    await asyncio.to_thread(admin.create_topics, cluster, [*TOPICS.values(), agent.checkpoints])
    reader = Reader(cluster)
    await reader.start()
    made = Member(cluster, agent, reader)
    await made.app.start()
    async with asyncio.timeout(60):
        await made.ready.wait()
    yield made
    await made.app.stop()
    await reader.stop()


async def test_checkpoints_of_many_megabytes_and_exactly_the_named_one(member: Member) -> None:
    wire = member.wire
    small, large = b"small", bytes(range(256)) * 20_000
    offsets = [await wire.write(2, b"2:0", data) for data in (small, large, small)]
    assert offsets == [0, 1, 2]
    assert [await wire.read(2, offset) for offset in offsets] == [small, large, small]
    assert await wire.newest(2) == small
    assert await wire.newest(1) is None
    assert await wire.read(2, 3) is None
    assert await wire.read(1, 0) is None


async def test_a_commit_for_all_sources_of_a_partition(member: Member) -> None:
    topic = member.agent.sources[0].name
    assert await member.wire.committed(2) == {}
    assert await member.wire.commit({2: Commit({topic: 7}, "ck:3"), 3: Commit({topic: 1}, "ck:0")})
    assert {topic: tuple(at) for topic, at in (await member.wire.committed(2)).items()} == {topic: (7, "ck:3")}
    assert await member.wire.earliest(2) == {topic: 0}


async def test_a_jump_is_read_again_and_a_loss_is_fatal(cluster: Cluster, member: Member) -> None:
    topic = member.agent.sources[0].name
    for number in range(10):
        await (await member.app.send(topic, 1, b"room-1", encode(sale(number)), []))
    jumped = await member.wire.close_gap(1, GapError(topic, 4, 8))
    assert jumped == 4
    async with asyncio.timeout(30):
        while not any(batch.records[0].offset == 4 for batch in member.batches):
            await asyncio.sleep(0.05)

    place = TopicPartition(topic, 1, 6)
    client = AdminClient(cluster.client())
    await asyncio.to_thread(lambda: client.delete_records([place])[place].result(20))
    with pytest.raises(FatalError, match="begins at 6, but 4 was to be read next"):
        await member.wire.close_gap(1, GapError(topic, 4, 6))
