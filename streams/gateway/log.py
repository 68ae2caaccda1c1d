"""The log that the gateway writes to: what it must do, and how it is done with Kafka.

A second implementation, in memory, is in ``memory_log.py``; one contract suite runs on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.kafka import Cluster, Refusal, has_ended
from streams.records import LivetideError, RetryError
from streams.topics import DEADLETTER

Settled = Callable[[LivetideError | None], None]
log = logging.getLogger(__name__)


class Log(Protocol):
    """Takes records and says, for each, when it is safe or that it is not.

    ``settled`` is called exactly once per record, in the event loop, never from inside :meth:`append`: with None when the
    record is in the log, else with the error. Records of one topic and partition keep their order.
    """

    async def open(self) -> None: ...

    def append(self, topic: str, key: bytes, value: bytes, partition: int, settled: Settled) -> None:
        """Hand over a record; ``partition`` -1 lets the key decide. Never waits, never raises."""
        ...

    @property
    def backlog(self) -> int:
        """Records that wait for their acknowledgement."""
        ...

    @property
    def pressure(self) -> float:
        """How full the queue of unacknowledged records is: 1.0 is full for chat, which is then refused."""
        ...

    async def relief(self, within_s: float) -> None:
        """Wait until records that are never refused may be appended (pressure below 2); ``RetryError`` after ``within_s``."""
        ...

    async def check(self) -> None:
        """Raise ``RetryError`` when the log cannot be reached now."""
        ...

    async def close(self, within_s: float) -> None:
        """Wait for acknowledgements for ``within_s``; what is left then is settled with an error."""
        ...


class Queue:
    """What is on its way to the log, counted; the part that both implementations share."""

    def __init__(self, most_records: int, most_bytes: int) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self.records = 0
        self._bytes = 0
        self._left = asyncio.Event()

    @property
    def pressure(self) -> float:
        return max(self.records / self._most_records, self._bytes / self._most_bytes)

    def enter(self, size: int) -> None:
        self.records += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self.records -= 1
        self._bytes -= size
        self._left.set()

    async def relief(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                while self.pressure >= 2:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError as error:
            raise RetryError(f"the log has had no place for {within_s:g} s; send the request again later") from error

    async def empty(self, within_s: float) -> None:
        """Wait until nothing is under way, at most ``within_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.records:
                    self._left.clear()
                    await self._left.wait()


class KafkaLog:
    """The log in Kafka: ``acks=all``, idempotent, in order.

    A record is kept and tried for ``delivery_s``, longer than anybody waits for an answer: a client that was told 503 and sends
    again then meets its first record, still on its way, instead of writing it twice.
    ``topic`` is the one whose partitions :meth:`check` counts.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        *,
        most_records: int = 10_000,
        most_bytes: int = 64 << 20,
        delivery_s: float = 120,
        linger_ms: float = 5,
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._queue = Queue(most_records, most_bytes)
        self._refusal = Refusal(cluster)
        self._settings = cluster.producer(
            linger_ms=linger_ms,
            compression_type="lz4",
            message_max_bytes=DEADLETTER.max_bytes,
            message_timeout_ms=int(delivery_s * 1000),
            request_timeout_ms=5000,
            socket_timeout_ms=10_000,
            socket_keepalive_enable=True,
            reconnect_backoff_ms=100,
            reconnect_backoff_max_ms=1000,
            topic_metadata_propagation_max_ms=5000,
            allow_auto_create_topics=False,
            queue_buffering_max_messages=max(100_000, 4 * most_records),
            queue_buffering_max_kbytes=max(1 << 18, 4 * most_bytes >> 10),
        ) | {"error_cb": self._error}
        self._done: deque[tuple[Settled, int, KafkaError | None]] = deque()
        self._waking = False
        self._closing = threading.Event()
        self.failure = ""
        """Why this producer can never write again; the process must be started anew. Empty while all is well."""
        self.failed = asyncio.Event()

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(self._settings, logger=log)
        self._poller = threading.Thread(target=self._poll, name="kafka-acks", daemon=True)
        self._poller.start()

    def append(self, topic: str, key: bytes, value: bytes, partition: int, settled: Settled) -> None:
        size = len(value)
        self._queue.enter(size)

        def delivered(error: KafkaError | None, _message: Message) -> None:
            self._done.append((settled, size, error))
            if not self._waking:
                self._waking = True
                self._loop.call_soon_threadsafe(self._settle)

        try:
            self._producer.produce(topic, value, key, partition, on_delivery=delivered)
        except BufferError:
            self._refuse(settled, size, KafkaError(KafkaError._QUEUE_FULL))
        except KafkaException as error:
            self._refuse(settled, size, error.args[0])

    def _refuse(self, settled: Settled, size: int, error: KafkaError) -> None:
        self._done.append((settled, size, error))
        self._loop.call_soon(self._settle)

    def _poll(self) -> None:
        """In a thread of its own: callbacks are gathered here, and one wake-up of the loop settles many."""
        while not self._closing.is_set():
            try:
                self._producer.poll(0.1)
            except Exception as error:  # the producer's end is raised here, by several names, and not told to error_cb
                self._end(str(error))

    def _settle(self) -> None:
        # cleared first: an acknowledgement that comes in while we settle wakes us again
        self._waking = False
        while self._done:
            settled, size, error = self._done.popleft()
            self._queue.leave(size)
            settled(None if error is None else RetryError(f"Kafka did not acknowledge: {error.str()}"))

    def _error(self, error: KafkaError) -> None:
        self._refusal(error)
        if has_ended(error):
            self._end(error.str())

    def _end(self, reason: str) -> None:
        self.failure = f"the Kafka producer cannot go on: {reason}"
        log.error("%s", self.failure)
        self._loop.call_soon_threadsafe(self.failed.set)

    @property
    def pressure(self) -> float:
        return self._queue.pressure

    @property
    def backlog(self) -> int:
        return self._queue.records

    async def relief(self, within_s: float) -> None:
        await self._queue.relief(within_s)

    async def check(self) -> None:
        if self.failure:
            raise RetryError(self.failure)
        try:
            metadata = await asyncio.to_thread(self._producer.list_topics, self._topic, 2.0)
        except KafkaException as error:
            said = f"Kafka at {self._cluster.servers} does not answer: {error.args[0].str()}. {self._cluster.silence}"
            raise RetryError(self._refusal.reason or said) from error
        self._refusal.reason = ""  # we are let in again
        found = len(metadata.topics[self._topic].partitions)
        if found != self._cluster.partitions:
            raise RetryError(
                f"topic {self._topic} has {found} partitions, the setting says {self._cluster.partitions}: "
                "create the topics, or set LIVETIDE_PARTITIONS to what they have"
            )

    async def close(self, within_s: float) -> None:
        await asyncio.to_thread(self._producer.flush, within_s)
        self._producer.purge()
        await asyncio.to_thread(self._producer.flush, 1)
        self._closing.set()
        await asyncio.to_thread(self._poller.join)
        self._settle()
