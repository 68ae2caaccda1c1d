"""The agent shell while its broker dies, stays away and comes back; a broker of its own, since the others need theirs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from tests.faults.support.shellstage import Stage
from tests.support.kafka import start_broker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    running = start_broker(tmp_path_factory)
    yield running
    running.stop()


@pytest.fixture
def stage(own_broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(own_broker.cluster(partitions=4), tmp_path)
    yield made
    made.end()


@pytest.mark.timeout(400)
def test_a_broker_that_is_killed_and_comes_back_after_twenty_seconds(own_broker: EmbeddedBroker, stage: Stage) -> None:
    worker = stage.start()
    worker.ready()
    with stage.feeding(10_000, per_s=250, repeats=True):
        time.sleep(4)
        assert own_broker.pid is not None
        os.kill(own_broker.pid, signal.SIGKILL)
        time.sleep(20)
        own_broker.start()
        time.sleep(6)
        own_broker.stop()  # and once cleanly
        own_broker.start()
    stage.drained(180)
    assert worker.code is None, worker.log.read_text()[-3000:]
    verdict = stage.verify()
    assert verdict.faults == []
    assert worker.terminate() == 0


@pytest.mark.timeout(500)
def test_a_broker_that_is_silent_for_ninety_seconds_makes_nobody_unwell(own_broker: EmbeddedBroker, stage: Stage) -> None:
    assert own_broker.pid is not None
    os.kill(own_broker.pid, signal.SIGKILL)
    worker = stage.start()
    time.sleep(3)
    assert worker.code is None, "a worker waits for its broker at the start, too"
    own_broker.start()
    worker.ready()
    with stage.feeding(12_000, per_s=100):
        time.sleep(4)
        os.kill(own_broker.pid, signal.SIGSTOP)
        time.sleep(90)
        os.kill(own_broker.pid, signal.SIGCONT)
    stage.drained(180)
    time.sleep(30)  # as long as it takes to be taken for stalled
    log = worker.log.read_text()
    assert worker.code is None, log[-3000:]
    assert "not alive" not in log
    assert stage.verify().faults == []
    assert worker.terminate() == 0


@pytest.mark.timeout(300)
def test_a_worker_leaves_within_seconds_although_its_broker_is_away(own_broker: EmbeddedBroker, stage: Stage) -> None:
    worker = stage.start()
    worker.ready()
    with stage.feeding(4_000):
        time.sleep(0.5)
        assert own_broker.pid is not None
        os.kill(own_broker.pid, signal.SIGKILL)
        time.sleep(2)
        assert worker.terminate() == 0
        own_broker.start()
    stage.start()
    stage.drained(120)
    verdict = stage.verify()
    assert verdict.faults == []
