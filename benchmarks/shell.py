"""The agent shell: chat messages decoded and forwarded per CPU-second, with checkpoints, on a real broker.

    python -m benchmarks.shell [--messages 1000000] [--rounds 3]

One worker process reads envelopes that lie in the log already and forwards each to another topic; its own CPU time (user and
system) is divided through, from the moment when it is loaded to the last record. In turns with it a plain confluent-kafka loop
does the same work without state or checkpoints. Envelopes of 64 and of 15 without work, then of 64 with 30 µs of work each.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from operator import truediv
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer

from benchmarks.gauge import Ends, fresh_broker, per_cpu_second
from streams import admin
from streams.kafka import Cluster
from streams.reach import QUIET
from streams.records import Chat, ComprehendedEnvelope, DanmakuEnvelope, Record, UnderstoodChat, encode
from streams.shell.agent import Agent
from streams.topics import COMPREHENDED, DANMAKU, TOPICS, Topic

TEXT = "这个多少钱呀 主播 今天有没有优惠券可以领"


class Forward:
    """What an agent costs without thinking: decode, rebuild, encode; or with ``work_us`` of burnt time a message."""

    def __init__(self, work_us: float) -> None:
        self._work_s = work_us / 1e6
        self._count = 0

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        assert isinstance(record, DanmakuEnvelope)
        self._count += len(record.messages)
        if self._work_s:
            until = time.thread_time() + self._work_s * len(record.messages)
            while time.thread_time() < until:
                pass
        messages = [UnderstoodChat(c.id, c.event_ts, c.user, c.text, c.text) for c in record.messages]
        return [
            ComprehendedEnvelope(
                room=record.room, event_ts=record.event_ts, ingest_ts=record.ingest_ts, source=record.source, messages=messages
            )
        ]

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        return ()

    def dump(self) -> bytes:
        return self._count.to_bytes(8, "big") + bytes(4096)

    def load(self, data: bytes) -> None:
        self._count = int.from_bytes(data[:8], "big")


class NullMeter:
    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...


def fill(cluster: Cluster, messages: int, size: int, topic: str = DANMAKU.name) -> int:
    """Put envelopes of ``size`` messages into the log; how many."""
    producer = Producer(cluster.producer(linger_ms=20, queue_buffering_max_messages=1_000_000) | QUIET)
    count = messages // size
    for number in range(count):
        chats = [Chat(f"{number}-{n}", 1_700_000_000_000 + number, f"u{n:016x}", TEXT) for n in range(size)]
        envelope = DanmakuEnvelope(room=f"room-{number % 40}", event_ts=1, ingest_ts=1, source="bench", messages=chats)
        producer.produce(topic, encode(envelope), envelope.room.encode(), number % cluster.partitions)
        producer.poll(0)
    producer.flush(120)
    return count


def agent_of(name: str, mode: str, work_us: float, source: Topic = DANMAKU) -> Agent:
    return Agent(name, (source,), lambda: Forward(work_us), "direct" if mode == "direct" else "outbox")


def run_shell(loaded: Any, cluster: Cluster, name: str, mode: str, work_us: float, source: Topic) -> None:
    """In a process of its own, until it is killed: the worker."""
    from streams.worker import Worker

    agent = agent_of(name, mode, work_us, source)
    loaded.value = time.process_time()
    Worker([agent], cluster, instance="", meter=NullMeter(), clock=lambda: int(time.time() * 1000)).run(threading.Event())


def run_plain(loaded: Any, cluster: Cluster, name: str, work_us: float, source: Topic) -> None:
    """In a process of its own, until it is killed: consume, decode, forward; no state, no checkpoint."""
    operator = Forward(work_us)
    loaded.value = time.process_time()
    producer = Producer(cluster.producer(linger_ms=20))
    consumer = Consumer(cluster.client(group_id=name, auto_offset_reset="earliest"))
    consumer.subscribe([source.name])
    while True:
        for message in consumer.consume(500, 0.5):
            if message.error():
                continue
            for output in operator.feed(source.decode(message.value()), message.offset() or 0):
                producer.produce(COMPREHENDED.name, encode(output), message.key(), message.partition() or 0)
        producer.poll(0)


def shell_rate(cluster: Cluster, name: str, mode: str, work_us: float, source: Topic, records: int) -> float:
    """Records per CPU-second of a worker with one agent."""
    admin.create_topics(cluster, [agent_of(name, mode, work_us, source).checkpoints])
    return _rate(cluster, records, run_shell, cluster, name, mode, work_us, source)


def _rate(cluster: Cluster, records: int, work: Callable[..., None], *given: Any) -> float:
    context = multiprocessing.get_context("spawn")
    ends, loaded = Ends(cluster, COMPREHENDED.name), context.Value("d", 0.0)
    process = context.Process(target=work, args=(loaded, *given))
    process.start()
    try:
        return per_cpu_second(psutil.Process(process.pid), ends, records, lambda: float(loaded.value))
    finally:
        ends.close()
        process.kill()
        process.join(30)


def measure(size: int, messages: int, work_us: float, rounds: int, modes: Sequence[str]) -> dict[str, Any]:
    """One size of envelope on a fresh broker, in turns: the shell in each of ``modes`` and a plain loop. Medians."""
    source = dataclasses.replace(DANMAKU, name=f"bench.danmaku.{size}")
    found: dict[str, list[float]] = {what: [] for what in (*modes, "plain")}
    with fresh_broker() as cluster:
        admin.create_topics(cluster, [*TOPICS.values(), source])
        records = fill(cluster, messages, size, source.name)
        for number in range(rounds):
            for what, rates in found.items():
                name = f"bench-{what}-{number}"
                if what == "plain":
                    rate = _rate(cluster, records, run_plain, cluster, name, work_us, source)
                else:
                    rate = shell_rate(cluster, name, what, work_us, source, records)
                rates.append(rate * size)
                print(f"envelopes of {size}, {work_us:g} µs, {what}: {rates[-1]:,.0f}", file=sys.stderr)
    medians = {what: round(statistics.median(rates)) for what, rates in found.items()}
    shares = [statistics.median(map(truediv, found[mode], found["plain"])) for mode in modes]
    return {
        "envelope": size,
        "messages": messages,
        "work_us": work_us,
        "rounds": rounds,
        "messages_per_cpu_second": medians,
        "share_of_plain": {mode: round(share, 3) for mode, share in zip(modes, shares, strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--working-messages", type=int, default=200_000, help="of the runs with work")
    parser.add_argument("--work-us", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    figures = [measure(size, given.messages, 0, given.rounds, ("direct", "outbox")) for size in (64, 15)]
    figures.append(measure(64, given.working_messages, given.work_us, given.rounds, ("direct", "outbox")))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
