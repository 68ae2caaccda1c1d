"""What the log holds: partition counts, and the offsets of its ends."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # its public name is not in the type stubs

from streams.records import RetryError

TIMEOUT_S: Final = 15.0
PAUSE_S: Final = 0.2
COMING_UP: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
}
"""What a broker says of a topic that was only just made, or that has only just come up itself."""
_spec: Any = OffsetSpec  # its methods carry no types
EARLIEST: Final[OffsetSpec] = _spec.earliest()
LATEST: Final[OffsetSpec] = _spec.latest()


def partition_counts(admin: AdminClient) -> dict[str, int]:
    """Every topic with the number of its partitions. Raises ``RetryError``."""
    try:
        found = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise RetryError(f"Kafka does not answer any more: {error.args[0].str()}") from error
    return {name: len(topic.partitions) for name, topic in found.items()}


def log_offsets(
    admin: AdminClient, places: Collection[tuple[str, int]], spec: OffsetSpec, *, timeout_s: float = TIMEOUT_S
) -> dict[tuple[str, int], int]:
    """The first or the next offset of each place; a partition whose leader has only just come up is asked for again.

    Raises ``RetryError`` when Kafka has not told all of them within ``timeout_s``.
    """
    found: dict[tuple[str, int], int] = {}
    deadline = time.monotonic() + timeout_s
    while left := [place for place in places if place not in found]:
        futures = admin.list_offsets({TopicPartition(*place): spec for place in left}, request_timeout=timeout_s)
        for tp, future in futures.items():
            try:
                found[tp.topic, tp.partition] = future.result(2 * timeout_s).offset
            except KafkaException as error:
                if error.args[0].code() not in COMING_UP or time.monotonic() > deadline:
                    raise RetryError(f"Kafka does not tell the offsets of {tp.topic}: {error.args[0].str()}") from error
                time.sleep(PAUSE_S)
    return found
