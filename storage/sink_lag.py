"""How far the store is behind the log: asked of Kafka on a timer, so that it grows while the store is away."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import wait
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # its public name is not in the type stubs

from streams.records import Meter

log = logging.getLogger(__name__)
Key = tuple[str, int]
EVERY_S: Final = 2.0
PATIENCE_S: Final = 10.0
_spec: Any = OffsetSpec  # its methods carry no types


class Lag:
    """The gauge ``sink_lag`` of the partitions that the sink holds. ``ends`` gives the ends of partitions, as far as known."""

    def __init__(self, ends: Callable[[Iterable[Key]], dict[Key, int]], meter: Meter) -> None:
        self._ends = ends
        self._meter = meter
        self._next: dict[Key, int] = {}
        self._lock = threading.Lock()

    def reached(self, key: Key, offset: int) -> None:
        """Everything before ``offset`` is in the store, or was before this sink."""
        with self._lock:
            self._next[key] = offset

    def forget(self) -> None:
        """The partitions are somebody else's."""
        with self._lock:
            for topic, partition in self._next:
                self._meter.gauge("sink_lag", math.nan, topic=topic, partition=str(partition))
            self._next = {}

    def measure(self) -> None:
        """Ask once and set the gauge."""
        for (topic, partition), end in self._ends(list(self._next)).items():
            with self._lock:
                if (topic, partition) in self._next:
                    behind = max(0, end - self._next[topic, partition])
                    self._meter.gauge("sink_lag", behind, topic=topic, partition=str(partition))

    def run(self, stop: threading.Event) -> None:
        """Measure until ``stop`` is set."""
        while not stop.wait(EVERY_S):
            self.measure()


def ends_of(settings: dict[str, Any]) -> Callable[[Iterable[Key]], dict[Key, int]]:
    """Asks a Kafka cluster, by client settings of its own; one request for each broker, however many partitions."""
    admin = AdminClient(settings)

    def ask(keys: Iterable[Key]) -> dict[Key, int]:
        wanted = {TopicPartition(*key): _spec.latest() for key in keys}
        found: dict[Key, int] = {}
        if wanted:
            futures = admin.list_offsets(wanted, request_timeout=PATIENCE_S)
            wait(futures.values(), PATIENCE_S + 1)
            for place, future in futures.items():
                with suppress(KafkaException, TimeoutError):
                    found[place.topic, place.partition] = future.result(0).offset
        return found

    return ask
