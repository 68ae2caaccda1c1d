"""The one way to the store: clickhouse-driver, from an address that keeps its password to itself, with failures sorted.

RetryError   the store does not answer, is full or busy, or nobody knows whether the statement took effect: try again, the
             same statement with the same token
FatalError   the store answered and refused: trying again would be refused again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from clickhouse_driver import Client, errors

from streams.records import FatalError, RetryError

# Codes after which the same statement may succeed: time-outs, memory and disk, too many of something, replicas and keepers.
PASSING: Final = frozenset(
    {3, 32, 95, 96, 99, 159, 160, 201, 202, 203, 207, 209, 210, 225, 236, 241, 242, 243, 244, 252, 253, 254, 279, 285, 286, 290,
     319, 341, 364, 394, 415, 416, 425, 439, 473, 574, 594, 665, 667, 677, 689, 698, 700, 999, 1000, 1002}
)  # fmt: skip


@dataclass(frozen=True)
class Address:
    """Where a store is and how to be let in. The password shows in no ``repr``."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str = "live"
    secure: bool = False
    readonly: int = 0

    @classmethod
    def parse(cls, url: str) -> Address:
        """From ``clickhouse://user:password@host:port/database``, or ``clickhouses://`` for TLS. Raises :class:`FatalError`.

        With ``?readonly=1`` or ``2`` every statement goes with that setting of ClickHouse's: the server refuses to change data.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        readonly = {"": 0, "readonly=1": 1, "readonly=2": 2}.get(parts.query, -1)
        if parts.scheme not in ("clickhouse", "clickhouses") or not parts.hostname or -1 in (port, readonly):
            raise FatalError(
                "the store's address must read clickhouse://user:password@host:port/database (clickhouses:// for TLS), "
                "with ?readonly=2 or nothing behind it"
            )
        secure = parts.scheme == "clickhouses"
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        port = port or (9440 if secure else 9000)
        return cls(parts.hostname, port, user, password, parts.path.strip("/") or "live", secure, readonly)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def settings(self) -> dict[str, int]:
        """What every statement to this address goes with."""
        return {"readonly": self.readonly} if self.readonly else {}


class StoreClient:
    """One connection to the store, made when first used and again after it broke. For one thread."""

    def __init__(self, address: Address, *, settings: Mapping[str, Any] | None = None, timeout: float = 60.0) -> None:
        self.address = address
        local = address.host in ("127.0.0.1", "::1", "localhost")
        self._client = Client(
            address.host, address.port, user=address.user, password=address.password, database=address.database,
            secure=address.secure, compression=False if local else "lz4", connect_timeout=5, send_receive_timeout=timeout,
            client_name="livetide", settings=address.settings | dict(settings or {}),
        )  # fmt: skip

    def execute(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a statement. ``%(name)s`` in ``sql`` takes ``parameters``, escaped by the driver."""
        rows = self._guarded(lambda: self._client.execute(sql, parameters, settings=settings), sql)
        return rows if isinstance(rows, list) else []

    def dicts(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows of a query by the names of its columns."""
        answer = self._guarded(lambda: self._client.execute(sql, parameters, with_column_types=True), sql)
        rows, columns = answer if isinstance(answer, tuple) else ([], [])
        names = [name for name, _ in columns]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def insert(self, table: str, columns: Sequence[str], data: Sequence[list[Any]], *, token: str = "") -> int:
        """Write columns as one block. The same ``token`` again changes nothing, in the table and in the views it feeds."""
        settings = {
            "async_insert": 0,  # on by default, and it would wait for company
            "insert_deduplication_token": token,
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "max_partitions_per_insert_block": 0,  # recordings may span any number of days
            "distributed_foreground_insert": 1,
        }
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
        result = self._guarded(
            lambda: self._client.execute(sql, data, columnar=True, settings=settings), f"INSERT INTO {table}"
        )
        return result if isinstance(result, int) else 0

    def close(self) -> None:
        self._client.disconnect()

    def _guarded(self, work: Any, what: str) -> Any:
        try:
            return work()
        except errors.ServerException as error:
            self._client.disconnect()
            text = str(error).split("Stack trace:")[0].strip().replace("\n", " ")
            kind = RetryError if error.code in PASSING else FatalError
            raise kind(f"the store at {self.address} refused {what[:80]!r}: {text[:600]}") from error
        except (errors.NetworkError, errors.SocketTimeoutError, errors.PartiallyConsumedQueryError, EOFError, OSError) as error:
            self._client.disconnect()
            raise RetryError(
                f"the store at {self.address} does not answer: {str(error)[:200] or type(error).__name__}"
            ) from error
        except errors.Error as error:
            self._client.disconnect()
            raise FatalError(
                f"the store at {self.address} and its client do not agree on {what[:80]!r}: {str(error)[:300]}"
            ) from error
