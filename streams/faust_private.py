"""What of Faust and aiokafka is overridden or reached into, in one place; the versions are pinned and checked.

Faust hands a worker its records one by one, at 75-115 µs each. :class:`_Consumer` gives it one message per fetched batch of one
partition instead, so that ``async for batch in stream`` means what it says and costs an eighth. What else is changed and why:

* assignment: partition p of every source topic goes to one member (``streams/shell/assignor.py``);
* fetch wait: 1.5 s is written into Faust; with one node a partition whose data was not taken at once waits that long;
* producer: idempotent, since without it a retry after a time-out may leave a hole in our numbers;
* folders: Faust makes some for tables that we do not have, in the folder where it was started: none are made;
* commit: fenced by generation *and* member id, read in the same step in which the request is built;
* committed offsets: read by ``streams/commits.py``, since aiokafka takes "still loading" for "nothing".

Parts that their authors do not promise to keep are imported elsewhere too, each where it is used: aiokafka's client and
messages in ``streams/commits.py``, its group protocol in ``streams/shell/assignor.py``, and, since their public names are
missing in the type stubs, ``confluent_kafka.admin._listoffsets`` (``streams/offsets.py``,
``storage/sink_lag.py``) and ``_scram`` (``streams/broker/access.py``). All are pinned here, and
``tests/streams/shell/test_faust_contract.py`` holds the contract with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import faust
from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import commits
from streams.commits import Committed, Place
from streams.kafka import Cluster
from streams.records import FatalError
from streams.shell.assignor import CopartitionAssignor
from streams.shell.faust_settings import faust_settings

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0", "confluent-kafka": "2.16.1"}
FETCH_WAIT_MS = 250
RETRY_S = 0.1
T = TypeVar("T")


def check_versions() -> None:
    """Raise :class:`FatalError` unless exactly the versions are installed whose insides are known here."""
    found = {name: version(name) for name in PINNED}
    if found != PINNED:
        raise FatalError(f"the worker relies on the inside of {PINNED}, but {found} is installed: install from the lock file")


class Batch(NamedTuple):
    """Records of one partition, in order, as they were fetched. ``epoch`` counts assignments."""

    epoch: int
    topic: str
    partition: int
    records: Sequence[Any]
    size: int


class Listener(Protocol):
    """Who is told about assignments, in the worker's loop, before anything of them is read."""

    def assigned(self, epoch: int, partitions: set[int]) -> None: ...
    def revoked(self) -> None: ...


