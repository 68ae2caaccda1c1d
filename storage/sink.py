"""The sink: from Kafka's topics to the store's tables, each record once.

    consume → cut a batch at offsets → claim it in the ledger → insert its rows under a token that names it → commit the offset

Whatever breaks between two of these steps, the same batch is sent again with the same cut and the same token, and the store,
which remembers tokens, changes nothing that it has already: in the tables and in the views that they feed.
While the store is away, partitions are paused and offsets stay where they are. What retention removes meanwhile is counted
(``records_lost``), and the sink goes on behind it.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from storage.batches import Batch, DeadShare, Message, Partition
from storage.client import Address, StoreClient
from storage.ledger import Ledger
from storage.pace import in_round, pause_ms, ripe
from storage.rows import TABLE_OF
from storage.sink_lag import Lag, ends_of
from storage.sink_letters import Letters
from storage.sink_progress import Marks
from storage.sink_recovery import Key, Recovery
from storage.sink_round import Round
from storage.writer import Writer
from streams.records import FatalError, Meter, RetryError

log = logging.getLogger(__name__)
T = TypeVar("T")
GROUP: Final = "livetide-sink"
PATIENCE_MS: Final = 2_000
CONSUME: Final = 500
STALL_S: Final = 300.0
"""A turn beats at every step, and no step takes so long: a statement ends after a minute of silence, and so do dead letters."""
REFUSED: Final = (
    KafkaError._FATAL,  # the consumer has ended: another of its name has come, or the group has lost it in a restart
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)


class Cluster(Protocol):
    """The Kafka cluster, as ``streams.kafka.Cluster`` describes it: client settings by librdkafka's names."""

    @property
    def servers(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    def client(self, **settings: Any) -> dict[str, Any]: ...
    def producer(self, **settings: Any) -> dict[str, Any]: ...


class _Moved(Exception):
    """Partitions were given or taken while something waited: all that is not in the ledger is read again."""


class _Stopped(Exception):
    """The stop came while something waited."""


class Sink:
    """One sink process. ``store`` is a ``clickhouse://`` address whose schema is there; topics must exist.

    ``flush_ms`` and ``flush_rows`` bound how long rows wait and how many; alerts do not wait. ``instance`` is a static member's
    name: started again under it, the sink has its partitions back at once. :meth:`run` blocks until ``stop`` is set, writes out
    what it holds, and returns; it raises :class:`FatalError` when going on would lose or double something, with everything that
    is not in the store still in Kafka. :meth:`alive` calls it hung when nothing of a turn has ended for ``stall_s``.
    """

    def __init__(
        self, cluster: Cluster, store: str, *, meter: Meter, clock: Callable[[], int], group: str = GROUP, instance: str = "",
        topics: Iterable[str] = tuple(TABLE_OF), flush_ms: int = 300, flush_rows: int = 50_000, dead_limit: float = 0.5,
        session_ms: int = 10_000, stall_s: float = STALL_S, now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        address = Address.parse(store)
        self._client = StoreClient(address)
        self._writer = Writer(address, meter, self._beat)
        self._letters = Letters(cluster.producer(), cluster.partitions, meter)
        self._meter = meter
        self._clock = clock
        self._topics = list(topics)
        self._flush_ms = flush_ms
        self._flush_rows = flush_rows
        self._dead_share = DeadShare(dead_limit)
        self._owner = uuid.uuid4().hex
        settings = {"group_instance_id": instance} if instance else {}
        self._consumer = Consumer(
            cluster.client(
                group_id=group, enable_auto_commit=False, auto_offset_reset="error", session_timeout_ms=session_ms,
                partition_assignment_strategy="range", queued_max_messages_kbytes=16_384, fetch_wait_max_ms=50,
                fetch_error_backoff_ms=100, enable_partition_eof=False, **settings,
            )
        )  # fmt: skip
        self._lag = Lag(ends_of(cluster.client()), meter)
        self._marks = Marks()
        self._partitions: dict[Key, Partition] = {}
        self._overtaken = False
        self._unread: list[Key] = []
        self._generation = 0
        self._ledger: Ledger | None = None
        self._round: Round | None = None
        self._took = 0
        self._buffered = 0
        self._stop = threading.Event()
        self._ready = False
        self._trouble = "waits for its partitions"
        self._now, self._stall_s = now, stall_s
        self._beat_at: float | None = None

    def alive(self) -> str | None:
        """None, or why this process should be started anew. A sink that waits for a store or for Kafka is well. Any thread."""
        if (last := self._beat_at) is None or (silence := self._now() - last) <= self._stall_s:
            return None
        return f"the sink's turn has not come back for {silence:.0f} s"

    def _beat(self) -> None:
        self._beat_at = self._now()

    def ready(self) -> str | None:
        """None when rows flow, else the reason why not."""
        return None if self._ready else self._trouble

    def run(self, stop: threading.Event) -> None:
        """Read, write, commit, until ``stop`` is set."""
        self._stop = stop
        self._beat()
        measured = threading.Event()
        measuring = threading.Thread(target=self._lag.run, args=(measured,), name="sink-lag", daemon=True)
        measuring.start()
        try:
            log_id = ""
            with suppress(_Moved):
                log_id = self._find_log()
            self._ledger = Ledger(self._client, log_id, self._owner)
            self._round = Round(self._ledger, log_id, self._writer, self._letters, self._meter, self._patiently)
            self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
            while not stop.is_set():
                self._beat()
                with suppress(_Moved, _Stopped):
                    self._turn()
            self._last_turn()
        finally:
            self._ready = False
            measured.set()
            measuring.join()
            self._consumer.close()
            self._writer.close()
            self._client.close()
            self._beat_at = None

    # ── Turns ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        if self._unread:
            self._recover()
        urgent = False
        for message in self._consumer.consume(CONSUME, 0.05):
            urgent |= self._take(message)
        self._notice_gaps()
        now, pause, partitions = self._clock(), pause_ms(self._flush_ms, self._took), self._partitions.values()
        if self._overtaken or self._buffered >= self._flush_rows:
            self._flush(partitions)
        elif urgent or any(p.due or ripe(p, now, pause) for p in partitions):
            self._flush(in_round(partitions, now, pause))
        self._tell_progress()
        if self._overtaken:
            self._assigned(self._consumer, self._consumer.assignment())

    def _last_turn(self) -> None:
        """On the way out: what is held goes to the store if that is quick; if not, it is still in Kafka."""
        try:
            if not self._unread:
                self._flush(self._partitions.values())
            self._tell_progress(last=True)
        except (_Moved, _Stopped):
            log.info("stopped with rows not yet in the store; they are read again at the next start")

    def _take(self, message: Any) -> bool:
        """One message of the consumer; whether its rows should not wait."""
        error = message.error()
        if error is not None:
            self._consumer_error(message)
            return False
        partition = self._partitions.get(_key(message))
        if partition is None:
            return False  # taken away meanwhile
        rows = partition.batch.size if partition.batch else 0
        partition.take(Message(message.offset(), message.key() or b"", message.value(), message.headers()), self._clock)
        self._buffered += (partition.batch.size if partition.batch else 0) - rows
        return partition.table.urgent

    def _consumer_error(self, message: Any) -> None:
        error = message.error()
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            log.warning("%s/%s: the log no longer has what comes next; starts again from the ledger", *_key(message))
            self._overtaken = True
            return
        self._check_refusal(error)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise FatalError(f"a topic is missing at {self._cluster.servers}: {error.str()}; make the topics first")
        self._trouble = f"Kafka at {self._cluster.servers}: {error.str()}"
        log.warning("consumer: %s", error.str())

    def _check_refusal(self, error: Any) -> None:
        if error.fatal() or error.code() in REFUSED:
            raise FatalError(f"Kafka at {self._cluster.servers} refuses the sink: {error.str()}")

    def _notice_gaps(self) -> None:
        """A batch that is sent again may have lost its last records to compaction: its end has passed when reading has."""
        waiting = [(key, p) for key, p in self._partitions.items() if p.waits_for is not None and not p.due]
        if not waiting:
            return
        for place in self._consumer.position([TopicPartition(*key) for key, _ in waiting]):
            partition = self._partitions[place.topic, place.partition]
            if partition.waits_for is not None and place.offset > partition.waits_for:
                partition.position = partition.waits_for

    # ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _flush(self, partitions: Iterable[Partition]) -> None:
        """One round: what these partitions hold goes to the store."""
        batches = [(partition, batch) for partition in partitions if _closable(partition) and (batch := partition.cut())]
        if batches:
            started = self._clock()
            assert self._round is not None
            self._round.write(batches, self._partitions)
            self._commit(batches)
            self._took = min(self._clock() - started, PATIENCE_MS)
            for _, batch in batches:  # last: what is buried can be looked at, and the next start gets further
                self._dead_share.count(batch)
        for partition in self._partitions.values():
            for message in partition.held():
                partition.take(message, self._clock)
        self._buffered = sum(p.batch.size for p in self._partitions.values() if p.batch)

    def _commit(self, batches: list[tuple[Partition, Batch]]) -> None:
        offsets = [TopicPartition(p.table.topic.name, p.number, batch.last + 1) for p, batch in batches]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The ledger has the batch: whoever reads on from here sends it once more, and the store changes nothing.
            log.info("offsets not committed: %s", error)
            self._check_refusal(error.args[0])
        for place in offsets:
            self._lag.reached((place.topic, place.partition), place.offset)
            self._marks.reached((place.topic, place.partition), place.offset - 1, self._clock())

    def _tell_progress(self, *, last: bool = False) -> None:
        assert self._ledger is not None
        self._marks.tell(self._ledger.mark, self._clock(), last=last)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Try until the store takes it. Partitions are paused meanwhile, and the group is kept by polling."""
        generation, wait, paused = self._generation, 0.1, False
        while True:
            self._beat()
            try:
                result = work()
            except RetryError as error:
                self._ready, self._trouble = False, str(error)
                log.warning("%s; again in %.1f s", error, wait)
            else:
                if paused:
                    self._consumer.resume(self._consumer.assignment())
                self._ready = True
                return result
            if self._stop.is_set():
                raise _Stopped
            if not paused:
                self._consumer.pause(self._consumer.assignment())
                paused = True
            self._stop.wait(wait)
            wait = min(wait * 2, 5.0)
            message = self._consumer.poll(0)  # keeps the membership alive, and learns of partitions given and taken
            if message is not None and message.error() is None:
                raise FatalError(f"{message.topic()}/{message.partition()} gave a record although it was paused")
            if message is not None:
                self._consumer_error(message)
            if generation != self._generation:
                raise _Moved

    # ── Partitions that come and go ──────────────────────────────────────────────────────────────────────────────────

    def _assigned(self, consumer: Any, places: list[Any]) -> None:
        self._forget()
        self._unread = [(place.topic, place.partition) for place in places]
        nowhere = [TopicPartition(*key, OFFSET_END) for key in self._unread]  # until it is known where reading begins
        consumer.assign(nowhere)
        consumer.pause(nowhere)

    def _revoked(self, _consumer: Any, _places: list[Any]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._generation += 1
        self._partitions = {}
        self._overtaken = False
        self._lag.forget()
        self._marks.forget()
        self._unread = []
        self._buffered = 0
        self._ready, self._trouble = False, "waits for its partitions"

    def _recover(self) -> None:
        ledger = self._ledger
        assert ledger is not None
        recovery = Recovery(self._consumer, self._client, ledger, self._meter, self._clock, self._patiently, self._ask)
        starts = recovery.starts(self._unread)
        for key, start in starts.items():
            self._partitions[key] = start.partition
            self._lag.reached(key, start.reached)
            self._marks.reached(key, start.reached - 1, self._clock())
        self._unread = []
        places = [TopicPartition(*key, start.offset) for key, start in starts.items()]
        self._consumer.assign(places)
        self._consumer.resume(places)
        self._ready = True

    def _find_log(self) -> str:
        found = str(self._ask(lambda: self._consumer.list_topics(timeout=10)).cluster_id or "")
        if not found:
            raise FatalError(
                f"Kafka at {self._cluster.servers} names no cluster id: a broker of version 1.0 or later is needed"
            )
        return found

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask Kafka until it answers."""
        wait = 0.2
        while True:
            self._beat()
            try:
                return question()
            except KafkaException as error:
                self._ready, self._trouble = False, f"Kafka at {self._cluster.servers} does not answer: {error}"
                log.warning("%s", self._trouble)
            if self._stop.wait(wait):
                raise _Moved
            wait = min(wait * 2, 5.0)


def _key(message: Any) -> Key:
    return message.topic(), message.partition()


def _closable(partition: Partition) -> bool:
    """A batch that is sent again must reach its end first; any other can be cut anywhere."""
    return partition.due if partition.waits_for is not None else partition.batch is not None
