"""The agent shell on a real broker under faults. An independent verifier: nothing lost, doubled, or said twice differently."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from streams.commits import group_commits
from streams.kafka import Cluster
from streams.records import sequence_header
from streams.shell import checkpoint as ck
from streams.shell.agent import Agent
from tests.faults.support.shellstage import Stage, Worker, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(cluster, tmp_path)
    yield made
    made.end()


def test_end_to_end_and_a_clean_stop(stage: Stage) -> None:
    worker = stage.start()
    worker.ready()
    stage.feed(500, repeats=True)
    stage.drained()
    assert worker.terminate() == 0
    stage.feed(200)
    again = stage.start()
    stage.drained()
    assert again.terminate() == 0
    verdict = stage.verify()
    assert verdict.faults == []
    assert verdict.checked > 3_000


def lags(worker: Worker, agent: Agent) -> dict[str, float]:
    """The lag by place, as a scrape of the worker would show it now."""
    now: dict[str, float] = {}
    for place, value in re.findall(rf"lag of {agent.name} (\S+): (\S+)", worker.log.read_text()):
        now.pop(place, None)
        if value != "nan":
            now[place] = float(value)
    return now


@pytest.mark.slow
def test_the_lag_of_a_partition_is_told_by_its_owner_only(stage: Stage) -> None:
    echo = stage.agents[0]
    places = [f"{stage.sales}-{partition}" for partition in range(4)]
    one = stage.start("1")
    until(lambda: sorted(lags(one, echo)) == places, 60, "all places")
    two = stage.start("2")
    until(lambda: sorted(lags(one, echo)) == places[::2] and sorted(lags(two, echo)) == places[1::2], 60, "each its own")
    assert two.terminate() == 0
    assert lags(two, echo) == {}


def test_a_stray_checkpoint_behind_the_committed_one_is_overtaken(stage: Stage) -> None:
    """Under the same key, compaction would in time remove the committed one for its sake."""
    echo = stage.agents[0]

    def named() -> int | None:
        found = group_commits(stage.cluster, echo.group)
        return ck.named(found[stage.sales, 1].metadata) if found else None

    worker = stage.start()
    worker.ready()
    until(lambda: named() == 0, 30, "the birth")
    producer = Producer(stage.cluster.producer())
    producer.produce(echo.checkpoints.name, b"of a worker that had lost the partition", b"1:1", 1)
    assert producer.flush(20) == 0
    until(lambda: named() == 2, 30, "another checkpoint, behind the stray one")
    assert worker.terminate() == 0


@pytest.mark.slow
def test_kill_9_at_random_points(stage: Stage) -> None:
    worker = stage.start()
    worker.ready()
    with stage.feeding(10_000, per_s=500, repeats=True):
        for _ in range(5):
            time.sleep(stage.rng.uniform(0.3, 3))
            worker.kill()
            worker = stage.start()
            if stage.rng.random() < 0.7:
                worker.ready()
    stage.drained()
    verdict = stage.verify()
    assert verdict.faults == []
    assert verdict.repeats > 0, "no kill made anybody say anything again: the test has tested nothing"


@pytest.mark.slow
def test_two_workers_one_killed_one_joining_one_paused(stage: Stage) -> None:
    first, second = stage.start("1"), stage.start("2")
    first.ready()
    second.ready()
    with stage.feeding(10_000, per_s=300, repeats=True):
        time.sleep(2)
        second.kill()
        third = stage.start("3")
        third.ready()
        time.sleep(2)
        first.pause()  # longer than its session: a zombie, when it wakes
        time.sleep(14)
        first.resume()
        time.sleep(3)
        assert third.terminate() == 0
    stage.drained(120)
    verdict = stage.verify()
    assert verdict.faults == []


@pytest.mark.slow
def test_sigterm_under_load(stage: Stage) -> None:
    with stage.feeding(8_000, per_s=800):
        for _ in range(4):
            worker = stage.start()
            worker.ready()
            time.sleep(stage.rng.uniform(0.2, 1.5))
            assert worker.terminate() == 0
    stage.start()
    stage.drained()
    verdict = stage.verify()
    assert verdict.faults == []


@pytest.mark.slow
def test_one_percent_poison(stage: Stage) -> None:
    stage.start().ready()
    stage.feed(3_000, poison=0.01)
    stage.drained()
    verdict = stage.verify()
    assert verdict.faults == []
    assert stage.read("live.deadletter", f"echo-{stage.tag}@")


def test_all_poison_stops_the_worker_and_it_says_so(stage: Stage) -> None:
    stage.feed(1_500, poison=1.0)
    worker = stage.start()
    assert worker.wait() == 3
    assert "were dead letters, the limit is 50%" in worker.log.read_text()
    letters = len(stage.read("live.deadletter", f"echo-{stage.tag}@"))
    assert letters >= 100
    again = stage.start()  # a restart gets further, and stops again
    assert again.wait() == 3
    until(lambda: len(stage.read("live.deadletter", f"echo-{stage.tag}@")) > letters, 10, "more letters after a restart")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_junk_of_any_size_and_much_of_it_stops_no_agent(stage: Stage) -> None:
    """A hundred of a megabyte each are more than the checkpoint of one epoch could hold."""
    stage.feed(100)
    producer = Producer(stage.cluster.producer(linger_ms=5, message_max_bytes=8_000_000))
    for number, size in enumerate([1_000_000, 4_000_000] + [950_000] * 100, 1):
        header = sequence_header("rogue", number)
        producer.produce(stage.sales, b"\xc1" * size, b"room-1", 0, headers=[header])
        producer.poll(0)
    assert producer.flush(60) == 0
    stage.feed(1_000)
    worker = stage.start(poison_share=1.0)  # which of them come within one window is chance
    worker.ready()
    stage.drained(180)
    assert worker.code is None, worker.log.read_text()[-3000:]
    assert stage.verify().faults == []
    assert worker.terminate() == 0
