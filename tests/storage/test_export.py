"""The incremental export of the data guide, while the sink writes batches that span days: nothing is missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_driver import Client

from livetide.metrics import PrometheusMeter
from storage.ledger import Claim, Ledger
from storage.rows import TABLE_OF, Row
from storage.writer import Job, Writer
from streams.records import Sale
from streams.topics import SALES
from tests.contracts.pages import ROOT, blocks
from tests.storage.support import READER_PASSWORD, StoreProcess

pytestmark = pytest.mark.store
PARTITION, DAY_MS, START = 4100, 86_400_000, 1_790_000_000_000
BATCH, BATCHES, DAYS = 4_000, 8, 6


def guide() -> tuple[str, str]:
    """The two questions of the data guide, with holes for the place."""
    texts = [one.text for one in blocks(ROOT / "docs" / "data.md") if one.language == "sql"]
    (progress,) = [text for text in texts if "FROM sink_progress" in text]
    (rows,) = [text for text in texts if "WITH TIES" in text]
    rows = rows.replace("log_partition = 0", f"log_partition = {PARTITION}").replace("SELECT *", "SELECT log_offset")
    rows = rows.replace("> -1", "> %(have)s").replace("<= 100", "<= %(to)s")
    assert rows.count("%(") == 2
    return progress, rows


class Export:
    """Exports as the guide says, until told to stop and nothing more comes."""

    def __init__(self, store: StoreProcess) -> None:
        self._client = Client("127.0.0.1", store.native_port, user="reader", password=READER_PASSWORD, database="live")
        self._progress, self._rows = guide()
        self.offsets: list[int] = []
        self.steps = 0

    def run(self, written: threading.Event) -> None:
        while True:
            last = written.is_set()
            known = dict(self._client.execute(self._progress))
            while got := self._next(known.get(PARTITION, -1)):
                self.offsets += got
                self.steps += 1
            if last:
                self._client.disconnect()
                return

    def _next(self, to: int) -> list[int]:
        have = self.offsets[-1] if self.offsets else -1
        return [row[0] for row in self._client.execute(self._rows, {"have": have, "to": to})]


def batches() -> Iterator[list[Row]]:
    table = TABLE_OF[SALES.name]
    for number in range(BATCHES):
        rows: list[Row] = []
        for offset in range(number * BATCH, (number + 1) * BATCH):
            sale = Sale(
                room="a_export",
                event_ts=START + offset % DAYS * DAY_MS,
                ingest_ts=START,
                id=str(offset),
                source="s",
                type="click",
            )
            rows += table.rows(sale, PARTITION, offset)
        yield rows


def test_an_export_beside_the_sink_misses_nothing(store: StoreProcess) -> None:
    client, export, written = store.client(), Export(store), threading.Event()
    ledger, writer = Ledger(client, "export", "mine"), Writer(client.address, PrometheusMeter())
    exporting = threading.Thread(target=export.run, args=(written,))
    exporting.start()
    try:
        last: Any = None
        for number, rows in enumerate(batches()):
            last = number * BATCH + BATCH - 1
            ledger.claim([Claim(SALES.name, PARTITION, number * BATCH, last)], f"export{number}")
            writer.write([Job(TABLE_OF[SALES.name], rows, f"export:{number}")])
        ledger.mark({(SALES.name, PARTITION): last})
    finally:
        written.set()
        exporting.join(60)
        writer.close()
        client.close()
    assert export.offsets == list(range(BATCH * BATCHES))
    assert export.steps > 1
