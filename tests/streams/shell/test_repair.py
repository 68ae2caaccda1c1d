"""The ways back after somebody moved offsets, on a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

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
from streams.topics import SALES, TOPICS
from tests.streams.shell.operators import Echo, sale

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
        await asyncio.to_thread(lambda: repair.skip_lost(cluster, agent))
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
    done = repair.skip_lost(cluster, agent)
    assert [(one.positions[agent.sources[0].name], one.lost) for one in done] == [(0, 0), (3, 3), (0, 0), (0, 0)]
    assert named(cluster, agent)[1] == (3, True)
