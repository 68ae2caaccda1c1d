"""The embedded broker against the real thing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from livetide.settings import CACHE
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.records import FatalError, RetryError
from streams.topics import SALES
from tests.support.kafka import make_topics

pytestmark = pytest.mark.kafka


def write(cluster: Cluster, topic: str, values: list[bytes]) -> None:
    producer = Producer(cluster.producer())
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def read(cluster: Cluster, topic: str, count: int) -> list[bytes]:
    """The first ``count`` records of a topic; fewer when they do not come within 20 s."""
    consumer = Consumer(cluster.client(group_id="unused", enable_auto_commit=False))
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    deadline = time.monotonic() + 20
    values: list[bytes] = []
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
    consumer.close()
    return sorted(values)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    port = free_port()
    broker = EmbeddedBroker(tmp_path / "kafka", CACHE, port, free_port({port}), password=None)
    yield broker
    broker.stop()


def test_what_is_written_can_be_read(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    topic = topic_maker("said")
    write(cluster, topic, [b"a", b"b", b"c"])
    assert read(cluster, topic, 3) == [b"a", b"b", b"c"]


def test_it_listens_on_loopback_only(broker: EmbeddedBroker) -> None:
    assert broker.pid is not None
    listening = {c.laddr.ip for c in psutil.Process(broker.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert listening


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(own: EmbeddedBroker) -> None:
    own.start()
    make_topics(own.cluster(), [SALES])
    write(own.cluster(), SALES.name, [b"1", b"2"])
    first = own.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert own.wait(10)
    assert not own.alive
    own.start()
    assert own.pid != first
    write(own.cluster(), SALES.name, [b"3"])
    assert read(own.cluster(), SALES.name, 3) == [b"1", b"2", b"3"]
    own.stop()
    assert not psutil.pid_exists(first)
    own.start()
    assert read(own.cluster(), SALES.name, 3) == [b"1", b"2", b"3"]


@pytest.mark.slow
def test_it_dies_with_its_starter(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import sys, time; from pathlib import Path; from streams.broker import EmbeddedBroker\n"
        f"broker = EmbeddedBroker(Path({str(tmp_path / 'kafka')!r}), Path({str(CACHE)!r}), {port}, {free_port({port})}, "
        "password=None)\n"
        "broker.start(); print(broker.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert psutil.pid_exists(pid)
        starter.kill()
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_two_starters_of_one_folder_are_told_apart(broker: EmbeddedBroker) -> None:
    port = free_port()
    second = EmbeddedBroker(broker.data, CACHE, port, free_port({port}), password=None)
    with pytest.raises(RetryError, match="another Livetide process"):
        second.start()
    assert broker.alive


def test_a_taken_port_is_named_with_its_holder_and_its_setting(broker: EmbeddedBroker, tmp_path: Path) -> None:
    second = EmbeddedBroker(tmp_path / "kafka", CACHE, broker.port, free_port(), password=None)
    with pytest.raises(RetryError, match=rf"port {broker.port} .* taken by .* LIVETIDE_KAFKA_PORT"):
        second.start()


def test_a_full_disk_is_named_before_anything_is_written(tmp_path: Path) -> None:
    port = free_port()
    broker = EmbeddedBroker(tmp_path / "kafka", CACHE, port, free_port({port}), free_bytes=lambda _: 5_000_000, password=None)
    with pytest.raises(RetryError, match="only 5 MB are free"):
        broker.start()
    assert not (tmp_path / "kafka" / "log").exists()


def test_no_java_says_what_to_do(tmp_path: Path) -> None:
    def nowhere() -> Path:
        from streams.broker import java

        return java.find([tmp_path / "no-java"])

    with pytest.raises(FatalError, match=r"no Java 17 or newer.*LIVETIDE_KAFKA"):
        EmbeddedBroker(tmp_path / "kafka", CACHE, find_java=nowhere, password=None).start()


def test_no_network_says_what_to_do(tmp_path: Path) -> None:
    def unreachable(_jar: object, _folder: Path) -> Path:
        raise OSError("Network is unreachable")

    with pytest.raises(RetryError, match=r"needs the network once.*LIVETIDE_MAVEN"):
        EmbeddedBroker(tmp_path / "kafka", tmp_path / "empty", fetch=unreachable, password=None).start()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    port = free_port()
    broker = EmbeddedBroker(tmp_path / "kafka", CACHE, port, free_port({port}), heap="1k", password=None)
    with pytest.raises(FatalError, match="Kafka broker"):
        broker.start()
    assert not broker.alive
