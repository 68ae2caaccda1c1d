"""The one-machine stack: started, watched and ended as one.

``load(data)`` tells other commands where a running stack is; ``connected(settings)`` gives settings that reach it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from livetide import addresses
from livetide.settings import Settings, load_secrets
from livetide.stack import table
from livetide.stack.places import choose, environment_of, fingerprints
from livetide.stack.rotation import last_line
from livetide.stack.state import StackState, connected, lives, load, pid_file, remembered, statuses
from livetide.stack.supervisor import Status
from streams.broker.child import end_process
from streams.broker.ports import Claims
from streams.records import RetryError

__all__ = ["Stack", "StackState", "Status", "connected", "load", "statuses"]

Watch = Callable[[list[Status]], None]


class Stack:
    """The stack of one data folder. ``program`` is what runs the supervisor (tests give their own)."""

    def __init__(self, settings: Settings, program: Sequence[str] = (sys.executable, "-m", "livetide.stack")) -> None:
        self.settings = settings.model_copy(update={"data": settings.data.absolute()})
        self.data = self.settings.data
        self._program = list(program)

    def state(self) -> StackState | None:
        """The running stack, or None."""
        return load(self.data)

    def up(self, watch: Watch = lambda _: None, timeout: float = 180.0) -> StackState:
        """Start the stack unless it runs, and wait until every process is ready; ``watch`` is told how they stand.

        Harmless when it is up; what was given up is tried again. Raises :class:`RetryError` for a taken port, and when a
        process fails: with its reason and its log, while the others go on.
        """
        for folder in (self.data, self.data / "run", self.data / "logs"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.data / "run" / "up.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second waits, then finds it up
            running = self.state()
            if running is not None:
                self._try_again(running.pid)
            else:
                self._start()
            return self._wait(watch, time.monotonic() + timeout)

    def changed(self) -> list[str]:
        """The settings whose values are others than those that the running stack was started with."""
        try:
            began: dict[str, str] = json.loads(self._given.read_text())
        except (OSError, ValueError):
            return []
        now = fingerprints(self.settings, load_secrets(self.data)["operator_key"])
        return sorted(name for name in began.keys() | now.keys() if began.get(name) != now.get(name))

    @property
    def _given(self) -> Path:
        return self.data / "given.json"

    def down(self, timeout: float = 60.0) -> bool:
        """End the stack and all that it started, also what a killed supervisor left behind; False when nothing ran."""
        ran = end_process(pid_file(self.data), timeout)
        for path in sorted((self.data / "run").glob("*.pid")):
            ran = end_process(path) or ran
        return ran

    def _start(self) -> None:
        self.down()  # what a killed supervisor left behind
        (self.data / "run" / "state.json").unlink(missing_ok=True)
        secrets = load_secrets(self.data)
        self._given.write_text(json.dumps(fingerprints(self.settings, secrets["operator_key"])))
        addresses.check(self.settings)
        last = remembered(self.data)
        with Claims((self.settings.host, self.settings.store_host)) as claims:
            names = table.placed_names(self.settings)
            ports = choose(self.settings, names, last.environment if last else None, claims.take)
            self._launch(ports, claims)

    def _launch(self, ports: dict[str, str], claims: Claims) -> None:
        """Start the supervisor. It holds the claims, open and untouched, as long as it lives."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
        environment |= environment_of(self.settings) | {name: port for name, port in ports.items() if "." not in name}
        environment |= {"LIVETIDE_DATA": str(self.data), "LIVETIDE_STACK_PORTS": json.dumps(ports)}
        done = subprocess.run(
            [*self._program, "--detach"], env=environment, pass_fds=claims.filenos(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RetryError(f"the supervisor did not start: {(done.stderr or done.stdout).strip()[-400:]}")

    def _try_again(self, pid: int) -> None:
        """Ask a running supervisor to try again what it gave up, and wait until it has begun."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
        until = time.monotonic() + 5
        while time.monotonic() < until and any(status.state == "failed" for status in statuses(self.data)):
            time.sleep(0.05)

    def _why(self, status: Status) -> str:
        path = self.data / "logs" / f"{status.name}.log"
        return f"{status.name} {status.reason}: {last_line(path)[-300:]} (log: {path})"

    def _wait(self, watch: Watch, deadline: float) -> StackState:
        seen = ""
        appears = min(deadline, time.monotonic() + 20)
        while time.monotonic() < deadline:
            found = statuses(self.data)
            if found and str(found) != seen:
                seen = str(found)
                watch(found)
            if failed := [status for status in found if status.state == "failed"]:
                raise RetryError("; ".join(self._why(status) for status in failed) + "; the other processes go on")
            state = self.state()
            if state and found and all(status.state in ("ready", "done") for status in found):
                return state
            if not (state and found) and time.monotonic() > appears and (state or not lives(self.data)):
                what = "cannot write down how the processes stand (is the disk full?)" if state else "ended"
                raise RetryError(f"the supervisor {what}; its log: {self.data / 'logs' / 'stack.log'}")
            time.sleep(0.05)
        late = ", ".join(f"{s.name} ({s.reason or s.state})" for s in statuses(self.data) if s.state not in ("ready", "done"))
        raise RetryError(f"not ready in time: {late}; the logs are in {self.data / 'logs'}")
