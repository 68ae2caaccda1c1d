"""The topics as they lie in Kafka, read from their beginning, without the product's own readers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from streams.kafka import Cluster
from streams.records import InvalidError
from streams.topics import TOPICS

SEQUENCE = "livetide-sequence"
REPLAYED = "livetide-replay-for"


class Entry(NamedTuple):
    """One record of a log. ``writer`` is empty and ``number`` 0 where the writer does not number; ``value`` is as it lies."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    writer: str
    number: int
    replayed: str
    value: bytes
    record: Any
    """None for what is no record of its topic."""


def read(cluster: Cluster, topic: str) -> list[Entry]:
    """All of a topic as of now, partition by partition."""
    consumer = Consumer(cluster.client(group_id="verifier", enable_auto_commit=False, fetch_wait_max_ms=50))
    found: list[Entry] = []
    try:
        for partition in range(cluster.partitions):
            place = TopicPartition(topic, partition)
            low, end = consumer.get_watermark_offsets(place, timeout=20)
            place.offset = at = low
            consumer.assign([place])
            deadline = time.monotonic() + 30
            while at < end:
                batch = consumer.consume(min(2_000, end - at), 2.0)
                assert batch or time.monotonic() < deadline, f"{topic}-{partition} does not answer at {at} of {end}"
                for message in batch:
                    assert message.error() is None, message.error()
                    at = (message.offset() or 0) + 1
                    if at <= end:
                        found.append(_entry(message))
            consumer.unassign()
    finally:
        consumer.close()
    return found


def _entry(message: Any) -> Entry:
    headers = {name: bytes(value or b"").decode() for name, value in message.headers() or ()}
    writer, _, number = headers.get(SEQUENCE, ":0").rpartition(":")
    topic, value = message.topic(), bytes(message.value() or b"")
    try:
        record = TOPICS[topic].decode(value)
    except InvalidError:
        record = None
    return Entry(
        topic, message.partition(), message.offset(), message.timestamp()[1], writer, int(number), headers.get(REPLAYED, ""),
        value, record,
    )  # fmt: skip


def once(entries: Iterable[Entry]) -> list[Entry]:
    """Without what a writer has said again: the rule that every reader goes by."""
    highest: dict[tuple[int, str], int] = {}
    kept = []
    for entry in entries:
        if entry.writer:
            if entry.number <= highest.get((entry.partition, entry.writer), 0):
                continue
            highest[entry.partition, entry.writer] = entry.number
        kept.append(entry)
    return kept


class Log:
    """Everything that lies in Kafka at the moment at which this is made."""

    def __init__(self, cluster: Cluster) -> None:
        self.partitions = cluster.partitions
        self.all = {topic: read(cluster, topic) for topic in TOPICS}
        self.said = {
            topic: [entry for entry in once(entries) if entry.record is not None] for topic, entries in self.all.items()
        }
        """Good records without repeats: what counts."""
        self._ends: defaultdict[tuple[str, int], int] = defaultdict(int)
        for entry in self.entries():
            self._ends[entry.topic, entry.partition] = max(self._ends[entry.topic, entry.partition], entry.offset + 1)

    def entries(self) -> Iterator[Entry]:
        for entries in self.all.values():
            yield from entries

    def bad(self) -> Iterator[Entry]:
        """What is no record of its topic, and was put there by nobody who repaired something."""
        return (entry for entry in self.entries() if entry.record is None and not entry.replayed)

    def holds(self, topic: str, row: dict[str, Any]) -> bool:
        """Whether a row's record was there when the log was read; timers may have said more since."""
        return bool(row["log_offset"] < self._ends[topic, row["log_partition"]])
