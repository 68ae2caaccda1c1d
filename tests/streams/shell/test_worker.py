"""A worker waits for Kafka at its start, and shares one budget; what it does on a real broker is tested in ``tests/faults``."""

from __future__ import annotations

import threading

from streams.kafka import Cluster
from streams.records import RetryError
from streams.shell.agent import Agent
from streams.shell.budget import Budget
from streams.shell.shell import Shell
from streams.shell.wire import Reader
from streams.worker import wait_for_kafka
from tests.streams.shell.operators import DIRECT, OUTBOX
from tests.streams.shell.simlog import NullMeter


def test_it_waits_for_kafka_until_it_answers_or_the_stop_comes() -> None:
    waits: list[str] = []
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        if len(asked) < 3:
            raise RetryError("Kafka does not answer")

    assert wait_for_kafka(ask, threading.Event(), waits.append, pause_s=0.01)
    assert waits == ["waits for Kafka: Kafka does not answer"] * 2
    stop = threading.Event()
    stop.set()
    assert not wait_for_kafka(ask, stop, waits.append)


async def test_agents_of_one_process_share_a_budget_and_the_small_one_is_due_first() -> None:
    at = 0.0
    budget = Budget(1_000, lambda: at)
    cluster = Cluster("127.0.0.1:1")
    reader = Reader(cluster)

    def shell(agent: Agent) -> Shell:
        return Shell(
            agent, cluster, reader, instance="", meter=NullMeter(), clock=lambda: 0, failed=lambda _: None, budget=budget
        )

    large, small = shell(DIRECT), shell(OUTBOX)
    budget.spent((DIRECT.name, 0), 10_000)
    budget.spent((OUTBOX.name, 0), 500)
    assert not large._due(0, now=1e9)
    assert not small._due(0, now=1e9)
    at = 1.0
    assert small._due(0, now=1e9)
    assert not large._due(0, now=1e9)
    at = 10.5
    assert large._due(0, now=1e9)
    await reader.stop()
