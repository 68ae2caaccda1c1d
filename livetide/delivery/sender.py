"""The loop behind a channel: what waits in its outbox goes out, each alert at its own pace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event

from livetide.delivery.outbox import Outbox, Waiting
from streams.records import Alert, InvalidError, RetryError
from streams.subscriber_pulse import Pulse

log = logging.getLogger(__name__)

AT_ONCE = 8
BACKOFF_MS = (500, 30_000)
IDLE_S = 0.25
STALL_S = 60.0


class Sender:
    """Delivers what waits in ``outbox`` by ``send``; what is refused for good goes to ``bury`` with the reason.

    ``AT_ONCE`` alerts are on their way at a time, and the next one goes as soon as one of them is through: one that takes long
    holds up no other. ``stall_s`` is how long an attempt may take before :meth:`alive` calls it hung.
    """

    def __init__(
        self,
        outbox: Outbox,
        send: Callable[[Alert], None],
        bury: Callable[[Waiting, str], None],
        clock: Callable[[], int],
        *,
        stall_s: float = STALL_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._bury = bury
        self._clock = clock
        self._new_pulse: Callable[[], Pulse] = lambda: Pulse("sender", now, stall_s)
        self._loop = self._new_pulse()
        self._attempts: dict[str, Pulse] = {}
        self._stop = Event()

    def alive(self) -> str | None:
        """None, or why this process should be started anew: an attempt that hangs, or the loop does. From any thread."""
        return next((reason for pulse in (self._loop, *list(self._attempts.values())) if (reason := pulse.alive())), None)

    def run(self, stop: Event) -> None:
        """Blocks until ``stop``. What is not delivered then waits in the outbox for the next start."""
        self._stop = stop
        under_way: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not stop.is_set():
                self._loop.beat()
                for identity in [identity for identity, future in under_way.items() if future.done()]:
                    under_way.pop(identity).result()
                due = self._outbox.due(self._clock(), 2 * AT_ONCE)  # those under way are among them
                next_ones = [one for one in due if one.alert.id not in under_way][: AT_ONCE - len(under_way)]
                for one in next_ones:
                    under_way[one.alert.id] = pool.submit(self.deliver, one)
                if len(under_way) == AT_ONCE:
                    wait(under_way.values(), IDLE_S, FIRST_COMPLETED)
                elif not next_ones:
                    self._outbox.wait(IDLE_S)
        self._loop.rest()

    def deliver(self, one: Waiting) -> None:
        """One attempt at one alert."""
        pulse = self._attempts[one.alert.id] = self._new_pulse()
        pulse.beat(f"the delivery of {one.alert.id}")
        try:
            self._attempt(one, pulse)
        finally:
            del self._attempts[one.alert.id]

    def _attempt(self, one: Waiting, pulse: Pulse) -> None:
        try:
            try:
                self._send(one.alert)
            except InvalidError as error:
                self._bury(one, str(error))
        except RetryError as error:
            pause = min(BACKOFF_MS[0] << min(one.tries, 10), BACKOFF_MS[1])
            log.warning("%s (in %.1f s)", error, pause / 1000)
            self._noted(lambda: self._outbox.later(one, self._clock() + pause), pulse)
        else:
            self._noted(lambda: self._outbox.done(one), pulse)

    def _noted(self, change: Callable[[], None], pulse: Pulse) -> None:
        """Change the outbox, as soon as its disk lets us. When the stop comes first, the alert is sent again."""
        while True:
            pulse.beat("the outbox")
            try:
                change()
            except RetryError as error:
                log.warning("%s", error)
                if self._stop.wait(BACKOFF_MS[0] / 1000):
                    return
            else:
                return
