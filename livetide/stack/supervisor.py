"""The supervisor: starts programs in order, watches them, starts them again, and ends them.

One thread a program, so that what happens to one reads from top to bottom (:meth:`Supervisor._tend`). A program is started when
all that it comes after are ready, and counted as failing only while they are (they are asked again then: a broker may hang and
not end): whoever dies because Kafka is away is no culprit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import msgspec

from livetide.stack.notes import Notes
from livetide.stack.rotation import rotate
from streams.broker.child import Child, end_process, write_pid_file

log = logging.getLogger(__name__)

Probe = Callable[[], str | None]
"""None when all is well, else the reason in words. May raise: that is a reason too."""
State = Literal["waiting", "starting", "ready", "pausing", "failed", "stopped", "done"]


def always() -> None:
    """The probe of a program that is well as long as it runs."""


@dataclass(frozen=True)
class Spec:
    """One program: how it is started, what must be ready before, and how it is asked whether it is well.

    A ``once`` program is ready when it has ended with exit code 0. ``grace`` is how long it may take to end.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    ready: Probe = always
    alive: Probe = always
    once: bool = False
    grace: float = 10.0
    start_timeout: float = 90.0


@dataclass(frozen=True)
class Policy:
    """How patient the supervisor is, in seconds. The pause before a restart doubles with each restart ``within`` a time.

    ``most_false_starts`` in a row without ever having been ready is a fault that waiting does not heal.
    """

    first_pause: float = 0.1
    longest_pause: float = 30.0
    most_restarts: int = 8
    most_false_starts: int = 4
    within: float = 300.0
    ready_every: float = 0.1
    alive_every: float = 5.0
    failures: int = 4


class Status(msgspec.Struct, kw_only=True):
    """Where a program stands. ``since`` in epoch seconds; ``reason`` is why it last ended or is not ready."""

    name: str
    state: State = "waiting"
    pid: int | None = None
    since: float = 0.0
    restarts: int = 0
    reason: str = ""


