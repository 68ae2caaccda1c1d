"""The ways back after somebody moved offsets, on a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams import admin
from streams.commits import group_commits
from streams.kafka import Cluster
from streams.records import FatalError, encode
from streams.shell import checkpoint as ck
from streams.shell import repair
from streams.shell.agent import Agent
from streams.shell.checkpoint import Checkpoint, Output
from streams.shell.partition import Partition
from streams.topics import ANSWERS, SALES, TOPICS
from tests.streams.shell.operators import Echo, answer, sale
from tests.streams.test_subscriber import PARTITION, read_all

pytestmark = pytest.mark.kafka


@pytest.fixture
def agent(cluster: Cluster, topic_maker: Callable[..., str]) -> Agent:
    source = dataclasses.replace(SALES, name=topic_maker("sales"))
    made = Agent(f"repair-{source.name.rpartition('.')[2]}", (source,), Echo, "direct")
    admin.create_topics(cluster, [*TOPICS.values(), made.checkpoints])
    return made


async def commit(cluster: Cluster, agent: Agent, offset: int, metadata: str = "") -> None:
    """What a person does with Kafka's own tools."""
    consumer = AIOKafkaConsumer(**cluster.aiokafka(), group_id=agent.group, enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(agent.sources[0].name, 1)
    consumer.assign([place])
    await consumer.commit({place: OffsetAndMetadata(offset, metadata)})
    await consumer.stop()


def named(cluster: Cluster, agent: Agent) -> list[tuple[int, bool]]:
    """Offset, and whether a checkpoint is named, of each partition."""
    found = group_commits(cluster, agent.group)
    return [
        (at.offset, ck.named(at.metadata) is not None)
        for at in (found[agent.sources[0].name, partition] for partition in range(4))
    ]


def test_anew_from_the_start_and_from_now(cluster: Cluster, agent: Agent) -> None:
    from confluent_kafka import Producer

    producer = Producer(cluster.producer())
    for number in range(5):
        producer.produce(agent.sources[0].name, encode(sale(number)), b"room-1", 1)
    producer.flush(20)
    repair.anew(cluster, agent, lambda: 1, latest=True)
    assert named(cluster, agent) == [(0, True), (5, True), (0, True), (0, True)]
    repair.anew(cluster, agent, lambda: 2)
    assert named(cluster, agent) == [(0, True)] * 4


async def test_back_to_the_newest_checkpoint(cluster: Cluster, agent: Agent) -> None:
    done = await asyncio.to_thread(lambda: repair.anew(cluster, agent, lambda: 1))
    await commit(cluster, agent, 0)
    assert (await asyncio.to_thread(lambda: named(cluster, agent)))[1] == (0, False)
    with pytest.raises(FatalError, match="use --to-checkpoint first"):
        await asyncio.to_thread(lambda: repair.skip_lost(cluster, agent, lambda: 2))
    assert await asyncio.to_thread(lambda: repair.to_checkpoint(cluster, agent)) == done
    assert await asyncio.to_thread(lambda: named(cluster, agent)) == [(0, True)] * 4


def test_what_kafka_removed_is_skipped(cluster: Cluster, agent: Agent) -> None:
    from confluent_kafka import Producer
    from confluent_kafka import TopicPartition as Place
    from confluent_kafka.admin import AdminClient

    repair.anew(cluster, agent, lambda: 1)
    producer = Producer(cluster.producer())
    for number in range(5):
        producer.produce(agent.sources[0].name, encode(sale(number)), b"room-1", 1)
    producer.flush(20)
    place = Place(agent.sources[0].name, 1, 3)
    client = AdminClient(cluster.client())  # held: what is collected does not answer
    client.delete_records([place])[place].result(20)
    done = repair.skip_lost(cluster, agent, lambda: 2)
    assert [(one.positions[agent.sources[0].name], one.lost) for one in done] == [(0, 0), (3, 3), (0, 0), (0, 0)]
    assert named(cluster, agent)[1] == (3, True)


async def newest(cluster: Cluster, agent: Agent, partition: int) -> Checkpoint:
    async with repair._desk(cluster, agent) as desk:
        found = await desk.newest(partition)
    assert found is not None
    return found[1]


async def test_what_is_said_after_a_loss_is_numbered_anew_and_what_was_owed_is_said_first(
    cluster: Cluster, agent: Agent
) -> None:
    owed = Output(ANSWERS.name, b"room-1", encode(answer(sale(1), 7, 0.5)), 5)
    name = agent.sources[0].name

    async def write(desk: repair._Desk, partition: int) -> repair.Repaired:
        fresh = Partition.fresh(agent, partition, {name: 0}, 1).snapshot().checkpoint
        await desk.write(msgspec.structs.replace(fresh, sent=5, outbox=[owed] if partition == PARTITION else [], birth=False))
        return repair.Repaired(partition, {name: 0})

    await repair._repair(cluster, agent, write)
    await asyncio.to_thread(lambda: repair.skip_lost(cluster, agent, lambda: 1))  # a clock that stood still
    after = await newest(cluster, agent, PARTITION)
    assert (after.writer, after.sent, after.outbox) == (f"{agent.name}@2", 0, [])
    said = await asyncio.to_thread(lambda: read_all(cluster, ANSWERS, f"{agent.name}@1"))
    assert said == [(5, owed.value)]


def test_a_group_that_was_deleted_goes_back_to_its_checkpoints(cluster: Cluster, agent: Agent) -> None:
    from confluent_kafka.admin import AdminClient

    repair.anew(cluster, agent, lambda: 1)
    client = AdminClient(cluster.client())  # held: what is collected does not answer
    client.delete_consumer_groups([agent.group])[agent.group].result(20)
    assert group_commits(cluster, agent.group) == {}
    repair.to_checkpoint(cluster, agent)
    assert named(cluster, agent) == [(0, True)] * 4
