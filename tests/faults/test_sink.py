"""The sink against a real broker and a real store, while things die. The verifier knows only what was written to Kafka."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from storage.client import StoreClient
from storage.ledger import Claim, Ledger
from storage.migrations import migrate
from storage.rows import TABLE_OF
from streams import records as r
from streams.broker import EmbeddedBroker
from streams.kafka import Cluster
from streams.records import FatalError
from streams.topics import TOPIC_OF, TOPICS, partition_of
from tests.storage.support import SinkProcess, StoreProcess, until
from tests.support.kafka import broker, make_topics, start_broker

__all__ = ["broker"]
pytestmark = [pytest.mark.kafka, pytest.mark.store]
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

    def sink(self, instance: str = "", dead: float = 0.5) -> SinkProcess:
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
        self.put("live.mood", self.group, r.encode(_mood(self.group)))
        self.producer.flush(30)
        until(lambda: client.execute("SELECT 1 FROM live.mood WHERE room_id = %(g)s", {"g": self.group}))
        client.close()

    def _counts(self, client: StoreClient) -> tuple[int, int]:
        try:
            return _count(client, "danmaku", self.group), _count(client, "sales", self.group)
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


def _mood(room: str) -> r.Mood:
    return r.Mood(
        room=room, event_ts=NOW, ingest_ts=NOW, id=room, revision=1, messages=1, users=1, negative_share=0,
        positive_share=0, arousal=0,
    )  # fmt: skip


def _count(client: StoreClient, table: str, group: str) -> int:
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


def test_every_record_is_stored_once(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    world.talk(300, repeat=0.3)
    world.trade(500, repeat=0.5)
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_kill_9_of_the_sink_loses_and_doubles_nothing(world: World, end: Keep) -> None:
    sink = end(world.sink("one"))
    for round_ in range(6):
        sink.start()
        world.talk(150, repeat=0.2)
        world.trade(150, repeat=0.4)
        world.producer.poll(0)
        if round_ < 5:
            time.sleep(world.chance.uniform(0.2, 2.0))
            sink.kill()
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_kill_9_of_the_store_loses_and_doubles_nothing(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    for _ in range(3):
        world.talk(150, repeat=0.2)
        world.trade(150, repeat=0.4)
        world.producer.poll(0)
        time.sleep(world.chance.uniform(0.2, 1.5))
        world.store.kill()
        time.sleep(world.chance.uniform(0.1, 1.0))
        world.store.start()
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_two_sinks_share_and_one_takes_over(world: World, end: Keep) -> None:
    one, two = end(world.sink("one")), end(world.sink("two"))
    one.start()
    world.talk(150, repeat=0.2)
    two.start()
    world.trade(300, repeat=0.2)
    time.sleep(2)
    one.kill()
    world.talk(150, repeat=0.2)
    world.settle()
    world.verify()
    two.stop()


@pytest.mark.slow
def test_a_sink_that_slept_through_its_time_writes_nothing(world: World, end: Keep) -> None:
    one = end(world.sink("one"))
    one.start()
    world.talk(50)
    world.settle()
    one.pause()
    two = end(world.sink("two"))
    two.start()
    world.talk(150)
    world.trade(150)
    world.settle()
    one.go_on()
    world.talk(50)
    world.settle()
    world.verify()
    two.stop()


def test_a_stop_writes_out_what_is_held(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    world.talk(30)
    world.settle()
    sink.stop()
    world.talk(30)
    again = end(world.sink())
    again.start()
    world.settle()
    world.verify()
    again.stop()


def test_poison_lies_among_the_dead_letters_and_the_rest_is_stored(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    room = f"{world.group}-0"
    no_time = r.Sale(room="x", event_ts=-5, ingest_ts=NOW, id="p", source="s", type="pay")
    poison = [None, b"", b"\xc1\xc1", b"{}", r.encode(_mood("x")), r.encode(no_time)]
    for value in poison:
        world.trade(50)
        world.put("live.sales", room, value)
    world.talk(20)
    world.settle()
    world.verify()
    client = world.store.client()
    key = {"r": room}
    until(
        lambda: client.execute("SELECT count() FROM live.deadletters WHERE room_id = %(r)s", key) == [(len(poison),)],
        say=sink.log,
    )
    found = client.execute(
        "SELECT DISTINCT topic, stage, partition FROM live.deadletters WHERE room_id = %(r)s AND offset >= 0 AND reason != ''",
        key,
    )
    assert found == [("live.sales", "sink", partition_of(room, 4))]
    values = client.execute("SELECT value FROM live.deadletters WHERE room_id = %(r)s ORDER BY offset", key)
    assert [len(v[0]) for v in values] == [len(v or b"") for v in poison]
    client.close()
    sink.stop()


def test_nothing_but_poison_stops_the_sink_and_it_says_so(world: World, end: Keep) -> None:
    sink = end(world.sink(dead=0.2))
    sink.start()
    for n in range(400):
        world.put("live.viewers", f"{world.group}-{n % 4}", b"\xc1poison")
    world.producer.flush(30)
    assert sink.wait(60) != 0
    assert "could not be used" in sink.log()
    drain = end(world.sink())  # what is left must not meet the tests that follow
    drain.start()
    drain.kill()


def test_the_same_batch_again_changes_nothing(world: World) -> None:
    """An insert whose outcome nobody knows, sent five times, at once and one after the other."""
    room = f"{world.group}-0"
    table = TABLE_OF["live.comprehended"]
    messages = [r.UnderstoodChat(f"c{n}", NOW + n * 100, f"u{n % 7}", "x", "x", "negative") for n in range(1500)]
    rows = table.rows(r.ComprehendedEnvelope(room=room, event_ts=NOW, ingest_ts=NOW, source="sim", messages=messages), 0, 1)

    def send(_: int) -> None:
        client = world.store.client()
        client.insert("live.danmaku", table.columns, [list(c) for c in zip(*rows, strict=True)], token=f"{room}:1-1")
        client.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(send, range(5)))
    client = world.store.client()
    assert _count(client, "danmaku", world.group) == 1500
    assert client.execute(
        "SELECT sum(messages), max(negative_share) FROM live.chat_minutes WHERE room_id = %(r)s", {"r": room}
    ) == [(1500, 1.0)]
    states = client.execute(
        "SELECT count() FROM live.chat_minutes_state WHERE room_id = %(r)s GROUP BY minute "
        "HAVING count() > 1 SETTINGS final = 0",
        {"r": room},
    )
    assert states == []
    client.close()


def test_rows_under_another_token_are_one_row_and_count_once(world: World) -> None:
    room = f"{world.group}-0"
    table = TABLE_OF["live.comprehended"]
    messages = [r.UnderstoodChat(f"c{n}", NOW, f"u{n % 7}", "x", "x") for n in range(100)]
    rows = table.rows(r.ComprehendedEnvelope(room=room, event_ts=NOW, ingest_ts=NOW, source="sim", messages=messages), 0, 1)
    client = world.store.client()
    for token in ("a", "b"):
        client.insert("live.danmaku", table.columns, [list(c) for c in zip(*rows, strict=True)], token=f"{room}:{token}")
    assert client.execute("SELECT count() FROM live.danmaku WHERE room_id = %(r)s", {"r": room}) == [(100,)]
    assert client.execute("SELECT sum(messages) FROM live.chat_minutes WHERE room_id = %(r)s", {"r": room}) == [(100,)]
    client.close()


def test_the_ledger_gives_each_offset_to_one_sink(world: World) -> None:
    client = world.store.client()
    mine, other = Ledger(client, world.group, "mine"), Ledger(client, world.group, "other")
    mine.claim([Claim("t", 0, 0, 9, {}, {"w": 3}), Claim("t", 1, 0, 4)], "1")
    mine.claim([Claim("t", 0, 0, 9, {}, {"w": 3}), Claim("t", 1, 0, 4)], "1")
    assert mine.newest([("t", 0), ("t", 1), ("t", 2)]) == {
        ("t", 0): Claim("t", 0, 0, 9, {}, {"w": 3}, "mine"),
        ("t", 1): Claim("t", 1, 0, 4, {}, {}, "mine"),
    }
    other.claim([Claim("t", 0, 10, 20, {"w": 3}, {"w": 8})], "1")
    with pytest.raises(FatalError, match="t/0: another sink has claimed from offset 10"):
        mine.claim([Claim("t", 0, 10, 14, {"w": 3}, {"w": 5})], "2")
    assert mine.newest([("t", 0)])["t", 0].last == 20
    client.close()


def test_the_ledger_forgets_what_is_long_done(world: World) -> None:
    client = world.store.client()
    ledger = Ledger(client, world.group, "mine")
    columns: list[list[Any]] = [
        [world.group] * 1200,
        ["t"] * 1200,
        [0] * 1200,
        list(range(1200)),
        list(range(1200)),
        ["mine"] * 1200,
    ]
    client.insert("live.sink_ledger", ["log_id", "topic", "partition", "first", "last", "owner"], columns)
    ledger.prune([("t", 0)])
    left = client.execute("SELECT count(), max(first) FROM live.sink_ledger WHERE log_id = %(l)s", {"l": world.group})
    assert left == [(8, 1199)]
    client.close()


def test_all_kinds_reach_their_tables(world: World, end: Keep) -> None:
    from tests.storage.test_rows import SAMPLES

    sink = end(world.sink())
    sink.start()
    import msgspec

    for sample in SAMPLES:
        record = msgspec.structs.replace(sample, room=world.group)
        world.put(TOPIC_OF[type(record)].name, world.group, r.encode(record))
    world.producer.flush(30)
    client = world.store.client()
    wanted = {
        table: len({type(s).__name__ for s in SAMPLES if TOPIC_OF[type(s)].name == topic}) for topic, table in _names().items()
    }
    wanted["danmaku"] = 2

    def found() -> dict[str, int]:
        return {
            name: int(client.execute(f"SELECT count() FROM live.{name} WHERE room_id = %(r)s", {"r": world.group})[0][0])
            for name in wanted
        }

    until(lambda: found() == wanted, say=lambda: (found(), wanted, sink.log()[-500:]))
    client.close()
    sink.stop()


def _names() -> dict[str, str]:
    return {topic: table.name for topic, table in TABLE_OF.items()}
