"""Records into Kafka, one at a time: for commands and pages, and for whatever is no agent and writes little."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from threading import Lock
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.kafka import Cluster, Refusal, has_ended
from streams.records import ALL_ROOMS, DeadLetter, Record, RetryError, encode
from streams.topics import DEADLETTER, TOPIC_OF, fitting, key_of, partition_of

QUEUE_WAIT_S = 1.0
ENDS = (KafkaException, SystemError)  # the second when reports of delivery follow the fatal error within one call


class Publisher:
    """Puts each record into its topic, under its key, into the partition of its room; what is of all rooms into all partitions.

    ``send`` does not wait; ``flush`` returns when everything sent is safe, and raises :class:`RetryError` when it is not, after
    ``timeout_s``. What Kafka has not taken by then is given up, and the next call tells it, once. A ``patient`` publisher keeps
    it until Kafka is back, however long that is: for what cannot be sent a second time.
    """

    def __init__(self, cluster: Cluster, *, timeout_s: float = 30.0, patient: bool = False) -> None:
        self._cluster, self._timeout_s = cluster, timeout_s
        self._refusal = Refusal(cluster)
        kept_ms = 0 if patient else int(timeout_s * 1000)  # 0 is for ever
        settings = cluster.producer(linger_ms=5, message_timeout_ms=kept_ms, message_max_bytes=DEADLETTER.max_bytes)
        self._settings = settings | {"error_cb": self._refusal}
        self._producer = Producer(self._settings)
        self._failure: str | None = None
        self._told = 0
        self._turn = Lock()

    def send(self, record: Record | DeadLetter, headers: list[tuple[str, bytes]] | None = None) -> None:
        """Hand over one record. Raises :class:`RetryError` when the queue to Kafka stays full, or when an earlier record was
        given up since the last call: then this one was not handed over either."""
        if isinstance(record, DeadLetter):
            record = fitting(record)
        for partition in self._places(record):
            self.put(TOPIC_OF[type(record)].name, partition, key_of(record), encode(record), headers or [])

    def _places(self, record: Record | DeadLetter) -> Iterable[int]:
        """The partition of its room; all of them for what belongs to all rooms."""
        if isinstance(record, DeadLetter):
            return (max(0, record.partition),)
        if record.room == ALL_ROOMS:
            return range(self._cluster.partitions)
        return (partition_of(record.room, self._cluster.partitions),)

    def publish(self, record: Record | DeadLetter) -> None:
        """Hand over one record and wait until it is safe; threads that share this take turns, so each learns of its own.

        Raises what :meth:`send` and :meth:`flush` raise.
        """
        with self._turn:
            self.send(record)
            self.flush()

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        """Hand over bytes as they are. Raises what :meth:`send` raises."""
        self._tell()
        settled = partial(self._settled, self._told)
        for last in (False, True):
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=settled, headers=cast("Any", headers))
                self._producer.poll(0)
            except BufferError as error:
                if last:
                    raise RetryError("the queue to Kafka is full and does not empty: is Kafka running?") from error
                self._producer.poll(QUEUE_WAIT_S)
            except ENDS as error:
                self._renew_after(error)
                raise RetryError(f"{topic}: Kafka does not take a record: {error}") from error
            else:
                break

    def flush(self) -> None:
        """Wait until everything is safe."""
        try:
            left = self._producer.flush(self._timeout_s)
        except ENDS as error:
            left = 1
            self._renew_after(error)
        self._tell(left)

    def _tell(self, left: int = 0) -> None:
        failure, self._failure = self._failure, None
        if left or failure:
            self._told += 1  # what becomes of the records so far is told herewith
            why = self._refusal.reason or failure or f"{left} are still on their way"
            self._refusal.reason = ""
            raise RetryError(f"Kafka did not confirm all records: {why}. Send again.")

    def _renew_after(self, error: Exception) -> None:
        """A producer that has ended takes what it holds with it: the next one begins empty, and :meth:`flush` says so."""
        if isinstance(error, SystemError) or has_ended(error.args[0]):
            self._failure = str(error)
            self._producer = Producer(self._settings)

    def _settled(self, told: int, error: KafkaError | None, _: Message) -> None:
        if error is not None and told == self._told:
            self._failure = error.str()
