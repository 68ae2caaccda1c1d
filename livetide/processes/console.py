"""The console's process: the web page, and people's words on alerts back into the log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn

from livetide.console.app import Console
from livetide.console.faq_desk import FaqDesk
from livetide.console.queries import Queries
from livetide.console.sessions import Sessions
from livetide.metrics import PrometheusMeter
from livetide.opinions import hold
from livetide.processes.duty import clock
from livetide.reading import StoreRows, reader_url
from livetide.settings import Settings, load_secrets
from livetide.stack.report import report
from streams.publisher import Publisher
from streams.records import Alert

CHECKS = 30
"""How often the console looks whether a person's word holds, ten times a second: somebody waits for the page."""


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    secrets = load_secrets(settings.data)
    publisher = Publisher(settings.cluster())

    queries = Queries(StoreRows(reader_url(settings)))

    def write(alert: Alert) -> None:
        publisher.publish(alert)

    def set_alert(row: dict[str, Any], state: str, by: str) -> None:
        hold(row, state, by, write=write, shown=queries, clock=clock, checks=CHECKS)

    console = Console(
        queries,
        Sessions(secrets["console_password"], clock),
        clips=settings.data / "clips",
        speech=settings.data / "speech",
        set_alert=set_alert,
        faq=FaqDesk(queries, publisher.publish, clock),
        health=lambda: health(settings),
        operator_key=secrets["operator_key"],
        meter=PrometheusMeter(),
    )
    config = uvicorn.Config(
        console.app(),
        host=settings.host,
        port=settings.console_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    """Ends with code 0 on SIGTERM: uvicorn would raise the signal again, which a supervisor reads as a crash."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def health(settings: Settings) -> dict[str, Any]:
    """How the processes stand, for the health page."""
    found = report(settings)
    return {"processes": found["processes"], "lag": [row for row in found["lag"] if row["lag"]]}
