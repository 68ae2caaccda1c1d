"""Both doors of the store with the clients that people use, behind one face, so that one suite tests both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from tests.storage.support import StoreProcess


class Refused(Exception):
    """The store's answer when it does not do what it was asked."""


class Door(Protocol):
    def ask(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]: ...
    def columns(self, sql: str) -> list[tuple[str, str]]: ...
    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def do(self, sql: str) -> None: ...
    def close(self) -> None: ...


class Native:
    """clickhouse-driver over the native protocol."""

    def __init__(self, store: StoreProcess, user: str, password: str, compression: str | bool = False) -> None:
        self._client = Client(
            "127.0.0.1", store.native_port, user=user, password=password, database="live", compression=compression
        )

    def ask(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._run(sql, settings=settings)
        return rows

    def columns(self, sql: str) -> list[tuple[str, str]]:
        columns: list[tuple[str, str]] = self._run(sql, with_column_types=True)[1]
        return columns

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._run(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", [list(row) for row in rows])

    def do(self, sql: str) -> None:
        self._run(sql)

    def close(self) -> None:
        self._client.disconnect()

    def _run(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self._client.execute(*arguments, **named)
        except ServerException as error:
            raise Refused(f"code {error.code}: {error}") from error
        except (Error, EOFError) as error:
            raise Refused(str(error)) from error


class Http:
    """clickhouse-connect over HTTP."""

    def __init__(self, store: StoreProcess, user: str, password: str, compression: str | bool = False) -> None:
        try:
            self._client = clickhouse_connect.get_client(
                host="127.0.0.1", port=store.http_port, username=user, password=password, database="live", compress=compression
            )
        except ClickHouseError as error:
            raise Refused(str(error)) from error

    def ask(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = [tuple(row) for row in self._query(sql, settings).result_rows]
        return rows

    def columns(self, sql: str) -> list[tuple[str, str]]:
        result = self._query(sql, {})
        return list(zip(result.column_names, [kind.name for kind in result.column_types], strict=True))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._client.insert(table, rows, column_names=list(columns))
        except ClickHouseError as error:
            raise Refused(str(error)) from error

    def do(self, sql: str) -> None:
        try:
            self._client.command(sql)
        except ClickHouseError as error:
            raise Refused(str(error)) from error

    def close(self) -> None:
        self._client.close()

    def _query(self, sql: str, settings: dict[str, Any]) -> Any:
        try:
            result = self._client.query(sql, settings=settings)
            len(result.result_rows)  # read to the end now, while a failure is still this statement's
            return result
        except ClickHouseError as error:
            raise Refused(str(error)) from error
