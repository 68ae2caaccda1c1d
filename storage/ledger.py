"""What the sink has cut out of the log: every batch is written down before its rows, in the store itself.

In the store, and not in a file beside the sink: a sink that is restarted elsewhere, or whose partitions move to another sink,
finds it; and it cannot disagree with the rows that it speaks of, since both live and die together. (A file would be faster and
would be lost with its machine; Kafka's committed offset is set after the rows and cannot name a batch that is under way.)

A batch whose rows may or may not have arrived is always the newest of its partition: the next is claimed only after it is
written. So to start again it is enough to send the newest once more, with the same cut and the same token.

Two sinks that believe they own one partition (one was paused and does not know that its time is over) claim different batches
from the same offset. The store's clock says which claim came first; after every claim the sink reads back, and one that is not
first stops before it has written a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from storage.client import StoreClient
from streams.records import FatalError

TABLE: Final = "live.sink_ledger"
COLUMNS: Final = ("log_id", "topic", "partition", "first", "last", "before", "after", "owner")
KEPT: Final = 8


@dataclass(frozen=True)
class Claim:
    """One batch: offsets ``first`` to ``last`` of a partition, and the writers' highest numbers before and after it."""

    topic: str
    partition: int
    first: int
    last: int
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    owner: str = ""


class Ledger:
    """The ledger of one sink, for one Kafka cluster: offsets of another cluster would mean something else."""

    def __init__(self, client: StoreClient, log_id: str, owner: str) -> None:
        self._client = client
        self._log_id = log_id
        self._owner = owner
        self._claims = 0

    def newest(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Claim]:
        """The newest batch of each partition that has one."""
        wanted = sorted(partitions)
        if not wanted:
            return {}
        rows = self._client.execute(
            f"SELECT topic, partition, first, last, before, after, owner FROM {TABLE} "  # noqa: S608 - the name is ours; values are parameters
            "WHERE log_id = %(log)s AND (topic, partition) IN %(wanted)s "
            "ORDER BY topic, partition, first DESC, claimed_at, owner LIMIT 1 BY topic, partition",
            {"log": self._log_id, "wanted": wanted},
        )
        return {(row[0], row[1]): Claim(*row) for row in rows}

    def claim(self, claims: Sequence[Claim], token: str) -> None:
        """Write batches down. The same ``token`` again (an unknown outcome) changes nothing.

        Raises :class:`FatalError` when another sink owns one of the partitions by now: nothing of these batches may be written.
        """
        if not claims:
            return
        columns: list[list[object]] = [
            [self._log_id] * len(claims), [c.topic for c in claims], [c.partition for c in claims], [c.first for c in claims],
            [c.last for c in claims], [c.before for c in claims], [c.after for c in claims], [self._owner] * len(claims),
        ]  # fmt: skip
        self._client.insert(TABLE, COLUMNS, columns, token=f"ledger:{self._owner}:{token}")
        newest = self.newest((c.topic, c.partition) for c in claims)
        for c in claims:
            found = newest.get((c.topic, c.partition))
            if found is None or (found.first, found.last, found.owner) != (c.first, c.last, self._owner):
                raise FatalError(
                    f"{c.topic}/{c.partition}: another sink has claimed from offset {found.first if found else '?'}: "
                    "this one no longer owns the partition and must start again"
                )

    def prune(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Forget old batches of these partitions, all but the newest few."""
        for topic, partition in sorted(partitions):
            where = {"log": self._log_id, "topic": topic, "partition": partition}
            rows = self._client.execute(
                f"SELECT count(), min(first), arraySort(groupArray(first))[-{KEPT}] FROM {TABLE} "  # noqa: S608 - the name is ours; values are parameters
                "WHERE log_id = %(log)s AND topic = %(topic)s AND partition = %(partition)s",
                where,
            )
            if rows and rows[0][0] > 1000:
                self._client.execute(
                    f"DELETE FROM {TABLE} WHERE log_id = %(log)s AND topic = %(topic)s "  # noqa: S608 - the name is ours; values are parameters
                    "AND partition = %(partition)s AND first < %(kept)s",
                    where | {"kept": rows[0][2]},
                )
