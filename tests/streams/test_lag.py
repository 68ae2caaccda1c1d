"""Lag of consumer groups on the real broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.kafka import Cluster
from streams.lag import group_lags, lag
from streams.records import RetryError

pytestmark = pytest.mark.kafka


def test_lag_is_what_is_written_and_not_committed(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    topic, group = topic_maker("lagging"), f"livetide-test-{uuid.uuid4().hex[:8]}"
    producer = Producer(cluster.producer())
    for number in range(10):
        producer.produce(topic, b"x", partition=number % 2)
    assert producer.flush(20) == 0
    consumer = Consumer(cluster.client(group_id=group, enable_auto_commit=False))
    consumer.commit(offsets=[TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 2)], asynchronous=False)
    consumer.close()
    assert group_lags(cluster)[group, topic] == 3
    assert group_lags(cluster, prefix=group) == {(group, topic): 3}
    assert group_lags(cluster, prefix="nobody") == {}


def test_lag_of_a_group_that_has_not_begun_is_everything(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    topic = topic_maker("lag")
    producer = Producer(cluster.producer())
    for _ in range(3):
        producer.produce(topic, b"x", partition=1)
    producer.flush(10)
    lags = lag(cluster, "never-begun", [topic])
    assert [(place.partition, place.committed, place.end, place.lag) for place in lags] == [
        (0, -1, 0, 0), (1, -1, 3, 3), (2, -1, 0, 0), (3, -1, 0, 0),
    ]  # fmt: skip


def test_a_cluster_that_does_not_answer_is_a_retry() -> None:
    with pytest.raises(RetryError, match="does not answer"):
        group_lags(Cluster("127.0.0.1:1"))
