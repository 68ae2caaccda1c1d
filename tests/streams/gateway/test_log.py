"""What a log must do, asked of both: the one in memory and Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.admin import create_topics
from streams.gateway.log import KafkaLog, Log
from streams.gateway.memory_log import MemoryLog
from streams.kafka import Cluster
from streams.records import DeadLetter, LivetideError, RetryError, encode
from streams.topics import DEADLETTER, fitting, partition_of
from tests.support.gateway import until

Kept = tuple[int, bytes, bytes]


class Tried(NamedTuple):
    """A log under test: its topic, and how to read back what lies there (partition, key, value)."""

    log: Log
    topic: str
    read: Callable[[], list[Kept]]


def read_kafka(cluster: Cluster, topic: str) -> list[Kept]:
    """Everything in a topic, each partition in its order."""
    consumer = Consumer(cluster.client(group_id="reader", enable_auto_commit=False, auto_offset_reset="earliest"))
    try:
        partitions = [TopicPartition(topic, number) for number in range(cluster.partitions)]
        wanted = sum(consumer.get_watermark_offsets(partition, 10)[1] for partition in partitions)
        consumer.assign([TopicPartition(topic, partition.partition, 0) for partition in partitions])
        kept: list[Kept] = []
        while len(kept) < wanted:
            for message in consumer.consume(wanted - len(kept), 10):
                assert message.error() is None
                kept.append((message.partition() or 0, message.key() or b"", message.value() or b""))
        return kept
    finally:
        consumer.close()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def tried(request: pytest.FixtureRequest) -> AsyncIterator[Tried]:
    if request.param == "memory":
        memory = MemoryLog()
        tried = Tried(memory, "t", lambda: [(r.partition, r.key, r.value) for r in memory.records if r.topic == "t"])
    else:
        cluster, topic = request.getfixturevalue("cluster"), request.getfixturevalue("topic_maker")("gateway-log")
        tried = Tried(KafkaLog(cluster, topic), topic, lambda: read_kafka(cluster, topic))
    await tried.log.open()
    yield tried
    await tried.log.close(5)


class Outcomes:
    """Collects what a log says about records."""

    def __init__(self) -> None:
        self.all: list[LivetideError | None] = []

    def __call__(self, error: LivetideError | None) -> None:
        self.all.append(error)


async def test_what_is_acknowledged_lies_in_the_log_in_order(tried: Tried) -> None:
    said = Outcomes()
    for number in range(500):
        tried.log.append(tried.topic, b"room", b"%d" % number, 2, said)
    assert said.all == []
    assert tried.log.backlog == 500
    await until(lambda: len(said.all) == 500, 30)
    assert said.all == [None] * 500
    assert tried.log.backlog == 0
    assert tried.log.pressure == 0
    kept = await asyncio.to_thread(tried.read)
    assert kept == [(2, b"room", b"%d" % number) for number in range(500)]


async def test_the_key_decides_where_no_partition_is_given(tried: Tried) -> None:
    said = Outcomes()
    for number in range(20):
        tried.log.append(tried.topic, b"room-%d" % number, b"", -1, said)
    await until(lambda: len(said.all) == 20, 30)
    kept = await asyncio.to_thread(tried.read)
    assert {(key, partition) for partition, key, _ in kept} == {
        (b"room-%d" % number, partition_of(f"room-{number}", 4)) for number in range(20)
    }


async def test_a_log_that_answers_checks_well(tried: Tried) -> None:
    await tried.log.check()


async def test_closing_waits_for_what_is_under_way(tried: Tried) -> None:
    said = Outcomes()
    for number in range(100):
        tried.log.append(tried.topic, b"room", b"%d" % number, 0, said)
    await tried.log.close(10)
    assert said.all == [None] * 100
    await tried.log.open()  # the fixture closes it once more
    assert len(await asyncio.to_thread(tried.read)) == 100


async def test_there_is_relief_when_there_is_no_pressure(tried: Tried) -> None:
    await tried.log.relief(0.1)


def nowhere() -> KafkaLog:
    """A log whose broker is not there."""
    return KafkaLog(Cluster("127.0.0.1:9"), "t", most_records=2)


@pytest.fixture(params=["memory", "kafka"])
async def silent(request: pytest.FixtureRequest) -> Log:
    """A log that does not answer; needs no broker."""
    if request.param == "memory":
        memory = MemoryLog(most_records=2)
        memory.hold()
        log: Log = memory
    else:
        log = nowhere()
    await log.open()
    return log


async def test_a_silent_log_settles_what_waits_when_it_is_closed(silent: Log) -> None:
    said = Outcomes()
    for _ in range(3):
        silent.append("t", b"room", b"x", 0, said)
    await asyncio.sleep(0.01)
    assert said.all == []
    await silent.close(0.05)
    assert [type(one) for one in said.all] == [RetryError] * 3
    assert silent.backlog == 0


async def test_pressure_grows_and_there_is_no_relief(silent: Log) -> None:
    said = Outcomes()
    assert silent.pressure == 0
    for expected in (0.5, 1.0, 1.5, 2.0):
        silent.append("t", b"room", b"x", 0, said)
        assert silent.pressure == expected
    with pytest.raises(RetryError, match=r"no place for 0\.02 s"):
        await silent.relief(0.02)
    await silent.close(0.01)


async def test_relief_comes_with_acknowledgements() -> None:
    log, said = MemoryLog(most_records=1), Outcomes()
    await log.open()
    log.hold()
    for _ in range(2):
        log.append("t", b"room", b"x", 0, said)
    waiting = asyncio.ensure_future(log.relief(10))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    log.release()
    await waiting


async def test_a_large_record_is_pressure_too() -> None:
    log = MemoryLog(most_bytes=100)
    await log.open()
    log.append("t", b"room", b"x" * 150, 0, Outcomes())
    assert log.pressure == 1.5


async def test_a_silent_log_does_not_check_well(silent: Log) -> None:
    with pytest.raises(RetryError, match="does not answer"):
        await silent.check()
    await silent.close(0)


@pytest.mark.kafka
async def test_kafka_refuses_what_it_cannot_place(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    topic, said = topic_maker("gateway-log"), Outcomes()
    log = KafkaLog(cluster, topic)
    await log.open()
    log.append(topic, b"room", b"x" * 5_000_000, 0, said)
    log.append(topic, b"room", b"x", 99, said)
    await until(lambda: len(said.all) == 2, 30)
    assert all(isinstance(one, RetryError) and "did not acknowledge" in str(one) for one in said.all)
    await log.close(1)


@pytest.mark.kafka
async def test_another_number_of_partitions_is_told(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    log = KafkaLog(cluster, topic_maker("gateway-log", partitions=2))
    await log.open()
    with pytest.raises(RetryError, match=r"has 2 partitions, the setting says 4.*LIVETIDE_PARTITIONS"):
        await log.check()
    await log.close(1)


@pytest.mark.kafka
async def test_a_letter_as_large_as_its_topic_takes_is_acknowledged(cluster: Cluster) -> None:
    create_topics(cluster, [DEADLETTER])
    letter = DeadLetter(
        topic="gateway", partition=-1, offset=-1, reason="x" * 9_000, stage="gateway", failed_ts=1, value=b"{" * (4 << 20)
    )  # fmt: skip
    said, log = Outcomes(), KafkaLog(cluster, DEADLETTER.name)
    await log.open()
    log.append(DEADLETTER.name, b"gateway", encode(fitting(letter)), -1, said)
    await until(lambda: len(said.all) == 1, 30)
    await log.close(5)
    assert said.all == [None]
