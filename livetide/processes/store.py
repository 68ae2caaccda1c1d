"""The embedded ClickHouse as a process: chDB behind ClickHouse's native and HTTP protocols on loopback."""

from __future__ import annotations

from threading import Event

from livetide import addresses
from livetide.processes.duty import on_duty
from livetide.settings import Settings, load_secrets
from streams.records import FatalError, LivetideError


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

    with on_duty(settings, ready) as duty:
        duty.run([serve])
