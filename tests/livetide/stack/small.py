"""Small real programs for the supervisor, and a stack of them that can be started as ``python small.py --detach``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from livetide.settings import Settings
from livetide.stack.daemon import detach, serve
from livetide.stack.supervisor import Policy, Probe, Spec, always

QUICK = Policy(first_pause=0.01, most_restarts=3, ready_every=0.02, alive_every=0.05, failures=2)

PROGRAM = """
import os, signal, sys, time
diary, name = sys.argv[1:3]
def note(what):
    with open(diary, "a") as file:
        file.write(f"{name} {what}\\n")
def end(*_):
    note("ends")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
note("starts")
print(f"{name} says hello", flush=True)
while True:
    time.sleep(0.02)
    if os.path.exists(diary + "." + name + ".fail"):
        note("fails")
        sys.exit(7)
"""


def runner(diary: Path, name: str, ready: Probe = always, **more: Any) -> Spec:
    """A program that notes its start (then it is ready) and end in a diary, and fails when a file asks it to."""

    def started() -> str | None:
        noted = diary.exists() and f"{name} starts\n" in diary.read_text()
        return ready() if noted else "it has noted nothing"

    return Spec(name, (sys.executable, "-I", "-c", PROGRAM, str(diary), name), dict(os.environ), ready=started, **more)


def table(settings: Settings, ports: dict[str, str], key: str) -> list[Spec]:
    diary, failing = settings.data / "diary", settings.data / "diary.gateway.fail"
    ready = lambda: "it is going to fail" if failing.exists() else None
    return [runner(diary, "kafka"), runner(diary, "gateway", after=("kafka",), ready=ready)]


def main() -> None:
    settings = Settings()
    ports = json.loads(os.environ.pop("LIVETIDE_STACK_PORTS"))
    if detach(settings.data / "logs" / "stack.log"):
        serve(settings, ports, time.time_ns() // 1_000_000, specs=table, policy=QUICK)


if __name__ == "__main__":
    main()
