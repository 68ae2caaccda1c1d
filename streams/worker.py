"""The worker: agents in one process, each a Faust app, started from our own loop. No command line of Faust, no web port.

    Worker(agents, cluster, instance="1", meter=meter, clock=clock).run(stop)

Several agents share the process, its loop and its reader, and nothing else: each has its own group, state and producer, so they
can be split over processes or joined in one without changing anything that is kept.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

import uvloop
from aiokafka.errors import KafkaError

from streams.admin import require_topics
from streams.faust_private import Limits, check_versions
from streams.kafka import Cluster
from streams.records import Meter, RetryError
from streams.shell.agent import Agent
from streams.shell.budget import Budget
from streams.shell.poison import PoisonLimit
from streams.shell.shell import Pace, Shell
from streams.shell.wire import Reader

log = logging.getLogger(__name__)

PAUSE_S = 1.0


class Worker:
    """Runs agents until told to stop, or until one of them fails: then everything stops, and the failure is raised."""

    def __init__(
        self,
        agents: Sequence[Agent],
        cluster: Cluster,
        *,
        instance: str = "",
        meter: Meter,
        clock: Callable[[], int],
        pace: Pace = Pace(),
        poison_window: int = 200,
        poison_share: float = 0.5,
        limits: Limits = Limits(),
    ) -> None:
        check_versions()
        self._agents, self._cluster, self._instance = agents, cluster, instance
        self._meter, self._clock, self._pace, self._limits = meter, clock, pace, limits
        self._poison = poison_window, poison_share
        self._shells: list[Shell] = []
        self._reason = "starting"

    def run(self, stop: threading.Event, prepare: Callable[[], object] = lambda: None) -> None:
        """Blocks. Waits for Kafka as long as it takes; ``prepare`` is called once it answers (and may make topics).

        Returns after a clean stop; raises what made an agent fail, at once and with nothing tidied up, so that nothing more is
        committed. Afterwards leave the process by ``os._exit``: Faust's threads are no daemons and may hang on a broker that is
        away.
        """
        for chatty in ("aiokafka", "faust", "mode", "streams.faust_private"):  # aiokafka's debug calls alone cost 8 %
            logging.getLogger(chatty).setLevel(logging.WARNING)
        for ask in (prepare, lambda: require_topics(self._cluster, self._agents)):
            if not wait_for_kafka(ask, stop, self._waits):
                return
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._main(stop))

    async def _main(self, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def failed(error: BaseException) -> None:
            if not over.done():
                over.set_exception(error)

        if (reader := await self._reader(stop)) is None:
            return
        budget = Budget(self._pace.bytes_per_s, time.monotonic)
        self._shells = [
            Shell(
                agent, self._cluster, reader, instance=self._instance, meter=self._meter, clock=self._clock, failed=failed,
                pace=self._pace, budget=budget, poison=PoisonLimit(*self._poison), limits=self._limits,
            )
            for agent in self._agents
        ]  # fmt: skip
        stopper = loop.run_in_executor(None, _wait, stop, over)
        await asyncio.gather(*(shell.start() for shell in self._shells))
        await asyncio.wait({over, stopper}, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            over.result()  # raises: leave at once, so that nothing more is committed
        await asyncio.gather(*(shell.stop() for shell in self._shells))
        over.cancel()

    async def _reader(self, stop: threading.Event) -> Reader | None:
        """The reader, as soon as Kafka lets it in; None when the stop came first."""
        while not stop.is_set():
            reader = Reader(self._cluster)
            try:
                await reader.start()
            except KafkaError as error:
                await reader.stop()
                self._waits(f"waits for Kafka: {error!r}")
                await asyncio.sleep(PAUSE_S)
            else:
                return reader
        return None

    def _waits(self, reason: str) -> None:
        self._reason = reason

    def alive(self) -> str | None:
        """None, or why this process should be started anew. From any thread."""
        return next((reason for shell in self._shells if (reason := shell.progress.alive())), None)

    def ready(self) -> str | None:
        """None, or what is missing. From any thread."""
        if not self._shells:
            return self._reason
        return next((reason for shell in self._shells if (reason := shell.progress.ready())), None)


def wait_for_kafka(
    ask: Callable[[], object], stop: threading.Event, waits: Callable[[str], None], pause_s: float = PAUSE_S
) -> bool:
    """Ask until Kafka answers, since a worker that ended for want of it would only be started again; False when ``stop`` came.

    ``waits`` is told why, each time. Whatever else ``ask`` raises is raised.
    """
    while not stop.is_set():
        try:
            ask()
        except RetryError as error:
            log.warning("waits for Kafka: %s", error)
            waits(f"waits for Kafka: {error}")
            stop.wait(pause_s)
        else:
            return True
    return False


def _wait(stop: threading.Event, over: asyncio.Future[None]) -> None:
    while not stop.wait(0.1) and not over.done():
        pass
