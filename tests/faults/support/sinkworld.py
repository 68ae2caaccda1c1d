"""A log, a store and what was written: the ground of the sink's tests, with its fixtures."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from livetide.metrics import PrometheusMeter
from storage.client import StoreClient
from storage.migrations import migrate
from storage.sink import Sink
from streams import records as r
from streams.broker import EmbeddedBroker
from streams.kafka import Cluster
from streams.topics import TOPICS, partition_of
from tests.storage.support import SinkProcess, StoreProcess, until
from tests.support.kafka import make_topics, start_broker

NOW = time.time_ns() // 1_000_000


class World:
    """A log, a store, and everything that was written to the log."""

    def __init__(self, cluster: Cluster, store: StoreProcess, folder: Path, seed: int = 0) -> None:
        self.cluster = cluster
        self.store = store
        self.folder = folder
        self.chance = random.Random(seed)
        self.group = f"sink-{uuid.uuid4().hex[:8]}"
        self.producer = Producer(cluster.producer(linger_ms=5))
        self.chat: dict[str, r.UnderstoodChat] = {}
        self.rooms: dict[str, str] = {}
        self.sales: dict[str, r.Sale] = {}
        self._numbers: dict[int, int] = {}
        self._written: list[tuple[str, bytes, str, Any]] = []

    def sink(self, instance: str = "", dead: float = 1.0) -> SinkProcess:
        """Without a limit of poison: a new group reads what other tests have left."""
        return SinkProcess(self.folder, self.cluster, self.store, self.group, instance=instance, dead=dead)

    def put(self, topic: str, room: str, value: bytes | None, headers: Any = None) -> None:
        while True:
            try:
                self.producer.produce(topic, value, room.encode(), partition_of(room, self.cluster.partitions), headers=headers)
            except BufferError:
                self.producer.poll(0.1)
            else:
                return

    def number(self, room: str) -> list[tuple[str, bytes]]:
        partition = partition_of(room, self.cluster.partitions)
        self._numbers[partition] = self._numbers.get(partition, 0) + 1
        return [r.sequence_header(self.group, self._numbers[partition])]

    def talk(self, envelopes: int, *, repeat: float = 0.0) -> None:
        """Understood chat, numbered by its writer; a share of it is sent again with its first number."""
        for _ in range(envelopes):
            room = f"{self.group}-{self.chance.randrange(6)}"
            start = NOW + self.chance.randrange(600_000)
            messages = []
            for n in range(self.chance.randrange(1, 64)):
                key = f"c{len(self.chat)}"
                said = r.UnderstoodChat(
                    key, start + n * 7, f"u{self.chance.randrange(40)}", f"多少钱 {key}", "多少钱",
                    self.chance.choice(("negative", "neutral", "positive")), 0.5, "price", 0.5,
                )  # fmt: skip
                messages.append(said)
                self.chat[key], self.rooms[key] = said, room
            value = r.encode(r.ComprehendedEnvelope(room=room, event_ts=start, ingest_ts=NOW, source="sim", messages=messages))
            headers = self.number(room)
            self.put("live.comprehended", room, value, headers)
            if self.chance.random() < repeat:
                self.put("live.comprehended", room, value, headers)

    def trade(self, count: int, *, repeat: float = 0.0) -> None:
        """Sales as the gateway writes them: unnumbered, some of them twice, the second time taken later."""
        for _ in range(count):
            room = f"{self.group}-{self.chance.randrange(6)}"
            key = f"s{len(self.sales)}"
            sale = r.Sale(
                room=room, event_ts=NOW + self.chance.randrange(600_000), ingest_ts=NOW, id=key, source="shop", order=key,
                type=self.chance.choice(("order", "pay", "refund")), amount=self.chance.randrange(1, 100_000), sku="dress",
                quantity=1,
            )  # fmt: skip
            self.sales[key] = sale
            for _ in range(1 + (self.chance.random() < repeat)):
                self.put("live.sales", room, r.encode(sale))

    def settle(self, seconds: float = 120) -> None:
        """Wait until the store has as many rows as were written, then for one record more: by then too many would show."""
        assert self.producer.flush(30) == 0
        client = self.store.client()
        wanted = (len(self.chat), len(self.sales))
        until(lambda: self._counts(client) >= wanted, seconds=seconds, say=lambda: (self._counts(client), wanted))
        self.put("live.mood", self.group, r.encode(mood_of(self.group)))
        self.producer.flush(30)
        until(lambda: client.execute("SELECT 1 FROM live.mood WHERE room_id = %(g)s", {"g": self.group}))
        client.close()

    def _counts(self, client: StoreClient) -> tuple[int, int]:
        try:
            return count_of(client, "danmaku", self.group), count_of(client, "sales", self.group)
        except r.RetryError:
            return 0, 0

    def verify(self) -> None:
        """Rows and minute views against a recomputation from what was written. Without FINAL: nothing may have to be hidden."""
        client = self.store.client()
        where = "startsWith(room_id, %(g)s) SETTINGS final = 0"
        named = {"g": f"{self.group}-"}
        found = client.execute(
            f"SELECT source_id, room_id, toUnixTimestamp64Milli(ts), text, sentiment, user_id FROM live.danmaku WHERE {where}",
            named,
        )
        assert sorted(found) == sorted(
            (k, self.rooms[k], c.event_ts, c.text, c.sentiment, c.user) for k, c in self.chat.items()
        )
        sold = client.execute(
            f"SELECT source_id, room_id, toUnixTimestamp64Milli(ts), type, toInt64(amount * 100) FROM live.sales WHERE {where}",
            named,
        )
        assert sorted(sold) == sorted((s.id, s.room, s.event_ts, s.type, s.amount) for s in self.sales.values())
        self._verify_minutes(client, named)
        client.close()

    def _verify_minutes(self, client: StoreClient, named: dict[str, str]) -> None:
        minutes: dict[tuple[str, int], list[r.UnderstoodChat]] = {}
        for key, said in self.chat.items():
            minutes.setdefault((self.rooms[key], said.event_ts // 60_000 * 60), []).append(said)
        wanted = {
            at: (len(said), len({c.user for c in said}), sum(c.sentiment == "negative" for c in said) / len(said))
            for at, said in minutes.items()
        }
        rows = client.execute(
            "SELECT room_id, toUnixTimestamp(minute), messages, users, negative_share FROM live.chat_minutes "
            "WHERE startsWith(room_id, %(g)s)",
            named,
        )
        assert {(row[0], row[1]): row[2:] for row in rows} == wanted
        sums: dict[tuple[str, int], list[int]] = {}
        for sale in self.sales.values():
            line = sums.setdefault((sale.room, sale.event_ts // 60_000 * 60), [0, 0, 0, 0])
            line[0] += sale.type == "order"
            line[1] += sale.type == "pay"
            line[2] += sale.amount * (sale.type == "pay")
            line[3] += sale.amount * (sale.type == "refund")
        rows = client.execute(
            "SELECT room_id, toUnixTimestamp(minute), orders, paid, toInt64(gmv * 100), toInt64(refunded * 100) "
            "FROM live.sales_minutes WHERE startsWith(room_id, %(g)s)",
            named,
        )
        assert {(row[0], row[1]): list(row[2:]) for row in rows} == sums


def mood_of(room: str) -> r.Mood:
    return r.Mood(
        room=room, event_ts=NOW, ingest_ts=NOW, id=room, revision=1, messages=1, users=1, negative_share=0,
        positive_share=0, arousal=0,
    )  # fmt: skip


def count_of(client: StoreClient, table: str, group: str) -> int:
    rows = client.execute(
        f"SELECT count() FROM live.{table} WHERE startsWith(room_id, %(g)s) SETTINGS final = 0", {"g": f"{group}-"}
    )
    return int(rows[0][0])


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker whose topics have their real names: nobody else's tests write to them."""
    running = start_broker(tmp_path_factory)
    make_topics(running.cluster(partitions=4), list(TOPICS.values()))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    process.start()
    client = process.client()
    migrate(client)
    client.close()
    yield process
    process.stop()


