"""Members of groups come and go under load: of two workers one is killed, a third joins by hand and is killed, too; the sink is
thrown out of its group by one of the same name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.rows import TABLE_OF
from tests.faults.stack.rig import Rig, until
from tests.faults.stack.scenes import SPAN_MS, scene

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20_262
EVENTS = 30_000
PER_S = 1_200


def owned(log: str) -> int:
    """How many partitions a worker's log says it was given, over all agents and generations."""
    return sum(len(re.findall(r"\d+", found)) for found in re.findall(r"generation \d+, partitions \[([\d, ]*)\]", log))


def test_two_workers_one_killed_one_joining(rig_of: Callable[..., Rig], tmp_path: Path) -> None:
    rig = rig_of(LIVETIDE_WORKERS="2")
    played = scene(SEED, EVENTS, time.time_ns() // 1_000_000 - SPAN_MS)
    failures: list[BaseException] = []

    def upset() -> None:
        time.sleep(2)
        rig.fence("livetide-sink", "sink-1", list(TABLE_OF))
        rig.kill("worker-2")
        rig.join("3")
        until(lambda: owned(rig.log("joined-3")) > 0, 60, "the third worker has partitions")
        time.sleep(4)
        rig.kill("worker")
        time.sleep(2)
        rig.leave("3")

    def guarded() -> None:
        try:
            upset()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    told = rig.send(played, PER_S)
    thread.join(120)
    assert not failures, failures
    rig.ready()
    print(f"drained after {rig.drained(120):.1f} s")
    verdict = rig.verify(played, told)
    assert rig.restarts("sink") >= 1
    assert "fenced by other consumer" in rig.log("sink")
    assert all(owned(rig.log(name)) for name in ("worker", "worker-2", "joined-3")), "somebody never had a partition"
    assert verdict.notes["records said again after a crash"] > 0, "no kill made anybody say anything again"
    assert verdict.faults == []
