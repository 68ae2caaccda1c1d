"""The sink and the embedded store: rows a second from a full log, and the delay of a row at 1,000 messages a second.

Broker, store and sink are processes of their own, as in the product. Rows are chat in envelopes of 64, numbered by their
writer. Beside the rate stand the CPU seconds of sink and store, which say more on a busy machine.

    python -m benchmarks.store [ROWS]
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from livetide.metrics import PrometheusMeter
from livetide.settings import CACHE
from storage.client import Address, StoreClient
from storage.migrations import migrate
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.records import ComprehendedEnvelope, UnderstoodChat, encode, sequence_header
from streams.topics import COMPREHENDED, TOPICS, partition_of

PASSWORD = "only-for-this-benchmark"
ENVELOPE = 64
PARTITIONS = 4
TEXTS = ("多少钱", "有货吗", "主播好", "这个颜色好看，还有别的尺码吗", "什么时候发货", "666", "退款怎么弄")


def clock() -> int:
    return time.time_ns() // 1_000_000


def serve_store(folder: str, said: Connection) -> None:
    from storage.server import StoreServer

    server = StoreServer(Path(folder), PASSWORD)
    server.start()
    said.send(server.native_port)
    said.recv()
    server.stop()


def serve_sink(cluster: Cluster, url: str, said: Connection) -> None:
    from storage.sink import Sink

    stop = threading.Event()
    sink = Sink(cluster, url, meter=PrometheusMeter(), clock=clock)
    work = threading.Thread(target=sink.run, args=(stop,))
    work.start()
    said.send("started")
    said.recv()
    stop.set()
    work.join()


def start(work: Any, *given: Any) -> tuple[psutil.Process, Connection, Any]:
    """A process, the pipe to it, and what it said first."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(*given, theirs), daemon=True)
    process.start()
    return psutil.Process(process.pid), ours, ours.recv()


class Room:
    """Writes understood chat to the log."""

    def __init__(self, cluster: Cluster) -> None:
        self._producer = Producer(cluster.producer(linger_ms=5, queue_buffering_max_messages=500_000))
        self._numbers = [0] * cluster.partitions
        self._chance = random.Random(1)
        self.rows = 0

    def say(self, messages: int, size: int = ENVELOPE) -> None:
        for _ in range(messages // size):
            room = f"room-{self._chance.randrange(40)}"
            partition = partition_of(room, PARTITIONS)
            self._numbers[partition] += 1
            now = clock()
            chats = [self._chat(now) for _ in range(size)]
            envelope = ComprehendedEnvelope(room=room, event_ts=now, ingest_ts=now, source="bench", messages=chats)
            headers: list[tuple[str, str | bytes | None]] = [sequence_header("bench", self._numbers[partition])]
            self._producer.produce(COMPREHENDED.name, encode(envelope), room.encode(), partition, headers=headers)
            self._producer.poll(0)

    def flush(self) -> None:
        self._producer.flush(60)

    def _chat(self, now: int) -> UnderstoodChat:
        self.rows += 1
        text = self._chance.choice(TEXTS)
        user = f"{self._chance.getrandbits(64):016x}"
        return UnderstoodChat(f"m{self.rows}", now, user, text, text, "neutral", 0.7, "price", 0.8)


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure_rate(room: Room, cluster: Cluster, url: str, store: psutil.Process, rows: int) -> dict[str, float]:
    """A full log, read from its start to its end."""
    client = StoreClient(Address.parse(url))
    room.say(rows)
    room.flush()
    store_before = cpu(store)
    sink, pipe, _ = start(serve_sink, cluster, url)
    first: tuple[float, int] | None = None
    while (count := _count(client)) < room.rows:
        if count and first is None:
            first = (time.perf_counter(), count)
        time.sleep(0.25)
    assert first, "all rows came at once: give more rows"
    seconds = time.perf_counter() - first[0]
    figures = {
        "rows": room.rows,
        "rows_per_second": round((room.rows - first[1]) / seconds),
        "sink_cpu_us_per_row": round(cpu(sink) / room.rows * 1e6, 2),
        "store_cpu_us_per_row": round((cpu(store) - store_before) / room.rows * 1e6, 2),
    }
    pipe.send("stop")
    sink.wait(30)
    client.close()
    return figures


def measure_delay(room: Room, cluster: Cluster, url: str, seconds: int = 12) -> dict[str, float]:
    """1,000 messages a second in envelopes of 10; how old each row was when it could first be queried."""
    client = StoreClient(Address.parse(url))
    _, pipe, _ = start(serve_sink, cluster, url)
    room.say(64)
    room.flush()
    while _count(client) < room.rows:  # the sink has its partitions
        time.sleep(0.1)
    first, ages = room.rows, dict[int, int]()
    end = tick = time.perf_counter()
    end += seconds
    while time.perf_counter() < end or len(ages) < room.rows - first:
        while tick < min(time.perf_counter(), end):
            room.say(50, size=10)
            tick += 0.05
        rows = client.execute(
            "SELECT toUInt64(substring(source_id, 2)) AS n, toUnixTimestamp64Milli(ingest_ts) FROM live.danmaku "
            "WHERE ingest_ts > now64(3) - 10 AND n > %(first)s SETTINGS final = 0",
            {"first": first},
        )
        now = clock()
        for number, taken in rows:
            ages.setdefault(number, now - taken)
        time.sleep(0.02)
    pipe.send("stop")
    client.close()
    sorted_ages = sorted(ages.values())
    return {
        "delay_p50_ms": sorted_ages[len(ages) // 2],
        "delay_p99_ms": sorted_ages[int(len(ages) * 0.99)],
        "delay_rows": len(ages),
    }


def _count(client: StoreClient) -> int:
    return int(client.execute("SELECT count() FROM live.danmaku SETTINGS final = 0")[0][0])


def measure(rows: int = 500_000) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        broker = EmbeddedBroker(Path(folder) / "kafka", CACHE, port, free_port({port}), password=PASSWORD)
        broker.start()
        try:
            cluster = broker.cluster(partitions=PARTITIONS)
            _make_topics(cluster)
            store, pipe, native = start(serve_store, f"{folder}/store")
            url = f"clickhouse://live:{PASSWORD}@127.0.0.1:{native}/live"
            client = StoreClient(Address.parse(url))
            migrate(client)
            client.close()
            room = Room(cluster)
            figures = measure_rate(room, cluster, url, store, rows) | measure_delay(room, cluster, url)
            pipe.send("stop")
            store.wait(30)
            return figures
        finally:
            broker.stop()


def _make_topics(cluster: Cluster) -> None:
    from streams.admin import create_topics

    create_topics(cluster, list(TOPICS.values()))


def main() -> None:
    """Print the figures as one JSON object."""
    print(json.dumps(measure(*map(int, sys.argv[1:2])), indent=1))


if __name__ == "__main__":
    main()
