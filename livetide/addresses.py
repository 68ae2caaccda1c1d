"""Which address each server listens on, and by which it is reached: one rule for everybody.

Gateway, console and health listen on LIVETIDE_HOST. The embedded store listens on LIVETIDE_STORE_HOST, the embedded Kafka
broker on 127.0.0.1 and nowhere else. A server that listens on one address is reached by that one, also by ourselves; one that
listens on all of them is reached by loopback.
"""

from __future__ import annotations

import socket
from urllib.parse import quote

from livetide.settings import Settings, load_secrets
from streams.records import RetryError

LOOPBACK = "127.0.0.1"
EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}  # noqa: S104 - compared, not bound


def reached(host: str) -> str:
    """The address by which a server that listens on ``host`` is reached from this machine."""
    return EVERYWHERE.get(host, host)


def place(host: str, port: int) -> str:
    """``host:port`` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def web(settings: Settings, port: int) -> str:
    """The base URL of a server on LIVETIDE_HOST."""
    return f"http://{place(reached(settings.host), port)}"


def gateway(settings: Settings) -> str:
    return web(settings, settings.gateway_port)


def console(settings: Settings) -> str:
    return web(settings, settings.console_port)


def store_host(settings: Settings) -> str:
    """Where the embedded store is reached."""
    return reached(settings.store_host)


def writing(settings: Settings) -> str:
    """The address of the store for writing: the server that is set, or the embedded store's writer."""
    from storage.server import WRITER

    if given := settings.clickhouse.get_secret_value():
        return given
    password = load_secrets(settings.data)["store_password"]
    return f"clickhouse://{WRITER}:{quote(password)}@{place(store_host(settings), settings.store_port)}/live"


def reading(settings: Settings) -> str:
    """The address of the store for reading.

    The reading account that is set; else the writing account of the server that is set, with ``readonly=2``, which the server
    keeps to and a statement cannot lift; else the embedded store's reader.
    """
    from storage.server import READER, reader_password

    if given := settings.clickhouse_reader.get_secret_value():
        return given
    if given := settings.clickhouse.get_secret_value():
        return given if "?" in given else f"{given}?readonly=2"
    password = reader_password(load_secrets(settings.data)["store_password"])
    return f"clickhouse://{READER}:{quote(password)}@{place(store_host(settings), settings.store_port)}/live"


def reading_http(settings: Settings) -> str:
    """The base URL of the same store's HTTP protocol."""
    from storage.client import Address

    address = Address.parse(reading(settings))
    if settings.clickhouse_reader.get_secret_value() or settings.clickhouse.get_secret_value():
        port = settings.clickhouse_http_port or (8443 if address.secure else 8123)
    else:
        port = settings.store_http_port
    return f"{'https' if address.secure else 'http'}://{place(address.host, port)}"


def check(settings: Settings) -> None:
    """Raise :class:`RetryError` for an address that no server can listen on here."""
    for name, host in (("LIVETIDE_HOST", settings.host), ("LIVETIDE_STORE_HOST", settings.store_host)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, 0))
            except OSError as error:
                raise RetryError(
                    f"{name} is {host}, where nothing can listen ({error.strerror or error}): set an address of this machine"
                ) from error
