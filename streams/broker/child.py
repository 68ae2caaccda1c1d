"""Child processes that are ended by process id, never by name, and that leave nothing behind.

A process id alone is no identity: the kernel gives it out again. Here it goes with the time at which the process started and
the boot in which it did, so that a file from an earlier run never ends somebody else's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


class Child:
    """A program that ends with us, whatever kills us.

    Promises: the program is in a session of its own (a Ctrl-C in our terminal does not reach it), the kernel sends it
    ``on_orphan`` when this process dies, and :meth:`stop` ends it and nothing else. The kernel watches the *thread* that
    started the program, so a thread of our own starts it and stays until it has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int = subprocess.DEVNULL,
        errors: IO[bytes] | int = subprocess.STDOUT,
        env: Mapping[str, str] | None = None,
        on_orphan: signal.Signals = signal.SIGKILL,
    ) -> None:
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(on_orphan))]
        self._command = [*leash, *command]
        self._output, self._errors = output, errors
        self._env = env
        self._ended = threading.Event()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        threading.Thread(target=self._keep, name=f"child {command[0]}", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._errors,
                env=None if self._env is None else dict(self._env),
                start_new_session=True,
            )
        except Exception as error:  # the constructor, which waits, raises it
            self._failure = error
            self._ended.set()
            self._started.set()
            return
        self._started.set()
        self._process.wait()
        self._ended.set()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        return self._process.returncode if self._process is not None and self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it has ended within ``timeout`` seconds."""
        return self._ended.wait(timeout)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a program that has ended is left alone."""
        if self.alive and self._process is not None:
            self._process.send_signal(number)

    def stop(self, grace: float = 10.0) -> None:
        """End it: SIGTERM, and SIGKILL when it has not ended after ``grace`` seconds."""
        self.send(signal.SIGTERM)
        if not self.wait(grace):
            self.send(signal.SIGKILL)
            self.wait()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5), field 22); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def write_pid_file(path: Path, pid: int) -> None:
    """Write down which process this is, so that a later run can know it again."""
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"pid": pid, "started": started_at(pid), "boot": _boot()}))
    part.replace(path)


def _read(path: Path) -> tuple[int, int] | None:
    """Process id and start of the process that ``path`` names, if it still runs."""
    try:
        known = json.loads(path.read_text())
        pid, started, boot = int(known["pid"]), int(known["started"]), known["boot"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (pid, started) if boot == _boot() and started_at(pid) == started else None


def read_pid_file(path: Path) -> int | None:
    """The process that ``path`` names, if it still runs; None when it has ended or the file cannot be read."""
    found = _read(path)
    return found[0] if found else None


def end_process(path: Path, grace: float = 10.0) -> bool:
    """End the process that ``path`` names and remove the file; False when it did not run. Nothing else is touched.

    SIGTERM, and SIGKILL when it has not ended after ``grace`` seconds. Returns when it has ended.
    """
    found = _read(path)
    if found is not None:
        pid, started = found
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if _has_ended(pid, started, seconds):
                break
    with contextlib.suppress(OSError):  # on a read-only disk it stays, and names a process that has ended
        path.unlink(missing_ok=True)
    return found is not None


def _has_ended(pid: int, started: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while started_at(pid) == started:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