class Supervisor:
    """Keeps programs running. ``start`` returns at once; ``stop`` ends all that was started, last ones first, and nothing else.

    A program that failed more than ``policy.most_restarts`` times is given up (state ``failed``, an error in the log) until
    :meth:`retry`; the others go on. Output goes to ``logs/NAME.log`` (rotated), process ids to ``run/NAME.pid``, so that what a
    killed supervisor left behind is ended before its successor is started. What of this a disk refuses (it is full, say) waits
    until it can be written; the programs are tended all the same.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        logs: Path,
        run: Path,
        *,
        policy: Policy | None = None,
        on_change: Callable[[list[Status]], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        for spec in specs:
            if unknown := set(spec.after) - set(self.specs):
                raise ValueError(f"{spec.name} comes after {', '.join(sorted(unknown))}, which is not in the table")
        self._layers = _layers(specs)
        self._logs, self._run = logs, run
        self._policy = policy or Policy()
        self._on_change = on_change
        self._clock = clock
        self._status = {spec.name: Status(name=spec.name, since=clock()) for spec in specs}
        self._children: dict[str, Child] = {}
        self._ready = {spec.name: threading.Event() for spec in specs}
        self._retry = {spec.name: threading.Event() for spec in specs}
        self._proven: set[str] = set()  # who has been ready once
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._notes = Notes(self._lock)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to start the programs."""
        for folder in (self._logs, self._run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._publish()
        for spec in self.specs.values():
            thread = threading.Thread(target=self._tend, args=(spec,), name=f"tend {spec.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End every program, dependants before what they depend on, and return when the last has ended."""
        with self._lock:
            self._stopping.set()
        for layer in reversed(self._layers):
            children = [(self.specs[name], self._children[name]) for name in layer if name in self._children]
            if children:
                with ThreadPoolExecutor(len(children)) as pool:
                    list(pool.map(lambda pair: pair[1].stop(pair[0].grace), children))
        for thread in self._threads:
            thread.join()

    def retry(self) -> None:
        """Try again what was given up."""
        for event in self._retry.values():
            event.set()

    def statuses(self) -> list[Status]:
        with self._lock:
            return [msgspec.structs.replace(status) for status in self._status.values()]

    def _set(
        self, name: str, state: State, *, reason: str | None = None, pid: int | None = None, restarted: bool = False
    ) -> None:
        with self._lock:
            known = self._status[name]
            known.state, known.since, known.pid = state, self._clock(), pid
            known.restarts += restarted
            if reason is not None:
                known.reason = reason
            if state in ("ready", "done"):
                self._ready[name].set()
            else:
                self._ready[name].clear()
            self._publish()

    def _publish(self) -> None:
        self._notes.write("how the programs stand", lambda: self._on_change(self.statuses()))

    def _tend(self, spec: Spec) -> None:
        ends: deque[float] = deque()
        false_starts = 0
        innocent = False
        while self._wait_for(spec.after, well=innocent):
            reason = self._guarded(spec)
            self._notes.forget(self._pid_file(spec).name)
            with contextlib.suppress(OSError):  # what stays names a process that has ended, and is known for it
                self._pid_file(spec).unlink(missing_ok=True)
            if reason is None or self._stopping.is_set():
                break
            innocent = not all(self._well(name) for name in spec.after)
            if not innocent:
                ends.append(time.monotonic())
                false_starts = 0 if spec.name in self._proven else false_starts + 1
            while ends and ends[0] < time.monotonic() - self._policy.within:
                ends.popleft()
            if len(ends) > self._policy.most_restarts or false_starts > self._policy.most_false_starts:
                self._give_up(spec, len(ends), reason)
                ends.clear()
                false_starts = 0
            else:
                log.warning("%s %s; starting it again", spec.name, reason)
                self._set(spec.name, "pausing", reason=reason, restarted=True)
                self._stopping.wait(min(self._policy.first_pause * 2 ** max(len(ends) - 1, 0), self._policy.longest_pause))
        if self._stopping.is_set():
            self._set(spec.name, "stopped")

    def _wait_for(self, names: Iterable[str], *, well: bool) -> bool:
        """Wait until all of ``names`` are ready at once (``well``: and say so when asked); False when it is time to stop."""
        names = list(names)
        while not self._stopping.is_set():
            if all(self._ready[name].is_set() for name in names):
                if not well or all(self._well(name) for name in names):
                    return True
                self._stopping.wait(5 * self._policy.ready_every)
            self._stopping.wait(0.05)
        return False

    def _well(self, name: str) -> bool:
        spec = self.specs[name]
        return self._ready[name].is_set() and (spec.once or _ask(spec.ready) is None)

    def _give_up(self, spec: Spec, times: int, reason: str) -> None:
        log.error(
            "%s failed %d times within %.0f s and is given up (%s). Its log: %s. `livetide up` tries again.",
            spec.name, times, self._policy.within, reason, self._log(spec),
        )  # fmt: skip
        self._retry[spec.name].clear()
        self._set(spec.name, "failed", reason=reason)
        while not self._stopping.is_set() and not self._retry[spec.name].wait(0.1):
            pass
        self._set(spec.name, "waiting")

    def _guarded(self, spec: Spec) -> str | None:
        """:meth:`_live`, whose own failures count as the program's: the thread that tends it must not end before it."""
        try:
            return self._live(spec)
        except Exception as error:
            log.exception("%s cannot be tended", spec.name)
            if child := self._children.get(spec.name):
                child.stop(spec.grace)
            return f"could not be tended ({type(error).__name__}: {error})"

    def _live(self, spec: Spec) -> str | None:
        """One life of a program: why it ended, or None when a ``once`` program has done its work (or all is to stop)."""
        child = self._spawn(spec)
        if child is None:
            return None
        self._set(spec.name, "starting", pid=child.pid)
        reason = self._until_ready(spec, child)
        if spec.once and child.exit_code == 0:
            self._set(spec.name, "done", reason="")
            return None
        if reason is not None:
            return reason
        self._proven.add(spec.name)
        self._set(spec.name, "ready", reason="", pid=child.pid)
        reason = self._until_end(spec, child)
        self._ready[spec.name].clear()
        return reason

    def _spawn(self, spec: Spec) -> Child | None:
        pid_file = self._pid_file(spec)
        if end_process(pid_file, spec.grace):
            log.warning("ended a %s that an earlier supervisor left behind", spec.name)
        self._keep_house(spec)
        with self._lock, self._output(spec) as output:
            if self._stopping.is_set():
                return None
            child = Child(spec.command, env=spec.environment, output=output, on_orphan=signal.SIGTERM)
            self._children[spec.name] = child
        self._notes.write(pid_file.name, lambda: write_pid_file(pid_file, child.pid))
        return child

    def _log(self, spec: Spec) -> Path:
        return self._logs / f"{spec.name}.log"

    def _pid_file(self, spec: Spec) -> Path:
        return self._run / f"{spec.name}.pid"

    def _output(self, spec: Spec) -> IO[bytes]:
        try:
            return self._log(spec).open("ab")
        except OSError as error:
            log.warning("%s has no log: %s", spec.name, error)
            return open(os.devnull, "ab")

    def _keep_house(self, spec: Spec) -> None:
        self._notes.write(f"rotation of {spec.name}.log", lambda: rotate(self._log(spec)))
        self._notes.again()

    def _until_ready(self, spec: Spec, child: Child) -> str | None:
        deadline = time.monotonic() + spec.start_timeout
        pause = self._policy.ready_every
        while not child.wait(pause):
            pause = min(pause * 1.1, 1.0)  # who takes long need not be asked as often
            self._keep_house(spec)
            reason = "it still works" if spec.once else _ask(spec.ready)
            if reason is None:
                return None
            if time.monotonic() > deadline:
                child.stop(spec.grace)
                return f"was not ready after {spec.start_timeout:.0f} s ({reason})"
            with self._lock:
                self._status[spec.name].reason = reason
        return f"{_ending(child)} before it was ready"

    def _until_end(self, spec: Spec, child: Child) -> str:
        failures = 0
        while not child.wait(self._policy.alive_every):
            self._keep_house(spec)
            reason = _ask(spec.alive)
            failures = failures + 1 if reason else 0
            if failures >= self._policy.failures:
                child.stop(spec.grace)
                return f"did not live ({reason}; asked {failures} times)"
        return _ending(child)


def _ask(probe: Probe) -> str | None:
    try:
        return probe()
    except Exception as error:  # a probe that fails is an answer: not well
        return f"{type(error).__name__}: {error}"


def _ending(child: Child) -> str:
    code = child.exit_code
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _layers(specs: Sequence[Spec]) -> list[list[str]]:
    """Names in layers: each comes after earlier layers only. Raises ``ValueError`` for a circle."""
    left, layers, done = list(specs), [], set[str]()
    while left:
        layer = [spec.name for spec in left if done.issuperset(spec.after)]
        if not layer:
            raise ValueError(f"a circle of dependencies among {', '.join(spec.name for spec in left)}")
        layers.append(layer)
        done.update(layer)
        left = [spec for spec in left if spec.name not in done]
    return layers
