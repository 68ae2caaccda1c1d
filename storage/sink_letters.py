"""The sink's dead letters: in Kafka before the offsets of what they speak of are committed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from streams.records import DeadLetter, FatalError, Meter, encode
from streams.topics import DEADLETTER, fitting, partition_of

log = logging.getLogger(__name__)


class Letters:
    """Writes dead letters to their topic. ``settings`` are those of a producer that loses nothing."""

    def __init__(self, settings: dict[str, Any], partitions: int, meter: Meter) -> None:
        self._producer = Producer({**settings, "linger.ms": 5, "message.max.bytes": DEADLETTER.max_bytes})
        self._partitions = partitions
        self._meter = meter

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is acknowledged. One about the dead-letter topic itself is only counted and logged."""
        failures: list[str] = []

        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                failures.append(str(error))

        for letter in letters:
            self._meter.count("deadletters", stage=letter.stage)
            log.warning("%s/%s offset %s: %s", letter.topic, letter.partition, letter.offset, letter.reason[:300])
            if letter.topic != DEADLETTER.name:
                partition = partition_of(letter.topic, self._partitions)
                value = encode(fitting(letter))
                self._producer.produce(DEADLETTER.name, value, letter.topic.encode(), partition, on_delivery=delivered)
        if letters and (self._producer.flush(60) or failures):
            raise FatalError(f"dead letters could not be written to {DEADLETTER.name}: {(failures or ['no answer'])[0]}")
