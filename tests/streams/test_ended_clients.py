"""A Kafka client that has ended for good is noticed, whichever way librdkafka says so, and nobody goes on with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import KafkaError

from streams.gateway.log import KafkaLog
from streams.kafka import Cluster, has_ended
from streams.publisher import Publisher
from streams.records import LivetideError, RetryError, Viewer
from tests.support.fatal import end_client


class MockCluster(Cluster):
    """librdkafka's own pretended broker, inside the client."""

    def client(self, **settings: Any) -> dict[str, Any]:
        return super().client(**settings) | {"test.mock.num.brokers": 1, "log_level": 0}


def test_a_consumers_end_is_one_too() -> None:
    assert not KafkaError(KafkaError._FATAL).fatal()  # or this function has no reason to be
    assert has_ended(KafkaError(KafkaError._FATAL))
    assert has_ended(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "", True))
    assert not has_ended(KafkaError(KafkaError._TRANSPORT))


async def test_the_gateways_log_says_that_it_cannot_go_on() -> None:
    log = KafkaLog(MockCluster("mock", partitions=4), "t")
    await log.open()
    on_its_way: asyncio.Future[LivetideError | None] = asyncio.get_running_loop().create_future()
    log.append("t", b"k", b"v", 0, on_its_way.set_result)
    end_client(log._producer)
    async with asyncio.timeout(20):
        await log.failed.wait()
        with pytest.raises(RetryError, match="cannot go on"):
            await log.check()
        outcome: asyncio.Future[LivetideError | None] = asyncio.get_running_loop().create_future()
        log.append("t", b"k", b"v", 0, outcome.set_result)
        assert isinstance(await outcome, RetryError)
        await log.close(0.1)


def test_a_publisher_outlives_its_producer() -> None:
    publisher = Publisher(MockCluster("mock", partitions=4), timeout_s=20)
    viewer = Viewer(room="r", event_ts=1, ingest_ts=1, id="v", source="s", user="u", type="enter")
    publisher.send(viewer)
    publisher.flush()
    publisher.send(viewer)  # what is on its way when the end comes is not confirmed
    end_client(publisher._producer)
    with pytest.raises(RetryError, match="Send again"):
        publisher.flush()
    publisher.send(viewer)
    publisher.flush()
