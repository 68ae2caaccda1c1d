"""Nothing but poison in a topic: its readers stop within their limit and say so, the others go on, and nothing good is lost.

The way back is the one that the error names: look at the dead letters, correct the writer, start again without a limit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.stack.poison import flooded
from tests.faults.stack.rig import Rig, until
from tests.faults.stack.scenes import SPAN_MS, scene

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(480)]

SEED = 20_263
EVENTS = 8_000
PER_S = 1_500
STOPPED = {"worker": "live.danmaku", "sink": "live.viewers"}
"""Who must stop, and the topic that is poisoned: each has one reader only."""


def test_nothing_but_poison_stops_its_reader_and_nothing_good_is_lost(rig_of: Callable[..., Rig]) -> None:
    rig = rig_of()
    played = scene(SEED, EVENTS, time.time_ns() // 1_000_000 - SPAN_MS)
    half = len(played.sendings) // 2
    told = rig.send(replace(played, sendings=played.sendings[:half]), PER_S)

    with flooded(rig.cluster, SEED, list(STOPPED.values()), per_s=150):
        until(lambda: all(rig.state(name) == "failed" for name in STOPPED), 240, lambda: f"{rig.states()}: given up")

    assert "records were dead letters, the limit is 50%" in rig.log("worker")
    assert "records could not be used; the limit is 50%" in rig.log("sink")
    report = rig.report()
    assert not report["healthy"]
    shown = {process["name"]: process for process in report["processes"]}
    for name in STOPPED:
        assert shown[name]["state"] == "failed", shown[name]
        assert "the limit is 50%" in shown[name]["reason"], shown[name]
    assert {name for name, process in shown.items() if process["health"] != "ok"} == set(STOPPED)

    told.add(rig.send(replace(played, sendings=played.sendings[half:]), PER_S))  # the border stays open meanwhile
    letters = rig.command("deadletters", "list", "--stage", "comprehension", "--json")
    assert {json.loads(line)["topic"] for line in letters.splitlines()} == {"live.danmaku"}

    rig.stack.down()
    rig.set(LIVETIDE_POISON_LIMIT="1")
    rig.up()
    print(f"drained after {rig.drained(120):.1f} s")
    verdict = rig.verify(played, told)
    assert verdict.tallies["dead letters"].expected > 1_000
    assert verdict.faults == []