class _Schema(Schema[Any, Any]):
    """Hands a batch through as it is: what is inside is the shell's business."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = [CopartitionAssignor(transport.instance)]
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class _Consumer(driver.Consumer):
    """Yields one message per fetched batch, as long as there is room for it."""

    epoch = 0
    queued_records = 0
    queued_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = asyncio.Event()
        self._room.set()

    @property
    def _ours(self) -> _Transport:
        return cast("_Transport", self.transport)

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        self._new_epoch()
        self._ours.listener.revoked()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        self._new_epoch()
        self._ours.listener.assigned(self.epoch, {tp.partition for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_epoch(self) -> None:
        self.epoch += 1
        self.queued_records = self.queued_bytes = 0
        self._room.set()

    def taken(self, batch: Batch) -> None:
        """The shell is done with a batch: there is room for another."""
        if batch.epoch == self.epoch:
            self.queued_records -= len(batch.records)
            self.queued_bytes -= batch.size
            self._make_room()

    def _make_room(self) -> None:
        limit = self._ours.limits
        if self.queued_records < limit.records and self.queued_bytes < limit.bytes:
            self._room.set()
        else:
            self._room.clear()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109  # the signature is Faust's
        await self._room.wait()
        records, _ = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        generation = self.app.consumer_generation_id
        for tp, found in records.items():
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            batch = Batch(self.epoch, tp.topic, tp.partition, found, sum(len(r.value or b"") for r in found))
            self.queued_records += len(found)
            self.queued_bytes += batch.size
            self._make_room()
            yield tp, self._batch_message(tp, batch)

    async def _seek_back(self) -> None:
        """What was fetched while the flow stood still is dropped, so it must be fetched again (as Faust does)."""
        try:
            await self.perform_seek()
        except (KafkaError, IllegalStateError) as error:
            self.log.warning("seeking back in a rebalance: %r", error)

    def _batch_message(self, tp: Any, batch: Batch) -> ConsumerMessage:
        last = batch.records[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, [], None, cast("bytes", batch),
            None, 0, batch.size, TP(tp.topic, tp.partition), generation_id=self.app.consumer_generation_id,
        )  # fmt: skip


class _Producer(driver.Producer):
    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Limits(NamedTuple):
    """How much may be fetched and not yet taken by the shell."""

    records: int = 1_000
    bytes: int = 16 * 2**20


class _Transport(driver.Transport):
    Consumer = _Consumer
    Producer = _Producer
    listener: Listener
    limits: Limits
    instance: str


class _App(faust.App):
    def _create_directories(self) -> None:
        """None: the state of an agent lies in its checkpoint topic."""


class FaustApp:
    """One Faust app for one agent: its consumer group, its stream of batches, its producer."""

    def __init__(
        self,
        name: str,
        group: str,
        topics: Sequence[str],
        cluster: Cluster,
        listener: Listener,
        take: Callable[[Batch], Awaitable[None]],
        *,
        instance: str,
        session_s: float,
        limits: Limits,
    ) -> None:
        self.app = _App(group, **faust_settings(cluster, instance, group, session_s))
        transport = _Transport(self.app.conf.broker_consumer, self.app)
        transport.listener, transport.limits, transport.instance = listener, limits, instance
        self.app.transport = self.app.producer_transport = transport
        source = self.app.topic(*topics, schema=_Schema(), acks=False)

        async def agent(stream: Any) -> None:
            async for batch in stream.noack():
                try:
                    await take(batch)
                finally:
                    self._consumer.taken(batch)

        self.app.agent(source, name=name, concurrency=1)(agent)

    @property
    def _consumer(self) -> _Consumer:
        return cast("_Consumer", self.app.consumer)

    async def start(self) -> None:
        await self.app.start()

    async def wait_until_stopped(self) -> None:
        """Ends when Faust stops by itself; raises what it crashed of."""
        await self.app.wait_until_stopped()
        if self.app.crashed:
            raise FatalError(f"Faust crashed: {self.app.crash_reason!r}") from self.app.crash_reason

    def halt(self) -> None:
        """Let nothing more come in."""
        self._consumer.stop_flow()
        self.app.flow_control.suspend()

    async def stop(self) -> None:
        await self.app.stop()

    @property
    def rebalancing(self) -> bool:
        return bool(self.app.rebalancing)

    async def send(
        self, topic: str, partition: int, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[Any]:
        """Hand a record to the producer; the future ends with its metadata when all replicas have it."""
        sent = await self.app.producer.send(topic, key, value, partition, None, cast("Any", headers))
        return cast("asyncio.Future[Any]", sent)

    async def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._consumer._thread.thread_loop))

    def identity(self) -> tuple[int, str]:
        """Generation and member id: who we are to the group's coordinator."""
        coordinator = self._consumer._thread._ensure_consumer()._coordinator
        return coordinator.generation, coordinator.member_id

    async def commit(self, identity: tuple[int, str], offsets: Mapping[tuple[str, int], tuple[int, str]]) -> bool:
        """Commit offsets with metadata as ``identity``, all in one request, however long it takes.

        False when the group no longer knows that identity: then this commit has not happened and will not.
        """
        wanted = {TopicPartition(*tp): OffsetAndMetadata(*at) for tp, at in offsets.items()}
        return await self._in_thread(_commit(self._consumer._thread._ensure_consumer()._coordinator, identity, wanted))

    async def committed(self, partitions: Iterable[Place]) -> dict[Place, Committed]:
        """Committed offsets with their metadata, however long it takes; partitions without one are missing."""
        return await self._in_thread(_committed(self._consumer._thread._ensure_consumer()._coordinator, list(partitions)))

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Read on from ``offset``."""
        consumer = self._consumer

        async def in_thread() -> None:
            consumer._thread._ensure_consumer().seek(TopicPartition(topic, partition), offset)

        await self._in_thread(in_thread())
        consumer._read_offset[TP(topic, partition)] = offset or None

    def end(self, topic: str, partition: int, within_ms: int, now_ms: int) -> int | None:
        """The end of the log as of a fetch not older than ``within_ms``; None when it is not known."""
        consumer, tp = self._consumer._thread._ensure_consumer(), TopicPartition(topic, partition)
        if not consumer._subscription.is_assigned(tp):
            return None
        asked, end = consumer.last_poll_timestamp(tp), cast("int | None", consumer.highwater(tp))
        return end if asked is not None and now_ms - asked <= within_ms else None


async def _commit(coordinator: Any, identity: tuple[int, str], offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
    while True:
        await coordinator.ensure_coordinator_known()
        async with coordinator._commit_lock:
            # No await between this look and the building of the request: a commit never goes out under a newer generation.
            if (coordinator.generation, coordinator.member_id) != identity:
                return False
            try:
                await coordinator._do_commit_offsets(None, offsets)
            except (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError):
                return False
            except KafkaError as error:
                if not error.retriable:
                    raise
            else:
                return True
        await asyncio.sleep(RETRY_S)


async def _committed(coordinator: Any, places: list[Place]) -> dict[Place, Committed]:
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            return commits.read(await coordinator._send_req(commits.request(coordinator.group_id, places)), places)
        except KafkaError as error:
            if not error.retriable:
                raise
            coordinator.coordinator_dead()
        await asyncio.sleep(RETRY_S)
