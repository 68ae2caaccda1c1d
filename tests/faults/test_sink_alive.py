"""A sink that hangs is told from one that waits: for a store that is away, it would wait in its next life, too."""

from __future__ import annotations

import threading
import time

import pytest

from storage.sink import STALL_S
from tests.faults.support.sinkworld import SinkThread, World, module_store, own_broker, world
from tests.storage.support import until

__all__ = ["module_store", "own_broker", "world"]
pytestmark = [pytest.mark.kafka, pytest.mark.store]


def test_a_turn_that_hangs_is_not_alive(world: World) -> None:
    hang, hangs, go_on, at = threading.Event(), threading.Event(), threading.Event(), [0.0]

    def clock() -> int:
        if hang.is_set():
            hangs.set()
            go_on.wait(60)
        return time.time_ns() // 1_000_000

    with SinkThread(world, clock=clock, now=lambda: at[0]) as running:
        until(lambda: running.sink.ready() is None)
        at[0] += STALL_S + 1
        until(lambda: running.sink.alive() is None)  # the next turn beats
        hang.set()
        assert hangs.wait(60)
        assert running.sink.alive() is None
        at[0] += STALL_S + 1
        assert running.sink.alive() == "the sink's turn has not come back for 301 s"
        hang.clear()
        go_on.set()
        until(lambda: running.sink.alive() is None)
    at[0] += 2 * STALL_S
    assert running.sink.alive() is None, "it has ended, and was not hung"


def test_one_that_waits_for_a_store_that_is_away_is_alive(world: World) -> None:
    at = [0.0]
    with SinkThread(world, store="clickhouse://live:x@127.0.0.1:1/live", now=lambda: at[0]) as running:
        until(lambda: "does not answer" in str(running.sink.ready()))
        for _ in range(3):
            at[0] += STALL_S + 1
            until(lambda: running.sink.alive() is None)
