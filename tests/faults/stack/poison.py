"""Bytes that are no records, put straight into the topics by a writer that is broken, or newer than we are."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Producer

from streams.kafka import Cluster

TOPICS = (
    "live.danmaku", "live.sales", "live.viewers", "live.speech", "live.frames", "live.comprehended", "live.highlights",
    "live.mood", "host.commands",
)  # fmt: skip
LARGE = (900_000, 1_000_000, 4_000_000)
"""Bytes: Kafka's clients send up to 1,000,000 unless told otherwise, a dead letter takes 3 MiB, the embedded broker 16."""


def junk(rng: random.Random) -> bytes | None:
    """One record that nobody can read."""
    return rng.choice(
        (
            None,
            b"",
            b"\xc1",
            b"{'kind': 'sale.1'}",
            b"\x81\xa4kind\xa6sale.9",
            b"\x82\xa4kind\xa6sale.1\xa4room\x05",
            b"\x82\xa4kind\xa6sale.1\xa4room\xa3\xed\xa0\x80",
            b"\xff" * (rng.choice(LARGE) if rng.random() < 0.05 else 90),
            rng.randbytes(40),
        )
    )


@contextlib.contextmanager
def flooded(cluster: Cluster, seed: int, topics: Sequence[str], per_s: float) -> Iterator[None]:
    """Junk into each of ``topics`` for the time of the block."""
    over, rng = threading.Event(), random.Random(seed)
    producer = Producer(cluster.producer(linger_ms=5, message_timeout_ms=0) | {"log_level": 0})

    def flood() -> None:
        while not over.wait(1 / per_s):
            for topic in topics:
                producer.produce(topic, rng.randbytes(40), b"room-0", rng.randrange(cluster.partitions))
            producer.poll(0)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        assert producer.flush(60) == 0


class Rogue:
    """Puts ``count`` pieces of junk into ``topics`` as the scene's clock passes, over all partitions."""

    def __init__(self, cluster: Cluster, seed: int, count: int, span: tuple[int, int], topics: Sequence[str] = TOPICS) -> None:
        self._rng, self._topics, self._partitions = random.Random(seed), topics, cluster.partitions
        settings = cluster.producer(linger_ms=5, message_timeout_ms=0, message_max_bytes=2 * max(LARGE))
        self._producer = Producer(settings | {"log_level": 0})
        self._coming = sorted(self._rng.randrange(*span) for _ in range(count))

    def publish_until(self, at: int) -> None:
        while self._coming and self._coming[0] <= at:
            self._coming.pop(0)
            topic, partition = self._rng.choice(self._topics), self._rng.randrange(self._partitions)
            self._producer.produce(topic, junk(self._rng), b"room-0", partition)
        self._producer.poll(0)

    def finish(self) -> None:
        """Send the rest and wait until all of it is safe."""
        self.publish_until(1 << 62)
        began = time.monotonic()
        while self._producer.flush(5):
            assert time.monotonic() - began < 120, "the junk could not be written"
