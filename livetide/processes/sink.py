"""The sink as a process: from Kafka's topics to the store's tables."""

from __future__ import annotations

import logging

from livetide import addresses
from livetide.processes.duty import all_alive, clock, on_duty
from livetide.processes.setup import migrate
from livetide.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Bring the schema up to date, then write until SIGTERM."""
    from storage.sink import Sink

    state: list[Sink] = []
    ready = lambda: state[0].ready() if state else "brings the schema up to date"
    with on_duty(settings, ready, all_alive(state)) as duty:
        if applied := migrate(settings):
            log.info("applied %d migrations: %s", len(applied), ", ".join(applied))
        sink = Sink(
            settings.cluster(), addresses.writing(settings), meter=duty.meter, clock=clock,
            instance=f"sink-{settings.instance}", dead_limit=settings.poison_limit,
        )  # fmt: skip
        state.append(sink)
        duty.run([sink.run])
