"""The broker as a supervised process: what the supervisor does when it, or its wrapper, is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer

from livetide.settings import CACHE, Settings, load_secrets
from livetide.stack.places import choose
from livetide.stack.supervisor import Policy, Supervisor
from livetide.stack.table import placed_names, specs, state_of
from streams.broker.child import read_pid_file, started_at
from streams.broker.ports import LOWEST, is_free
from streams.kafka import Cluster
from streams.topics import SALES
from tests.livetide.stack.test_supervisor import until
from tests.streams.broker.test_embedded_broker import read
from tests.support.kafka import make_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", cache=CACHE)


@pytest.fixture
def running(settings: Settings) -> Iterator[tuple[Supervisor, Cluster]]:
    ports = choose(settings, placed_names(settings), is_free=lambda port: port >= LOWEST and is_free(port))  # no defaults
    key = load_secrets(settings.data)["operator_key"]
    spec = next(spec for spec in specs(settings, ports, key) if spec.name == "kafka")
    supervisor = Supervisor([spec], settings.data / "logs", settings.data / "run", policy=Policy(alive_every=0.2))
    supervisor.start()
    until(lambda: supervisor.statuses()[0].state == "ready", 60)
    yield supervisor, state_of(settings, ports, 0).settings(settings).cluster()
    supervisor.stop()


def came_back(supervisor: Supervisor, times: int) -> bool:
    [status] = supervisor.statuses()
    return status.restarts == times and status.state == "ready"


def test_killed_broker_and_killed_wrapper_come_back_with_their_data(
    settings: Settings, running: tuple[Supervisor, Cluster]
) -> None:
    supervisor, cluster = running
    make_topics(cluster, [SALES])
    producer = Producer(cluster.producer())
    producer.produce(SALES.name, b"kept")
    assert producer.flush(20) == 0
    del producer  # it would report every outage on stderr

    java = read_pid_file(settings.data / "kafka" / "broker.pid")
    wrapper = supervisor.statuses()[0].pid
    assert java is not None
    assert wrapper is not None
    assert psutil.Process(java).ppid() == wrapper
    os.kill(java, signal.SIGKILL)
    until(partial(came_back, supervisor, 1), 60)
    assert read(cluster, SALES.name, 1) == [b"kept"]

    java = read_pid_file(settings.data / "kafka" / "broker.pid")
    wrapper = supervisor.statuses()[0].pid
    assert java is not None
    assert wrapper is not None
    os.kill(wrapper, signal.SIGKILL)
    until(partial(came_back, supervisor, 2), 60)
    assert started_at(java) is None  # it died with its starter
    assert read(cluster, SALES.name, 1) == [b"kept"]

    java = read_pid_file(settings.data / "kafka" / "broker.pid")
    assert java is not None
    supervisor.stop()
    assert started_at(java) is None
