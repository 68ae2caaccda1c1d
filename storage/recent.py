"""Rows of a short while ago. By them a record that comes again is known, when its writer does not number what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from storage.client import StoreClient
from storage.ledger import Claim

RECENT: Final = 100_000


def row_key(room: str, row_id: str) -> str:
    """What names a row in a partition: an id is one room's, and many rooms share a partition."""
    return f"{room}\0{row_id}"


class Recent:
    """The last row keys of a partition, oldest first out."""

    def __init__(self, ids: Iterable[str] = (), size: int = RECENT) -> None:
        self._ids = dict.fromkeys(ids)
        self._size = size

    def repeated(self, row_id: str) -> bool:
        """Whether this key is known; from now on it is."""
        if row_id in self._ids:
            return True
        self._ids[row_id] = None
        if len(self._ids) > self._size:
            del self._ids[next(iter(self._ids))]
        return False


def stored(client: StoreClient, table: str, partition: int, resend: Claim | None) -> Recent:
    """The newest rows of a partition, a day's at most.

    Rows of the batch that is sent again are left out: it must be cut as it was cut the first time, whatever of it has arrived.
    """
    rows = client.execute(
        f"SELECT room_id, id FROM (SELECT room_id, id, ingest_ts, log_offset FROM live.{table} "  # noqa: S608 - the name is ours
        f"WHERE log_partition = %(p)s AND ingest_ts > (SELECT max(ingest_ts) FROM live.{table}) - INTERVAL 1 DAY "
        "AND NOT (log_offset BETWEEN %(first)s AND %(last)s) ORDER BY ingest_ts DESC, log_offset DESC LIMIT %(n)s) "
        "ORDER BY ingest_ts, log_offset",
        {"p": partition, "first": resend.first if resend else 1, "last": resend.last if resend else 0, "n": RECENT},
    )
    return Recent(row_key(*row) for row in rows)
