"""The embedded ClickHouse as a process: chDB behind ClickHouse's native and HTTP protocols on loopback."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from livetide import addresses
from livetide.processes.duty import on_duty
from livetide.settings import Settings, load_secrets
from streams.records import FatalError, LivetideError
from streams.subscriber_pulse import Pulse

log = logging.getLogger(__name__)

ASKED_EVERY_S = 5.0
STALL_S = 120.0
"""A store that is busy answers late: a reader's statement ends after 30 s, and then it is the next one's turn."""


def ask(question: Callable[[], str | None], pulse: Pulse, stop: Event, every_s: float = ASKED_EVERY_S) -> None:
    """Ask until ``stop``; each answer is a beat of the ``pulse``, and a trouble, which ``question`` returns, is none."""
    pulse.beat("an answer to SELECT 1")
    while not stop.wait(every_s):
        if trouble := question():
            log.warning("the store does not answer its own question: %s", trouble)
        else:
            pulse.beat("an answer to SELECT 1")
    pulse.rest()


def run(settings: Settings) -> None:
    """Run until SIGTERM. Ready when a query through the native port answers. Raises :class:`FatalError` for a taken port."""
    from storage.client import Address, StoreClient
    from storage.server import WRITER, StoreServer

    if settings.clickhouse.get_secret_value():
        raise FatalError(
            "LIVETIDE_CLICKHOUSE names a server, so there is no embedded store to run: unset one of the two wishes"
        )
    password = load_secrets(settings.data)["store_password"]
    server = StoreServer(
        settings.data / "store",
        password,
        host=settings.store_host,
        native_port=settings.store_port,
        http_port=settings.store_http_port,
    )

    def ready() -> str | None:
        client = StoreClient(Address(addresses.store_host(settings), server.native_port, WRITER, password), timeout=5)
        try:
            client.execute("SELECT 1")
        except LivetideError as error:
            return str(error)
        finally:
            client.close()
        return None

    def serve(stop: Event) -> None:
        server.start()
        stop.wait()
        server.stop()

    pulse = Pulse("store", time.monotonic, STALL_S)
    with on_duty(settings, ready, pulse.alive) as duty:
        duty.run([serve, lambda stop: ask(ready, pulse, stop)])
