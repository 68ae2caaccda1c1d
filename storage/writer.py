"""Writes batches to their tables, a few at a time: an insert waits for the disk more than it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from storage.client import Address, StoreClient
from storage.rows import Row, Table
from streams.records import LivetideError, Meter, RetryError

AT_ONCE: Final = 4
DAYS_AT_ONCE: Final = 100
DAY_MS: Final = 86_400_000
TS: Final = 1
"""Where every row has its time: tables are partitioned by its day."""


@dataclass(frozen=True)
class Job:
    """Rows for one table under the token that names them."""

    table: Table
    rows: list[Row]
    token: str


def by_urgency(jobs: Sequence[Job]) -> list[Job]:
    """Alerts first, then the largest: chat can be queried before its derived rows are written, and the round ends soonest."""
    return sorted(jobs, key=lambda job: (not job.table.urgent, -len(job.rows)))


def portions(job: Job) -> list[Job]:
    """The inserts of a job: each of at most ``DAYS_AT_ONCE`` days, since every day is a partition that costs the store 10 ms.

    One insert over thousands would take longer than anybody waits for it, each time it is tried. The same rows under the same
    token give the same portions, so what has arrived is known when the job comes again.
    """
    days = sorted({row[TS] // DAY_MS for row in job.rows})
    if len(days) <= DAYS_AT_ONCE:
        return [job]
    portion_of = {day: number // DAYS_AT_ONCE for number, day in enumerate(days)}
    rows: list[list[Row]] = [[] for _ in range(0, len(days), DAYS_AT_ONCE)]
    for row in job.rows:
        rows[portion_of[row[TS] // DAY_MS]].append(row)
    return [Job(job.table, some, f"{job.token}:{number}") for number, some in enumerate(rows)]


class Writer:
    """``AT_ONCE`` connections to the store, each in a thread of its own. ``beat`` is called when an insert has ended."""

    def __init__(self, address: Address, meter: Meter, beat: Callable[[], None] = lambda: None) -> None:
        self._address = address
        self._meter = meter
        self._beat = beat
        self._own = threading.local()
        self._clients: list[StoreClient] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="writer", initializer=self._connect)

    def write(self, jobs: list[Job]) -> None:
        """Write all; what is written leaves ``jobs``, so that after :class:`RetryError` the rest can be tried again.

        Returns or raises when no insert is under way any more.
        """
        futures = [(job, self._pool.submit(self._insert, job)) for job in by_urgency(jobs)]
        failures: list[LivetideError] = []
        for job, future in futures:
            try:
                future.result()
            except LivetideError as error:
                failures.append(error)
            else:
                jobs.remove(job)
            self._beat()
        if failures:
            raise min(failures, key=lambda failure: isinstance(failure, RetryError))  # a fatal one first

    def close(self) -> None:
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    def _connect(self) -> None:
        self._own.client = StoreClient(self._address)
        self._clients.append(self._own.client)

    def _insert(self, job: Job) -> None:
        client: StoreClient = self._own.client
        started = time.perf_counter()
        for portion in portions(job):
            # Columns are made anew for each try: the driver converts them in place.
            columns = [list(column) for column in zip(*portion.rows, strict=True)]
            client.insert(f"live.{job.table.name}", job.table.columns, columns, token=portion.token)
        self._meter.observe("sink_insert_seconds", time.perf_counter() - started, table=job.table.name)
        self._meter.count("sink_rows", len(job.rows), table=job.table.name)
