"""Records out of Kafka for processes that are no agents: the clipper, the host, the delivery of alerts.

    Subscriber(cluster, "livetide-host", (HOST_COMMANDS,), handle, meter=meter, clock=clock, writer="host").run(stop)

Each record is handled at least once and, short of a crash, exactly once. Repeats that a writer marks by its numbers are
skipped: the highest number per writer is kept in the commit's metadata. After a crash the records since the last commit are
handled again, so a handler must not mind (do by id: write a file under its name, look before you speak). Its outputs do not
double: they are numbered by the source offset, which does not change, and readers skip what they have seen. A handler that
answers the same record with other outputs the second time is heard the first time only, as far as the first time had got.

What Kafka has removed before it was read is counted (``records_lost``) and logged, and reading goes on behind it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.kafka import Cluster, has_ended
from streams.records import (
    FatalError,
    InvalidError,
    Meter,
    Record,
    RetryError,
    encode,
    meant_for,
    read_sequence,
    sequence_header,
)
from streams.shell.agent import GROUP_PREFIX
from streams.shell.poison import PoisonLimit
from streams.subscriber_memory import Memory, note
from streams.subscriber_places import Places
from streams.subscriber_pulse import Pulse
from streams.topics import DEADLETTER, TOPIC_OF, Topic, dead_letter, key_of, partition_of

log = logging.getLogger(__name__)

OUTPUTS_PER_RECORD = 1_000
POLL_S = 0.25
ASK_S = 5.0
COMMIT_EVERY_MS = 500
BACKOFF_S = (0.2, 15.0)
SESSION_MS = 6_000  # how long the partitions of one that has died are kept for it: the least that brokers allow
PATIENCE_MS = 12 * 3_600_000  # how long one record may be tried before the group gives our partitions away
T = TypeVar("T")


class Received(NamedTuple):
    """A decoded record and where it lay."""

    topic: str
    partition: int
    offset: int
    record: Any
    headers: Sequence[tuple[str, bytes]] = ()


Handle = Callable[[Received], Iterable[Record]]


class Subscriber:
    """Feeds the records of some topics, one by one, to ``handle`` and sends what it returns.

    ``handle`` may raise ``InvalidError`` (the record goes to the dead letters), ``RetryError`` (the same record again, after a
    growing pause) or ``FatalError`` (:meth:`run` raises it; nothing of the record is committed). Outputs are acknowledged
    before the offset of their record is committed. ``writer`` names who numbers the outputs; without one it is the stage.
    ``instance`` is a static member's name: started again under it, also after kill -9, the subscriber has its partitions back
    at once. Of two at a time under one name the older one ends with ``FatalError``.
    ``stall_s`` is how long a handler may take before :meth:`alive` calls it hung. Too large a share of dead letters
    (``poison``) ends :meth:`run` with ``PoisonError``, once what was buried is committed.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topics: Sequence[Topic],
        handle: Handle,
        *,
        meter: Meter,
        clock: Callable[[], int],
        writer: str = "",
        instance: str = "",
        start: str = "earliest",
        memory: Callable[[Cluster, str], Memory] = Memory,
        poison: PoisonLimit | None = None,
        stall_s: float = 120.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage = group.removeprefix(GROUP_PREFIX)
        self._cluster, self._group, self._topics = cluster, group, {topic.name: topic for topic in topics}
        self._handle, self._meter, self._clock, self._start = handle, meter, clock, start
        self._writer, self._instance = writer or self.stage, instance
        self._memory = memory(cluster, group)
        self._poison = poison or PoisonLimit()
        self._pulse = Pulse(self.stage, now, stall_s)
        self._places = Places(group, meter, {topic.name for topic in topics if topic.compacted})
        self._undelivered = ""
        self._seen: dict[tuple[str, int], dict[str, int]] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._committed_at = 0

    def alive(self) -> str | None:
        """None, or why this process should be started anew: a handler that hangs, or a loop that does. From any thread."""
        return self._pulse.alive()

    def run(self, stop: threading.Event) -> None:
        """Blocks until ``stop`` is set; then commits and leaves."""
        self._stop = stop
        self._pulse.beat()
        self._producer = Producer(
            self._cluster.producer(linger_ms=2, message_timeout_ms=0, message_max_bytes=DEADLETTER.max_bytes)
        )
        static = {"group_instance_id": self._instance} if self._instance else {}
        consumer = self._consumer = Consumer(
            self._cluster.client(
                group_id=self._group, auto_offset_reset=self._start, enable_auto_commit=False, session_timeout_ms=SESSION_MS,
                max_poll_interval_ms=PATIENCE_MS, partition_assignment_strategy="range", **static,
            )
        )  # fmt: skip
        consumer.subscribe(list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        try:
            while not stop.is_set():
                self._pulse.beat()
                for message in consumer.consume(100, POLL_S):
                    if stop.is_set():
                        break
                    self._take(message)
                    if self._clock() - self._committed_at >= COMMIT_EVERY_MS:
                        self._commit()
                self._commit()
        finally:
            consumer.close()
            self._pulse.rest()

    # assignment

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = {(tp.topic, tp.partition) for tp in partitions}
        remembered = self._asked(lambda: self._memory.load(places)) or {}
        self._seen.update({place: {} for place in places})
        for place, (offset, numbers) in remembered.items():
            self._seen[place] = numbers
            self._places.begin(place, offset, self._asked(partial(self._low, TopicPartition(*place))) or 0)

    def _low(self, place: TopicPartition) -> int:
        """The first offset that is still there; 0 when Kafka does not tell in time: then the first record that comes tells."""
        bounds = self._consumer.get_watermark_offsets(place, ASK_S)
        return bounds[0] if bounds else 0

    def _asked(self, ask: Callable[[], T]) -> T | None:
        """Kafka's answer, however long it takes; None when the stop came first, and then nothing more is taken."""
        while not self._stop.is_set():
            self._pulse.beat()
            try:
                return ask()
            except (RetryError, KafkaException) as error:
                log.warning("group %s asks Kafka again: %s", self._group, error)
                self._stop.wait(POLL_S)
        return None

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            self._seen.pop((tp.topic, tp.partition), None)
            self._next.pop((tp.topic, tp.partition), None)
            self._places.leave((tp.topic, tp.partition))

    def _commit(self) -> None:
        """Outputs first, then offsets. A commit that the group refuses is no loss: the records come again."""
        while self._producer.flush(1.0):
            self._pulse.beat()
            if self._stop.is_set():
                return
        if self._undelivered:
            raise FatalError(self._undelivered)
        self._committed_at = self._clock()
        if not self._next:
            return
        offsets = [
            TopicPartition(topic, partition, at, metadata=self._memory.dump(self._seen.get((topic, partition), {})))
            for (topic, partition), at in self._next.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._check_end(error.args[0])
            log.warning("%s: a commit failed, its records may come again: %s", self._group, error.args[0].str())
        else:
            self._next.clear()

    # records

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            self._check_end(error)
            if error.code() not in {KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}:
                log.warning("group %s: %s", self._group, error.str())
            return
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        headers = [
            (name, value if isinstance(value, bytes) else str(value or "").encode()) for name, value in _headers(message)
        ]
        self._places.came((topic, partition), offset)
        fate = self._consider(message, topic, partition, offset, headers)
        if fate == "stopped":
            return
        self._next[topic, partition] = offset + 1
        self._meter.count("agent_records", agent=self.stage, fate=fate)
        if fate in {"dead", "processed"}:
            self._poison.record(fate == "dead")
        if self._poison.exceeded:
            self._commit()
            raise self._poison.error(self.stage)

    def _check_end(self, error: KafkaError) -> None:
        if not has_ended(error) and error.code() != KafkaError.FENCED_INSTANCE_ID:
            return
        why = error.str()
        if self._instance:
            why += (
                f". If another process runs as {self._instance!r} in this group, give each a LIVETIDE_INSTANCE of its own; if "
                "none does, the group had forgotten this one: a restart is all it needs"
            )
        raise FatalError(f"group {self._group}: {why}")

    def _consider(self, message: Message, topic: str, partition: int, offset: int, headers: list[tuple[str, bytes]]) -> str:
        seen = self._seen.setdefault((topic, partition), {})
        try:
            sequence = read_sequence(headers)
        except ValueError as error:
            self._bury(message, f"its sequence header is broken: {error}")
            return "dead"
        if not meant_for(headers, self.stage) or (sequence and sequence[1] <= seen.get(sequence[0], 0)):
            return "repeated"
        try:
            record = self._topics[topic].decode(message.value())
            outputs = self._handled(Received(topic, partition, offset, record, headers))
        except InvalidError as error:
            self._bury(message, str(error))
            outputs, fate = [], "dead"
        else:
            if outputs is None:
                return "stopped"
            fate = "processed"
        for index, output in enumerate(outputs):
            self._send(output, f"{topic}-{partition}", offset, index + 1)
        if sequence:
            note(seen, *sequence)
        return fate

    def _handled(self, received: Received) -> list[Record] | None:
        """The outputs; None when the stop came before the handler was willing."""
        wait, longest = BACKOFF_S
        while True:
            self._pulse.beat(f"the handler of {received.topic}-{received.partition}@{received.offset}")
            try:
                return list(self._handle(received))
            except RetryError as error:
                self._pulse.beat()
                log.warning("%s: %s-%d@%d waits: %s", self.stage, received.topic, received.partition, received.offset, error)
                if self._stop.wait(wait):
                    return None
                wait = min(2 * wait, longest)

    def _send(self, output: Record, source: str, offset: int, index: int) -> None:
        if index >= OUTPUTS_PER_RECORD:
            raise FatalError(f"{self.stage}: one record gave {OUTPUTS_PER_RECORD} outputs: its handler is at fault")
        header = sequence_header(f"{self._writer}:{source}", offset * OUTPUTS_PER_RECORD + index)
        topic, partition = TOPIC_OF[type(output)].name, partition_of(output.room, self._cluster.partitions)
        self._produce(topic, partition, key_of(output), encode(output), header)
        self._meter.count("agent_outputs", agent=self.stage, topic=topic)

    def _produce(self, topic: str, partition: int, key: bytes, value: bytes, header: tuple[str, bytes]) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=[header], on_delivery=self._delivered)
            except BufferError:
                self._pulse.beat()
                self._producer.poll(POLL_S)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._undelivered = f"{self.stage}: {message.topic()} refuses a record: {error.str()}"

    def _bury(self, message: Message, reason: str) -> None:
        topic, partition, offset = str(message.topic()), message.partition() or 0, message.offset() or 0
        letter = dead_letter(
            topic, partition, offset, reason, stage=self.stage, failed_ts=message.timestamp()[1], key=_bytes(message.key()),
            value=_bytes(message.value()),
        )  # fmt: skip
        header = sequence_header(f"{self._writer}:{topic}-{partition}", (offset + 1) * OUTPUTS_PER_RECORD - 1)
        self._produce(DEADLETTER.name, partition, topic.encode(), encode(letter), header)
        self._meter.count("deadletters", stage=self.stage)


def _headers(message: Message) -> Iterable[tuple[str, Any]]:
    found = message.headers()
    return (found.items() if isinstance(found, Mapping) else found) or ()


def _bytes(data: bytes | str | None) -> bytes:
    return data.encode() if isinstance(data, str) else data or b""
