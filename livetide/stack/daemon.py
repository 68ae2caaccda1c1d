"""The supervisor as a process of its own, started by ``livetide up`` and ended by ``livetide down``.

SIGTERM ends the stack, SIGHUP tries again what was given up. Its health port answers for the stack as a whole.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from livetide import logs
from livetide.health import HealthServer
from livetide.metrics import PrometheusMeter
from livetide.settings import Settings, load_secrets
from livetide.stack import state, table
from livetide.stack.supervisor import Policy, Spec, Status, Supervisor
from streams.broker.child import write_pid_file
from streams.records import RetryError

log = logging.getLogger(__name__)
Table = Callable[[Settings, dict[str, str], str], list[Spec]]


def detach(output: Path) -> bool:
    """Leave the terminal and the starter behind (setsid between two forks); output goes to ``output``. True in the daemon."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    with output.open("ab") as file, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return True


def serve(
    settings: Settings, ports: dict[str, str], started_ms: int, *, specs: Table = table.specs, policy: Policy | None = None
) -> None:
    """Run the stack until SIGTERM or SIGINT."""
    data = settings.data
    for folder in (data, data / "run", data / "logs"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(state.lock_file(data)):
        secrets = load_secrets(data)
        logs.set_up(settings.log_level, secrets.values())
        processes = specs(settings, ports, secrets["operator_key"])
        meter, told = PrometheusMeter(), Counter[str]()

        def changed(statuses: list[Status]) -> None:
            for status in statuses:
                if new := status.restarts - told[status.name]:
                    meter.count("restarts", new, process=status.name)
                told[status.name] = status.restarts
            state.write_statuses(data, statuses)  # last: a full disk refuses it

        supervisor = Supervisor(processes, data / "logs", data / "run", policy=policy, on_change=changed)
        port = int(ports["LIVETIDE_HEALTH_PORT.stack"])
        health = HealthServer(settings.host, port, secrets["operator_key"], meter, lambda: unready(supervisor))
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signal.signal(signal.SIGHUP, lambda *_: supervisor.retry())
        state.write_state(data, table.state_of(settings, ports, started_ms))
        write_pid_file(state.pid_file(data), os.getpid())  # before anything is started: without it nobody finds the stack
        health.start()
        supervisor.start()
        log.info("the stack starts: %s", ", ".join(spec.name for spec in processes))
        try:
            stop.wait()
        finally:
            log.info("the stack stops")
            supervisor.stop()
            health.stop()
            state.pid_file(data).unlink(missing_ok=True)
            log.info("the stack has stopped")


def unready(supervisor: Supervisor) -> str | None:
    """Who is not ready, and why: the readiness of the whole stack."""
    late = [f"{s.name}: {s.reason or s.state}" for s in supervisor.statuses() if s.state not in ("ready", "done")]
    return "; ".join(late) or None


@contextmanager
def _alone(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        for patience in (0.1, 0.1, 0.1, None):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if patience is None:
                    raise RetryError(f"another supervisor holds {path}: `livetide down` ends it") from error
                time.sleep(patience)  # who only looks whether one lives holds it for a moment
        yield file
