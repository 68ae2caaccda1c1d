"""Reading the store as people do: the reader's account, rows as dictionaries, one connection a thread."""

from __future__ import annotations

from threading import local
from typing import Any
from urllib.parse import quote

from livetide.settings import Settings, load_secrets


def reader_url(settings: Settings) -> str:
    """The address of the store for reading: the cluster that is set, or the embedded store's reader."""
    if given := settings.clickhouse.get_secret_value():
        return given
    from storage.server import READER, reader_password

    password = reader_password(load_secrets(settings.data)["store_password"])
    return f"clickhouse://{READER}:{quote(password)}@127.0.0.1:{settings.store_port}/live"


class StoreRows:
    """``rows(sql, parameters)`` of the store at ``url``, as merging leaves them (``FINAL``) unless ``raw``: then as they lie.

    Safe from several threads. Raises ``RetryError`` when the store is away.
    """

    def __init__(self, url: str, timeout: float = 20.0, *, raw: bool = False) -> None:
        from storage.client import Address

        self._address = Address.parse(url)
        self._timeout = timeout
        self._settings = {"final": 0} if raw else {}
        self._own = local()

    def __call__(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        from storage.client import StoreClient

        if not hasattr(self._own, "client"):
            self._own.client = StoreClient(self._address, settings=self._settings, timeout=self._timeout)
        client: StoreClient = self._own.client
        return client.dicts(sql, parameters)