@pytest.fixture
def world(own_broker: EmbeddedBroker, module_store: StoreProcess, tmp_path: Path) -> World:
    """Each test has its own consumer group and rooms, and a store that knows nothing of this log."""
    client = module_store.client()
    client.execute("TRUNCATE TABLE live.sink_ledger")
    client.close()
    return World(own_broker.cluster(partitions=4), module_store, tmp_path)


@pytest.fixture
def end() -> Iterator[Callable[[SinkProcess], SinkProcess]]:
    """Sinks that a test leaves running are ended after it."""
    left: list[SinkProcess] = []

    def keep(sink: SinkProcess) -> SinkProcess:
        left.append(sink)
        return sink

    yield keep
    for sink in left:
        if sink.process:
            sink.kill()


Keep = Callable[[SinkProcess], SinkProcess]


class SinkThread:
    """A sink in this process, whose meter can be read."""

    def __init__(self, world: World, **changes: Any) -> None:
        self.meter = PrometheusMeter()
        self._stop = threading.Event()
        given: dict[str, Any] = {
            "store": world.store.url, "meter": self.meter, "clock": lambda: time.time_ns() // 1_000_000, "group": world.group,
            "session_ms": 6_000, "flush_ms": 100, "dead_limit": 1.0,
        }  # fmt: skip
        self.sink = Sink(world.cluster, **given | changes)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.sink.run(self._stop)
        except r.LivetideError as error:
            self.failure = error

    def __enter__(self) -> SinkThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert self.failure is None

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over the labels that are not named."""
        return sum(
            sample.value
            for metric in self.meter.registry.collect()
            for sample in metric.samples
            if sample.name == f"livetide_{name}" and labels.items() <= sample.labels.items()
        )
