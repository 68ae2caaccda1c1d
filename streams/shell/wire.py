"""The engine's wire on Kafka: outputs and checkpoints through Faust's producer, commits through its consumer's group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.commits import Committed
from streams.faust_private import FaustApp
from streams.kafka import Cluster
from streams.records import FatalError, sequence_header
from streams.shell.agent import Agent
from streams.shell.checkpoint import Output
from streams.shell.engine import Commit
from streams.shell.partition import GapError

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
PAUSE_S = 0.5
T = TypeVar("T")


class Reader:
    """A consumer without a group, for single look-ups in any partition; one for the whole process."""

    def __init__(self, cluster: Cluster) -> None:
        # A large fetch would prefetch megabytes of other checkpoints behind the one that is wanted.
        self._consumer = AIOKafkaConsumer(
            **cluster.aiokafka(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=65_536,
            fetch_max_wait_ms=100,
        )
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def first_from(self, topic: str, partition: int, offset: int) -> Any | None:
        """The first record at ``offset`` or after it; None when nothing is there within a few seconds."""
        tp = TopicPartition(topic, partition)
        async with self._lock:
            self._consumer.assign([tp])
            self._consumer.seek(tp, offset)
            found = await self._consumer.getmany(tp, timeout_ms=int(PATIENCE_S * 1000), max_records=1)
        return found[tp][0] if found.get(tp) else None

    async def earliest(self, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        found = await self._consumer.beginning_offsets([TopicPartition(*tp) for tp in partitions])
        return {(tp.topic, tp.partition): at for tp, at in found.items()}

    async def ends(self, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        found = await self._consumer.end_offsets([TopicPartition(*tp) for tp in partitions])
        return {(tp.topic, tp.partition): at for tp, at in found.items()}


class KafkaWire:
    """The wire of one engine; ``live`` tells whether its generation still stands."""

    def __init__(
        self, agent: Agent, app: FaustApp, reader: Reader, identity: tuple[int, str], live: Callable[[], bool]
    ) -> None:
        self._agent, self._app, self._reader, self._identity, self._live = agent, app, reader, identity, live

    async def send(self, partition: int, output: Output, writer: str) -> asyncio.Future[object]:
        return await self._app.send(output.topic, partition, output.key, output.value, [sequence_header(writer, output.number)])

    async def write(self, partition: int, key: bytes, data: bytes) -> int:
        metadata = await (await self._app.send(self._agent.checkpoints.name, partition, key, data, []))
        offset: int = metadata.offset
        if offset < 0:  # an idempotent retry was recognised so late that the broker no longer knew the place
            raise FatalError(f"{self._agent.checkpoints.name}-{partition}: the broker did not say where a checkpoint lies")
        return offset

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        offsets = {
            (topic, number): (at, commit.metadata)
            for number, commit in commits.items()
            for topic, at in commit.positions.items()
        }
        return await self._app.commit(self._identity, offsets)

    async def committed(self, partition: int) -> Mapping[str, Committed]:
        found = await self._app.committed([(topic.name, partition) for topic in self._agent.sources])
        return {topic: at for (topic, _), at in found.items()}

    async def read(self, partition: int, offset: int) -> bytes | None:
        topic = self._agent.checkpoints.name
        while self._live():
            record = await self._retried(self._reader.first_from, topic, partition, offset)
            if record is not None:
                return record.value if record.offset == offset else None
            if (await self._retried(self._reader.ends, [(topic, partition)]))[topic, partition] <= offset:
                return None
        return None

    async def newest(self, partition: int) -> bytes | None:
        topic = self._agent.checkpoints.name
        while self._live():
            end = (await self._retried(self._reader.ends, [(topic, partition)]))[topic, partition]
            if end == 0:
                return None
            # Compaction never removes the last record.
            if (record := await self._retried(self._reader.first_from, topic, partition, end - 1)) is not None:
                return bytes(record.value)
        return None

    async def earliest(self, partition: int) -> Mapping[str, int]:
        found = await self._retried(self._reader.earliest, [(topic.name, partition) for topic in self._agent.sources])
        return {topic: at for (topic, _), at in found.items()}

    async def read_from(self, topic: str, partition: int, offset: int) -> None:
        log.warning("%s: %s-%d is read again from far back; going on at %d", self._agent.name, topic, partition, offset)
        await self._app.seek(topic, partition, offset)

    async def close_gap(self, partition: int, gap: GapError) -> int:
        where = f"{gap.topic}-{partition}"
        earliest = (await self._retried(self._reader.earliest, [(gap.topic, partition)]))[gap.topic, partition]
        if earliest > gap.expected:
            raise FatalError(
                f"agent {self._agent.name}: {where} now begins at {earliest}, but {gap.expected} was to be read next: Kafka "
                f"removed records before they were read. Accept the loss with `livetide agents repair {self._agent.name} "
                "--skip-lost`, and give the topic a longer retention."
            )
        first = await self._retried(self._reader.first_from, gap.topic, partition, gap.expected)
        found = gap.expected if first is None else int(first.offset)
        if found != gap.got:
            log.warning("%s: %s jumped from %d to %d; reading again", self._agent.name, where, gap.expected, gap.got)
            await self._app.seek(gap.topic, partition, found)
        return found

    async def _retried(self, ask: Callable[..., Awaitable[T]], *question: Any) -> T:
        while True:
            try:
                return await ask(*question)
            except KafkaError as error:
                if not self._live():
                    raise
                log.warning("agent %s asks Kafka again: %r", self._agent.name, error)
                await asyncio.sleep(PAUSE_S)
