"""Where each partition goes on: behind its newest batch of the ledger, or with it, when Kafka does not say it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from storage.batches import Partition
from storage.client import StoreClient
from storage.ledger import Claim, Ledger
from storage.recent import Recent, stored
from storage.rows import TABLE_OF
from streams.records import FatalError, Meter

log = logging.getLogger(__name__)
T = TypeVar("T")
Key = tuple[str, int]
WAIT_S = 10


class Patience(Protocol):
    """Asks until there is an answer, and raises when waiting for one has lost its sense."""

    def __call__(self, question: Callable[[], T], /) -> T: ...


class Start(NamedTuple):
    """A partition, the offset at which reading begins, and the first that is not in the store for certain."""

    partition: Partition
    offset: int
    reached: int


class Recovery:
    """Reads ledger, committed offsets and the ends of the log. ``store`` and ``kafka`` are patient with them."""

    def __init__(
        self, consumer: Any, client: StoreClient, ledger: Ledger, meter: Meter, clock: Callable[[], int], store: Patience,
        kafka: Patience,
    ) -> None:  # fmt: skip
        self._consumer, self._client, self._ledger = consumer, client, ledger
        self._meter, self._clock = meter, clock
        self._store, self._kafka = store, kafka

    def starts(self, keys: Iterable[Key]) -> dict[Key, Start]:
        """The start of each partition. Raises :class:`FatalError` when log and store cannot belong together."""
        keys = list(keys)
        newest = self._store(lambda: self._ledger.newest(keys))
        places = self._kafka(lambda: self._consumer.committed([TopicPartition(*key) for key in keys], timeout=WAIT_S))
        committed = {(place.topic, place.partition): place.offset for place in places}
        starts = {key: self._start(key, newest.get(key), max(0, committed.get(key, 0))) for key in keys}
        self._store(lambda: self._ledger.prune(keys))
        again = sum(start.partition.waits_for is not None for start in starts.values())
        log.info("reads %s partitions; %s batches are sent again", len(keys), again)
        return starts

    def _start(self, key: Key, newest: Claim | None, committed: int) -> Start:
        low, high = self._kafka(lambda: self._consumer.get_watermark_offsets(TopicPartition(*key), timeout=WAIT_S))
        done = max(committed, newest.last + 1 if newest else 0)
        if done > high:
            raise FatalError(
                f"{key[0]}/{key[1]} ends at offset {high}, but the store has rows up to {done - 1}: the topic was made "
                "anew. Give the sink an empty store, or the log that belongs to this one"
            )
        resend = newest if newest and committed <= newest.last else None
        start = resend.first if resend else done
        if start < low and (resend or done):  # a sink that starts for the first time has missed nothing of its own
            self._meter.count("records_lost", low - start, topic=key[0])
            log.error("%s/%s: records %s to %s went by retention before they were in the store", *key, start, low - 1)
        partition = Partition(TABLE_OF[key[0]], key[1], newest.after if newest else {}, self._recent(key, resend), resend)
        return Start(partition, max(start, low) if start > 0 else OFFSET_BEGINNING, max(start, low))

    def _recent(self, key: Key, resend: Claim | None) -> Callable[[], Recent]:
        def find() -> Recent:
            return self._store(lambda: stored(self._client, TABLE_OF[key[0]].name, key[1], resend, self._clock()))

        return find
