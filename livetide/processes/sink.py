"""The sink as a process: from Kafka's topics to the store's tables."""

from __future__ import annotations

import logging

from livetide.processes.duty import clock, on_duty
from livetide.processes.setup import migrate
from livetide.settings import Settings

log = logging.getLogger(__name__)


def store_url(settings: Settings, password: str) -> str:
    """The store's address for writing: the cluster that is set, or the embedded store."""
    return settings.clickhouse.get_secret_value() or f"clickhouse://live:{password}@127.0.0.1:{settings.store_port}/live"


def run(settings: Settings) -> None:
    """Bring the schema up to date, then write until SIGTERM."""
    from storage.sink import Sink

    state: list[Sink] = []
    with on_duty(settings, lambda: state[0].ready() if state else "brings the schema up to date") as duty:
        if applied := migrate(settings):
            log.info("applied %d migrations: %s", len(applied), ", ".join(applied))
        url = store_url(settings, duty.secrets["store_password"])
        sink = Sink(
            settings.cluster(), url, meter=duty.meter, clock=clock, instance=f"sink-{settings.instance}",
            dead_limit=settings.poison_limit,
        )  # fmt: skip
        state.append(sink)
        duty.run([sink.run])
