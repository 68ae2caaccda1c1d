"""Gateway, NDJSON batches to acknowledged records: messages per CPU-second of the gateway process, over a real broker.

The gateway runs as it does in production (its own process, uvicorn, acks=all). Four connections post batches of 500 chat
messages one after another; the CPU time is that of the gateway process alone, Kafka client threads included. Beside it, as the
ceiling, a plain confluent-kafka loop that packs and produces the same messages with no border in front.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from confluent_kafka import Producer

from livetide.processes import gateway
from livetide.settings import CACHE, Settings, load_secrets
from streams.admin import create_topics
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.gateway.auth import bearer_key
from streams.kafka import Cluster
from streams.records import Chat, DanmakuEnvelope, encode
from streams.topics import DANMAKU, DEADLETTER, partition_of

ROOMS = [f"room-{number}" for number in range(4)]
TEXTS = [
    "主播这个多少钱",
    "有没有蓝色的",
    "666666",
    "已拍，什么时候发货",
    "哈哈哈哈哈哈",
    "质量怎么样，起球吗",
    "来了来了",
    "想要链接",
]


def body(room: str, batch: int, size: int, now: int) -> bytes:
    """A batch of chat as a source would post it: every message new, every third of a viewer who has said something before."""
    lines = (
        json.dumps(
            {
                "kind": "chat", "id": f"{room}-{batch}-{i}", "ts": now + i, "user": f"viewer-{viewer(batch * size + i)}",
                "text": TEXTS[i % len(TEXTS)],
            },
            ensure_ascii=False,
        )
        for i in range(size)
    )  # fmt: skip
    return "\n".join(lines).encode()


def viewer(message: int) -> int:
    """Who says the message of this number: a new viewer, or at every third one the viewer of a hundred messages ago."""
    return message if message % 3 else message - 100


async def post_all(url: str, master: str, bodies: dict[str, list[bytes]]) -> list[float]:
    """Every room's batches over a connection of its own; the seconds that each took."""
    waits: list[float] = []

    async def room_of(client: httpx.AsyncClient, room: str) -> None:
        headers = {"Authorization": f"Bearer {bearer_key(master, room)}", "Content-Type": "application/x-ndjson"}
        for one in bodies[room]:
            started = time.perf_counter()
            answer = await client.post(
                f"{url}/v1/rooms/{room}/events", params={"clock": "replay"}, content=one, headers=headers
            )
            waits.append(time.perf_counter() - started)
            if answer.status_code != 202 or answer.json()["accepted"] != one.count(b"\n") + 1:
                raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")

    async with httpx.AsyncClient(timeout=30) as client:
        await asyncio.gather(*(room_of(client, room) for room in bodies))
    return waits


def wait_ready(url: str, key: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", headers={"Authorization": f"Bearer {key}"}, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the gateway did not become ready")


def plain_loop(cluster: Cluster, messages: int) -> float:
    """Messages per CPU-second of a loop that only packs and produces; in a process of its own."""
    parent, child = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_plain_loop, args=(cluster, messages, child))
    process.start()
    figure: float = parent.recv()
    process.join()
    return figure


def _plain_loop(cluster: Cluster, messages: int, answer: Any) -> None:
    producer = Producer(cluster.producer(linger_ms=5, compression_type="lz4"))
    spent = time.process_time()
    for start in range(0, messages, 64):
        room = ROOMS[start // 64 % len(ROOMS)]
        chats = [Chat(f"{start}-{i}", start, "u", TEXTS[i % len(TEXTS)]) for i in range(64)]
        record = DanmakuEnvelope(room=room, event_ts=start, ingest_ts=start, source="plain", messages=chats)
        producer.produce(DANMAKU.name, encode(record), room, partition_of(room, cluster.partitions))
        producer.poll(0)
    producer.flush()
    answer.send(messages / (time.process_time() - spent))


def measure(batches: int = 60, size: int = 500) -> dict[str, Any]:
    """Start broker and gateway, post, stop; the figures."""
    with tempfile.TemporaryDirectory() as folder:
        data, port = Path(folder), free_port()
        broker = EmbeddedBroker(data / "kafka", CACHE, port, free_port({port}), password=load_secrets(data)["kafka_password"])
        broker.start()
        try:
            cluster = broker.cluster()
            create_topics(cluster, (DANMAKU, DEADLETTER))
            settings = Settings.model_validate(
                {"data": data, "kafka_port": port, "gateway_port": free_port({port}), "room_rate": 10_000_000}
            )
            return _measure(settings, cluster, batches, size)
        finally:
            broker.stop()


def _measure(settings: Settings, cluster: Cluster, batches: int, size: int) -> dict[str, Any]:
    secrets = load_secrets(settings.data)
    url = f"http://{settings.host}:{settings.gateway_port}"
    process = multiprocessing.get_context("spawn").Process(target=gateway.run, args=(settings,))
    process.start()
    try:
        wait_ready(url, secrets["operator_key"])
        now = int(time.time() * 1000)
        warm_up = {room: [body(room, -1 - batch, size, now) for batch in range(4)] for room in ROOMS}
        asyncio.run(post_all(url, secrets["master"], warm_up))
        bodies = {room: [body(room, batch, size, now) for batch in range(batches)] for room in ROOMS}
        observed = psutil.Process(process.pid)
        before, started = observed.cpu_times(), time.perf_counter()
        waits = sorted(asyncio.run(post_all(url, secrets["master"], bodies)))
        wall, after = time.perf_counter() - started, observed.cpu_times()
    finally:
        process.terminate()
        process.join(10)
    messages = batches * size * len(ROOMS)
    cpu = after.user + after.system - before.user - before.system
    plain = plain_loop(cluster, messages)
    return {
        "messages": messages,
        "batch": size,
        "cpu_seconds": round(cpu, 3),
        "messages_per_cpu_second": round(messages / cpu),
        "plain_producer_messages_per_cpu_second": round(plain),
        "share_of_plain_producer": round(messages / cpu / plain, 3),
        "messages_per_second": round(messages / wall),
        "ack_ms_p50": round(waits[len(waits) // 2] * 1000, 1),
        "ack_ms_p99": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Print the figures as one JSON object."""
    print(json.dumps(measure(), indent=1))


if __name__ == "__main__":
    main()
