"""Where the time goes: how old records are when they enter each topic, from what lies in the log afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from streams.kafka import Cluster
from streams.records import Alert, ComprehendedEnvelope, DanmakuEnvelope
from streams.topics import ALERTS, COMPREHENDED, DANMAKU, Topic


def ages(cluster: Cluster, from_ms: int) -> dict[str, dict[str, int]]:
    """Milliseconds from the gateway's time-stamp to the entry into the log, by topic: of chat taken from ``from_ms`` on, and of
    alerts since their evidence."""
    found = {}
    for topic in (DANMAKU, COMPREHENDED, ALERTS):
        waits = sorted(entered - taken for entered, record in _records(cluster, topic) if (taken := _taken(record)) >= from_ms)
        if waits:
            found[topic.name] = {"p50": waits[len(waits) // 2], "p99": waits[int(len(waits) * 0.99)], "records": len(waits)}
    return found


def _taken(record: Any) -> int:
    if isinstance(record, Alert):
        return record.evidence_ts if record.state == "firing" else -1
    return record.ingest_ts if isinstance(record, DanmakuEnvelope | ComprehendedEnvelope) else -1


def _records(cluster: Cluster, topic: Topic) -> Iterator[tuple[int, Any]]:
    """Every record of a topic with the time at which its writer handed it over."""
    consumer = Consumer(cluster.client(group_id="stages", enable_auto_commit=False))
    for partition in range(cluster.partitions):
        at, end = consumer.get_watermark_offsets(TopicPartition(topic.name, partition), timeout=30)
        consumer.assign([TopicPartition(topic.name, partition, at)])
        while at < end:
            for message in consumer.consume(min(500, end - at), 5):
                if message.error() is None:
                    at = (message.offset() or 0) + 1
                    yield message.timestamp()[1], topic.decode(message.value())
    consumer.close()
