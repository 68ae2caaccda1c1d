"""The one-machine stack, installed: seconds from ``up`` to ready, and what it holds and burns at rest.

    python -m benchmarks.up [--rounds 3] [--rest 30]

The first start is on an empty folder (topics and tables are made), the others on the folder that it left. Memory is the
proportional set size of every process of the stack: pages that several share count once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.gauge import cpu_of, own_ports
from livetide.settings import Settings
from livetide.stack import Stack, statuses
from livetide.stack.state import load


def processes(data: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The stack's supervisor and processes, by name."""
    state = load(data)
    assert state is not None
    yield "stack", psutil.Process(state.pid)
    for status in statuses(data):
        if status.pid:
            yield status.name, psutil.Process(status.pid)


def memory(process: psutil.Process, inside: bool) -> int:
    """Bytes of a process, and of those that it started when ``inside``."""
    family = [process, *(process.children(recursive=True) if inside else ())]
    return sum(int(one.memory_full_info().pss) for one in family)


def up(stack: Stack) -> float:
    """Seconds until everything is ready."""
    began = time.monotonic()
    stack.up()
    return time.monotonic() - began


def rest(data: Path, seconds: float) -> dict[str, Any]:
    """What the stack holds after some quiet, and the share of one core that it burns in it."""
    time.sleep(seconds / 2)
    before = {name: cpu_of(process) for name, process in processes(data) if name != "stack"}
    time.sleep(seconds / 2)
    after = {name: cpu_of(process) for name, process in processes(data) if name != "stack"}
    held = {name: memory(process, inside=name != "stack") for name, process in processes(data)}
    burnt = {name: (after[name] - spent) / (seconds / 2) for name, spent in before.items() if name in after}
    return {
        "memory_gb": round(sum(held.values()) / 1e9, 2),
        "memory_mb": {name: round(size / 1e6) for name, size in held.items()},
        "cores_at_rest": round(sum(burnt.values()), 3),
        "cores": {name: round(share, 3) for name, share in burnt.items()},
    }


def measure(rounds: int, rest_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Settings.model_validate({"data": Path(folder), **own_ports()}))
        try:
            seconds = []
            for number in range(rounds):
                if number:
                    stack.down()
                seconds.append(round(up(stack), 2))
                print(f"up after {seconds[-1]} s", file=sys.stderr)
            return {"first_s": seconds[0], "again_s": seconds[1:], **rest(stack.data, rest_s)}
        finally:
            stack.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rest", type=float, default=30, help="seconds of quiet before it is measured at rest")
    given = parser.parse_args()
    print(json.dumps(measure(given.rounds, given.rest), indent=1))


if __name__ == "__main__":
    main()
