"""How long a room is silent after ``kill -9`` of a worker: restarted at once, and taken over by another.

    python -m benchmarks.worker_kill [--rounds 3]

Envelopes come all the time; the silence of a partition is the longest gap between two outputs around the kill. The worst
partition counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.gauge import PASSWORD
from benchmarks.shell import NullMeter, agent_of
from livetide.settings import CACHE
from streams import admin
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.records import Chat, DanmakuEnvelope, encode
from streams.topics import COMPREHENDED, DANMAKU, TOPICS


def work(cluster: Cluster, instance: str) -> None:
    """In a process of its own, until it is killed."""
    from streams.worker import Worker

    agent = agent_of("bench-kill", "outbox", 0)
    Worker([agent], cluster, instance=instance, meter=NullMeter(), clock=lambda: int(time.time() * 1000)).run(threading.Event())


def start(cluster: Cluster, instance: str) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=work, args=(cluster, instance))
    process.start()
    return process


def feed(cluster: Cluster, stop: threading.Event) -> None:
    producer = Producer(cluster.producer(linger_ms=5))
    number = 0
    while not stop.wait(0.02):
        for partition in range(cluster.partitions):
            number += 1
            chats = [Chat(f"{number}", 1, "u", "多少钱")]
            envelope = DanmakuEnvelope(room=f"room-{partition}", event_ts=1, ingest_ts=1, source="bench", messages=chats)
            producer.produce(DANMAKU.name, encode(envelope), envelope.room.encode(), partition)
        producer.poll(0)
    producer.flush(10)


def outputs(cluster: Cluster) -> dict[int, list[int]]:
    """Times of all outputs in epoch ms, by partition."""
    consumer = Consumer(cluster.client(group_id="watch", enable_auto_commit=False))
    found: dict[int, list[int]] = {}
    for partition in range(cluster.partitions):
        place = TopicPartition(COMPREHENDED.name, partition, 0)
        at, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([place])
        while at < end:
            for message in consumer.consume(min(500, end - at), 5):
                at = (message.offset() or 0) + 1
                found.setdefault(partition, []).append(message.timestamp()[1])
    consumer.close()
    return found


def silence(cluster: Cluster, killed_ms: int) -> float:
    """Seconds from the kill to the next output, in the partition that waited longest."""
    waits = []
    for times in outputs(cluster).values():
        last_before = max((t for t in times if t <= killed_ms), default=killed_ms)
        after = sorted(t for t in times if t > killed_ms)
        gaps = [later - earlier for earlier, later in zip([last_before, *after], after, strict=False)]
        waits.append(max(gaps) / 1000)
    return max(waits)


def flowing(cluster: Cluster, since_ms: int) -> bool:
    """Whether every partition has had an output after ``since_ms``."""
    times = outputs(cluster)
    return len(times) == cluster.partitions and all(max(partition) > since_ms for partition in times.values())


def wait_until_flowing(cluster: Cluster) -> None:
    since = int(time.time() * 1000)
    while not flowing(cluster, since):
        time.sleep(0.5)
    time.sleep(1)


def measure(cluster: Cluster, rounds: int) -> list[dict[str, Any]]:
    rows = []
    for what in ("restarted", "taken over"):
        for _ in range(rounds):
            workers = [start(cluster, "1")] + ([start(cluster, "2")] if what == "taken over" else [])
            wait_until_flowing(cluster)
            killed = int(time.time() * 1000)
            workers[0].kill()
            if what == "restarted":
                workers[0] = start(cluster, "1")
            wait_until_flowing(cluster)
            rows.append({"what": what, "silence_s": round(silence(cluster, killed), 2)})
            for worker in workers:
                worker.kill()
            time.sleep(8)  # so that the next round begins with an empty group
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        broker = EmbeddedBroker(Path(folder), CACHE, port, free_port({port}), password=PASSWORD)
        broker.start()
        try:
            cluster = broker.cluster(partitions=4)
            admin.create_topics(cluster, [*TOPICS.values(), agent_of("bench-kill", "outbox", 0).checkpoints])
            time.sleep(3)  # leaders of new topics come up
            feeder = threading.Thread(target=feed, args=(cluster, stop))
            feeder.start()
            rows = measure(cluster, given.rounds)
            stop.set()
            feeder.join()
        finally:
            stop.set()
            broker.stop()
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
