"""The loop behind a channel: what waits in its outbox goes out, each alert at its own pace."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from livetide.delivery.outbox import Outbox, Waiting
from streams.records import Alert, InvalidError, RetryError

log = logging.getLogger(__name__)

AT_ONCE = 8
BACKOFF_MS = (500, 30_000)
IDLE_S = 0.25


class Sender:
    """Delivers what waits in ``outbox`` by ``send``; what is refused for good goes to ``bury`` with the reason."""

    def __init__(
        self, outbox: Outbox, send: Callable[[Alert], None], bury: Callable[[Waiting, str], None], clock: Callable[[], int]
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._bury = bury
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Blocks until ``stop``. What is not delivered then waits in the outbox for the next start."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not stop.is_set():
                if waiting := self._outbox.due(self._clock(), AT_ONCE):
                    list(pool.map(self.deliver, waiting))
                else:
                    self._outbox.wait(IDLE_S)

    def deliver(self, one: Waiting) -> None:
        """One attempt at one alert."""
        try:
            self._send(one.alert)
        except RetryError as error:
            pause = min(BACKOFF_MS[0] << min(one.tries, 10), BACKOFF_MS[1])
            log.warning("%s (in %.1f s)", error, pause / 1000)
            self._outbox.later(one, self._clock() + pause)
            return
        except InvalidError as error:
            self._bury(one, str(error))
        self._outbox.done(one)
