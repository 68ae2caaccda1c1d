"""Reading the store as people do: the reader's account, rows as dictionaries, one connection a thread."""

from __future__ import annotations

from threading import local
from typing import Any

from livetide.addresses import reading as reader_url

__all__ = ["StoreRows", "reader_url"]


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
