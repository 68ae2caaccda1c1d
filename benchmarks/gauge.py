"""What the benchmarks measure with: a broker of their own, and records per CPU-second of one process, whatever runs in it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition

from livetide.settings import CACHE
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.offsets import COMING_UP
from streams.records import RetryError

LOOK_S = 0.05
PASSWORD = "of-this-benchmark"
"""Brokers ask for one as the product's does."""
LISTENING = ("kafka_port", "kafka_controller_port", "store_port", "store_http_port", "gateway_port", "console_port")


@contextmanager
def fresh_broker(partitions: int = 4, password: str | None = PASSWORD) -> Iterator[Cluster]:
    """A real broker in a folder that goes when the block ends. It asks for a password unless that is None."""
    with tempfile.TemporaryDirectory() as folder:
        broker = _started(Path(folder), password)
        try:
            yield broker.cluster(partitions)
        finally:
            broker.stop()


def _started(folder: Path, password: str | None) -> EmbeddedBroker:
    for attempt in range(4):
        port = free_port()
        broker = EmbeddedBroker(folder / str(attempt), CACHE, port, free_port({port}), password=password)
        try:
            broker.start()
        except RetryError as error:
            if "taken" not in str(error):  # another program may have been quicker: there are other ports
                raise
        else:
            return broker
    raise RuntimeError("no free port for a broker in four attempts")


def own_ports() -> dict[str, int]:
    """Settings of a stack that keep it apart from other stacks of this machine."""
    taken: set[int] = set()
    for _ in LISTENING:
        taken.add(free_port(taken))
    return dict(zip(LISTENING, sorted(taken), strict=True))


class Ends:
    """How many records a topic holds, asked of the broker."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._consumer = Consumer(cluster.client(group_id="gauge", enable_auto_commit=False))
        self._places = [TopicPartition(topic, number) for number in range(cluster.partitions)]

    def __call__(self) -> int:
        return sum(map(self._end, self._places))

    def _end(self, place: TopicPartition) -> int:
        deadline = time.monotonic() + 30
        while True:
            try:
                marks = self._consumer.get_watermark_offsets(place, timeout=30)
            except KafkaException as error:
                if error.args[0].code() not in COMING_UP or time.monotonic() > deadline:
                    raise
            else:
                return marks[1] if marks else 0
            time.sleep(LOOK_S)

    def close(self) -> None:
        self._consumer.close()


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process and its children, user and system."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def per_cpu_second(
    process: psutil.Process,
    written: Callable[[], int],
    total: int,
    loaded: Callable[[], float],
    *,
    longest_s: float = 30.0,
    start_s: float = 60.0,
) -> float:
    """Records per CPU-second of a program that reads a full log, from the moment when it has been loaded until the last of
    ``total`` records is written; a slow one is stopped after ``longest_s`` seconds and counts for what it has written.

    ``loaded()`` is the CPU time that the program had used when it began. Raises ``RuntimeError`` when it ends too early or
    writes nothing.
    """
    at_first, began, flowing = written(), time.monotonic(), 0.0
    while True:
        count = written() - at_first
        now = time.monotonic()
        try:
            spent = cpu_of(process)
        except psutil.NoSuchProcess:
            raise RuntimeError("the program ended before it was measured") from None
        if count and not flowing:
            flowing = now
        if count >= total or (flowing and now - flowing > longest_s):
            break
        if not flowing and now - began > start_s:
            raise RuntimeError(f"it wrote none of {total} records in {start_s:g} s")
        time.sleep(LOOK_S)
    return count / (spent - loaded())
