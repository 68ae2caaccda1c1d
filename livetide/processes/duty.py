"""What every plain process has in common: a stop event, a meter, a health server, and threads that end together."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Protocol

from livetide.health import Check, HealthServer, fine
from livetide.metrics import PrometheusMeter
from livetide.settings import Settings, load_secrets

log = logging.getLogger(__name__)


def clock() -> int:
    """The wall clock in epoch ms."""
    return time.time_ns() // 1_000_000


@dataclass
class Duty:
    """A process at work. ``stop`` is set by SIGTERM, SIGINT or the failure of one of its threads."""

    meter: PrometheusMeter
    secrets: dict[str, str]
    stop: Event = field(default_factory=Event)
    failure: BaseException | None = None

    def run(self, loops: Sequence[Callable[[Event], None]]) -> None:
        """Run every loop in a thread of its own until the stop; the first failure stops all and is raised here."""
        threads = [Thread(target=self._guard, args=(loop,), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        self.stop.wait()
        for thread in threads:
            thread.join(10)
        if self.failure:
            raise self.failure

    def _guard(self, loop: Callable[[Event], None]) -> None:
        try:
            loop(self.stop)
        except BaseException as error:
            log.exception("a loop of this process failed")
            self.failure = self.failure or error
        finally:
            self.stop.set()


class Watched(Protocol):
    def alive(self) -> str | None: ...


def all_alive(watched: Iterable[Watched]) -> Check:
    """The liveness of a process that is well while each of these is; some may join later."""
    return lambda: next((reason for one in watched if (reason := one.alive())), None)


@contextmanager
def on_duty(settings: Settings, ready: Check = fine, alive: Check = fine) -> Iterator[Duty]:
    """Signals, meter and health server for the time of the block. ``alive`` is asked by whoever restarts what hangs."""
    duty = Duty(PrometheusMeter(), load_secrets(settings.data))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: duty.stop.set())
    health = HealthServer(settings.host, settings.health_port, duty.secrets["operator_key"], duty.meter, ready, alive)
    health.start()
    try:
        yield duty
    finally:
        health.stop()
