"""The agent shell: chat messages decoded and forwarded per CPU-second, with checkpoints, on a real broker.

    python -m benchmarks.shell [--messages 400000] [--work-us 30]

One worker process reads envelopes that lie in the log already and forwards each to another topic; its own CPU time (user and
system) is divided through. Beside it a plain confluent-kafka loop does the same work without state or checkpoints.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from livetide.settings import CACHE
from streams import admin
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.records import Chat, ComprehendedEnvelope, DanmakuEnvelope, Record, UnderstoodChat, encode
from streams.shell.agent import Agent
from streams.topics import COMPREHENDED, DANMAKU, TOPICS

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


def fill(cluster: Cluster, messages: int, size: int) -> int:
    """Put envelopes of ``size`` messages into the log; how many."""
    producer = Producer(cluster.producer(linger_ms=20, queue_buffering_max_messages=1_000_000))
    count = messages // size
    for number in range(count):
        chats = [Chat(f"{number}-{n}", 1_700_000_000_000 + number, f"u{n:016x}", TEXT) for n in range(size)]
        envelope = DanmakuEnvelope(room=f"room-{number % 40}", event_ts=1, ingest_ts=1, source="bench", messages=chats)
        producer.produce(DANMAKU.name, encode(envelope), envelope.room.encode(), number % cluster.partitions)
        producer.poll(0)
    producer.flush(120)
    return count


def agent_of(name: str, mode: str, work_us: float) -> Agent:
    return Agent(name, (DANMAKU,), lambda: Forward(work_us), "direct" if mode == "direct" else "outbox")


def run_shell(cluster: Cluster, name: str, mode: str, work_us: float, done: Any, answer: Any) -> None:
    """In a process of its own: the worker until it is told that nothing is left to read."""
    from streams.worker import Worker

    stop = threading.Event()
    worker = Worker(
        [agent_of(name, mode, work_us)], cluster, instance="", meter=NullMeter(), clock=lambda: int(time.time() * 1000)
    )
    threading.Thread(target=_pass_on, args=(done, stop), daemon=True).start()
    at_start = time.process_time()
    worker.run(stop)
    answer.put(time.process_time() - at_start)


def _pass_on(done: Any, stop: threading.Event) -> None:
    done.wait()
    stop.set()


def run_plain(cluster: Cluster, count: int, work_us: float, done: Any, answer: Any) -> None:
    """In a process of its own: consume, decode, forward, commit; no state."""
    operator = Forward(work_us)
    at_start = time.process_time()
    producer = Producer(cluster.producer(linger_ms=20))
    consumer = Consumer(cluster.client(group_id=f"plain-{time.time()}", auto_offset_reset="earliest", enable_auto_commit=False))
    consumer.subscribe([DANMAKU.name])
    taken = 0
    while taken < count:
        for message in consumer.consume(500, 1):
            if message.error():
                continue
            for output in operator.feed(DANMAKU.decode(message.value()), message.offset() or 0):
                producer.produce(COMPREHENDED.name, encode(output), message.key(), message.partition() or 0)
            taken += 1
        producer.poll(0)
    producer.flush(60)
    consumer.commit(asynchronous=False)
    answer.put(time.process_time() - at_start)


def in_process(finished: Callable[[], bool], work: Callable[..., None], *given: Any) -> float:
    """Run ``work`` in a new process, tell it when ``finished``, and return the CPU seconds that it says it took."""
    context = multiprocessing.get_context("spawn")
    answer, done = context.Queue(), context.Event()
    process = context.Process(target=work, args=(*given, done, answer))
    process.start()
    while process.is_alive() and not finished():
        time.sleep(0.5)
    done.set()
    cpu_s: float = answer.get(timeout=120)
    process.join(5)
    if process.is_alive():  # Faust's threads are no daemons
        process.kill()
    return cpu_s


def _drained(cluster: Cluster, agent: Agent) -> bool:
    return sum(place.lag for place in admin.agent_lag(cluster, agent)) == 0


def measure(size: int, messages: int, work_us: float) -> list[dict[str, Any]]:
    """One size of envelope on a fresh broker: direct, outbox and plain."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        broker = EmbeddedBroker(Path(folder), CACHE, port, free_port({port}))
        broker.start()
        try:
            cluster = broker.cluster(partitions=4)
            agents = {mode: f"bench-{mode}" for mode in ("direct", "outbox")}
            checkpoints = [agent_of(name, mode, 0).checkpoints for mode, name in agents.items()]
            admin.create_topics(cluster, [*TOPICS.values(), *checkpoints])
            count = fill(cluster, messages, size)
            for mode, name in agents.items():
                agent = agent_of(name, mode, 0)
                cpu_s = in_process(lambda: _drained(cluster, agent), run_shell, cluster, name, mode, work_us)  # noqa: B023 # now
                rows.append({"what": f"shell, {mode}", "cpu_s": cpu_s})
            cpu_s = in_process(lambda: True, run_plain, cluster, count, work_us)
            rows.append({"what": "plain confluent-kafka", "cpu_s": cpu_s})
        finally:
            broker.stop()
    for row in rows:
        row |= {"envelope": size, "messages": messages, "work_us": work_us, "per_cpu_s": round(messages / row["cpu_s"])}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--work-us", type=float, default=0.0)
    given = parser.parse_args()
    rows = [row for size in (64, 15) for row in measure(size, given.messages, given.work_us)]
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
