"""The gateway as a process over a real broker: started, stopped, killed, and its broker taken away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from livetide.settings import load_secrets
from streams.broker.ports import free_port
from streams.gateway.app import create_app
from streams.gateway.auth import bearer_key
from streams.gateway.log import KafkaLog
from streams.kafka import Cluster
from streams.topics import DANMAKU, SALES, TOPICS
from tests.streams.gateway.test_log import read_kafka
from tests.support.gateway import MASTER, OPERATOR, Clock, Counts, chat, config, lines, sale
from tests.support.kafka import make_topics, start_broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
PROGRAM = "from livetide.processes.gateway import run; from livetide.settings import Settings; run(Settings())"


class Started(NamedTuple):
    """A gateway process and how to speak to it."""

    process: subprocess.Popen[bytes]
    url: str
    secrets: dict[str, str]
    log: Path

    def headers(self, room: str) -> dict[str, str]:
        key = bearer_key(self.secrets["master"], room)
        return {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}


Start = Callable[[int], Started]


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    make_topics(cluster, list(TOPICS.values()))
    running: list[subprocess.Popen[bytes]] = []

    def run(port: int) -> Started:
        environment = os.environ | {
            "LIVETIDE_DATA": str(tmp_path), "LIVETIDE_KAFKA": cluster.servers, "LIVETIDE_GATEWAY_PORT": str(port),
            "LIVETIDE_ROOM_RATE": "1000000",
        }  # fmt: skip
        output = tmp_path / "gateway.log"
        with output.open("wb") as file:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=file, stderr=file)
        running.append(process)
        return Started(process, f"http://127.0.0.1:{port}", load_secrets(tmp_path), output)

    yield run
    for process in running:
        process.kill()
        process.wait()


async def ready(client: httpx.AsyncClient, url: str, key: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                told = await client.get(f"{url}/readyz", headers={"Authorization": f"Bearer {key}"})
                if told.status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def post_until_taken(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """What a client does that is told 503: send the whole request again."""
    async with asyncio.timeout(60):
        while (told := await client.post(url, content=body, headers=headers)).status_code != 202:
            assert told.status_code == 503
    return told


def ids(cluster: Cluster, room: str) -> Counter[str]:
    """How often each event of a room lies in Kafka."""
    envelopes = (DANMAKU.decode(value) for _, key, value in read_kafka(cluster, DANMAKU.name) if key == room.encode())
    sales = (SALES.decode(value) for _, key, value in read_kafka(cluster, SALES.name) if key == room.encode())
    return Counter([message.id for envelope in envelopes for message in envelope.messages] + [one.id for one in sales])


async def test_it_serves_and_stops_with_what_waits_sent(start: Start, cluster: Cluster) -> None:
    started = await asyncio.to_thread(start, free_port())
    async with httpx.AsyncClient(timeout=30) as client:
        await ready(client, started.url, started.secrets["operator_key"])
        url = f"{started.url}/v1/rooms/process-1/events"
        assert (await client.post(url, content=lines(chat()))).status_code == 401
        told = await client.post(url, content=lines(chat("a"), sale("b")), headers=started.headers("process-1"))
        assert told.json()["accepted"] == 2
        posting = [client.post(url, content=lines(chat(f"c{n}")), headers=started.headers("process-1")) for n in range(20)]
        answers = asyncio.gather(*posting, return_exceptions=True)
        await asyncio.sleep(0.02)
        started.process.send_signal(signal.SIGTERM)
        accepted = [one.status_code == 202 for one in await answers if isinstance(one, httpx.Response)]
    assert await asyncio.to_thread(started.process.wait, 10) == 0
    found = await asyncio.to_thread(ids, cluster, "process-1")
    assert found["a"] == found["b"] == 1
    assert sum(number for name, number in found.items() if name.startswith("c")) >= sum(accepted)
    said = started.log.read_text()
    assert [secret for secret in started.secrets.values() if secret in said] == []


async def test_a_taken_port_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        started = await asyncio.to_thread(start, taken.getsockname()[1])
        assert await asyncio.to_thread(started.process.wait, 30) != 0
    assert "LIVETIDE_GATEWAY_PORT" in started.log.read_text()


async def test_what_was_accepted_survives_a_kill(start: Start, cluster: Cluster) -> None:
    started = await asyncio.to_thread(start, free_port())
    accepted: list[str] = []

    async def keep_posting(client: httpx.AsyncClient, who: int) -> None:
        for number in range(10_000):
            events = [chat(f"{who}-{number}-{n}") for n in range(70)] + [sale(f"{who}-{number}-s")]
            url = f"{started.url}/v1/rooms/process-2/events"
            told = await client.post(url, content=lines(*events), headers=started.headers("process-2"))
            if told.status_code == 202:
                accepted.extend(str(event["id"]) for event in events)
            if len(accepted) > 4000:
                started.process.kill()

    async with httpx.AsyncClient(timeout=30) as client:
        await ready(client, started.url, started.secrets["operator_key"])
        ends = await asyncio.gather(*(keep_posting(client, who) for who in range(4)), return_exceptions=True)
    assert all(isinstance(end, httpx.TransportError) for end in ends)
    found = await asyncio.to_thread(ids, cluster, "process-2")
    assert [identity for identity in accepted if found[identity] != 1] == []


async def test_a_broker_that_goes_and_comes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    broker = await asyncio.to_thread(start_broker, tmp_path_factory)
    try:
        cluster = broker.cluster()
        make_topics(cluster, list(TOPICS.values()))
        app = create_app(config(answer_s=1), KafkaLog(cluster, DANMAKU.name), meter=Counts(), clock=Clock(), scrape=lambda: b"")
        headers = {"Authorization": f"Bearer {bearer_key(MASTER, 'r')}", "Content-Type": "application/x-ndjson"}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway", timeout=60) as client,
        ):
            await ready(client, "", OPERATOR)
            url, request = "/v1/rooms/r/events", lines(sale("b"), chat("c"))
            await post_until_taken(client, url, lines(sale("a")), headers)
            await asyncio.to_thread(broker.stop)
            for _ in range(2):
                told = await client.post(url, content=request, headers=headers)
                assert told.status_code == 503
                assert "send all of it again" in told.json()["error"]
            assert (await client.get("/readyz", headers={"Authorization": f"Bearer {OPERATOR}"})).status_code == 503
            await asyncio.to_thread(broker.start)
            told = await post_until_taken(client, url, request, headers)
            assert told.json()["duplicates"] == 2
        assert await asyncio.to_thread(ids, cluster, "r") == {"a": 1, "b": 1, "c": 1}
    finally:
        await asyncio.to_thread(broker.stop)
