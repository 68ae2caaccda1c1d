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

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from storage.client import StoreClient
from streams.records import FatalError, LivetideError, RetryError

log = logging.getLogger(__name__)
TABLE: Final = "live.sink_ledger"
DONE: Final = "live.sink_done"
COLUMNS: Final = ("log_id", "topic", "partition", "first", "last", "before", "after", "owner")
KEPT: Final = 8
MANY: Final = 1_000
# Nobody waits for a pruning: a server of the cluster that is away does it when it is back.
UNHURRIED: Final = {"lightweight_deletes_sync": 0, "distributed_ddl_task_timeout": 0}
_DISTRIBUTED: Final = re.compile(r"Distributed\('((?:[^'\\]|\\.)*)', '[^']*', '(\w+)'")


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
        Raises :class:`RetryError` while the store does not show what it has just taken: another replica has answered.
        """
        if not claims:
            return
        columns: list[list[object]] = [
            [self._log_id] * len(claims), [c.topic for c in claims], [c.partition for c in claims], [c.first for c in claims],
            [c.last for c in claims], [c.before for c in claims], [c.after for c in claims], [self._owner] * len(claims),
        ]  # fmt: skip
        self._client.insert(TABLE, COLUMNS, columns, token=f"ledger:{self._owner}:{token}")
        holders = self._holders(claims)
        for c in claims:
            found = holders.get((c.topic, c.partition))
            if found is None:
                raise RetryError(
                    f"{c.topic}/{c.partition}: the store does not show the batch that was just written down. Does "
                    "LIVETIDE_CLICKHOUSE lead to replicas in turn? It must name one server"
                )
            if found != (c.first, c.last, self._owner):
                raise FatalError(
                    f"{c.topic}/{c.partition}: another sink has claimed from offset {found[0]}: "
                    "this one no longer owns the partition and must start again"
                )

    def _holders(self, claims: Sequence[Claim]) -> dict[tuple[str, int], tuple[int, int, str]]:
        """Who holds the end of each partition: the newest batch among those that reach to our claim or beyond.

        It is asked after every claim, so it looks at the end of the ledger only, by the table's order.
        """
        where, values = _each((c.topic, c.partition, c.first) for c in claims)
        rows = self._client.execute(
            f"SELECT topic, partition, first, last, owner FROM {TABLE} WHERE log_id = %(log)s "  # noqa: S608 - the name is ours; values are parameters
            f"AND ({where.format('last >=')}) "
            "ORDER BY topic, partition, first DESC, claimed_at, owner LIMIT 1 BY topic, partition",
            {"log": self._log_id} | values,
        )
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}

    def mark(self, done: Mapping[tuple[str, int], int]) -> None:
        """Say that everything up to these offsets is in the tables, where no further claim says it soon (``sink_progress``)."""
        columns: list[list[object]] = [
            [self._log_id] * len(done), [topic for topic, _ in done], [partition for _, partition in done], list(done.values()),
        ]  # fmt: skip
        if done:
            self._client.insert(DONE, ("log_id", "topic", "partition", "done"), columns)

    def prune(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Forget old batches of these partitions, all but the newest few, where there are many.

        What cannot be forgotten is in nobody's way: a store that refuses is told of in the log, and asked again another time.
        """
        try:
            self._prune(sorted(partitions))
        except LivetideError as error:
            log.warning("the ledger was not pruned, and grows: %s", error)

    def _prune(self, wanted: Sequence[tuple[str, int]]) -> None:
        long = wanted and self._client.execute(
            f"SELECT topic, partition, arraySort(groupArray(first))[-{KEPT}] FROM {TABLE} "  # noqa: S608 - the name is ours; values are parameters
            f"WHERE log_id = %(log)s AND (topic, partition) IN %(wanted)s GROUP BY topic, partition HAVING count() > {MANY}",
            {"log": self._log_id, "wanted": wanted},
        )
        if long:
            where, values = _each(long)
            self._client.execute(
                f"DELETE FROM {self._stored()} WHERE log_id = %(log)s AND ({where.format('first <')})",  # noqa: S608 - the name is ours; values are parameters
                {"log": self._log_id} | values,
                settings=UNHURRIED,
            )

    def _stored(self) -> str:
        """Where the ledger's rows lie: a Distributed table has none, and takes no DELETE."""
        rows = self._client.execute("SELECT engine_full FROM system.tables WHERE database = 'live' AND name = 'sink_ledger'")
        distributed = _DISTRIBUTED.match(str(rows[0][0])) if rows else None
        return f"live.{distributed[2]} ON CLUSTER '{distributed[1]}'" if distributed else TABLE


def _each(places: Iterable[Sequence[Any]]) -> tuple[str, dict[str, Any]]:
    """A condition on topic, partition and an offset for each of ``places``; the comparison is still to be filled in."""
    terms: list[str] = []
    values: dict[str, Any] = {}
    for n, (topic, partition, offset) in enumerate(places):
        terms.append(f"topic = %(t{n})s AND partition = %(p{n})s AND {{0}} %(o{n})s")
        values |= {f"t{n}": topic, f"p{n}": partition, f"o{n}": offset}
    return " OR ".join(terms), values
