"""The minute views against what is right: one order told by two sources, viewers without an id, rows from before the views."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storage.client import StoreClient
from storage.migrations import SCHEMA, migrate
from storage.rows import TABLE_OF
from streams import records as r
from streams.topics import TOPIC_OF
from tests.storage.support import StoreProcess

pytestmark = pytest.mark.store
START = 1_790_000_040_000
"""The beginning of a minute."""


@pytest.fixture
def room() -> str:
    return uuid.uuid4().hex


def write(client: StoreClient, records: Iterable[r.Record]) -> None:
    for record in records:
        table = TABLE_OF[TOPIC_OF[type(record)].name]
        rows = table.rows(record, 0, 0)
        client.insert(f"live.{table.name}", table.columns, [list(c) for c in zip(*rows, strict=True)], token=uuid.uuid4().hex)


def sale(
    room: str, source: str, row: str, kind: Any, yuan: int, *, order: str = "O-1", s: int = 0, sku: str = "dress"
) -> r.Sale:
    return r.Sale(
        room=room, event_ts=START + s * 1000, ingest_ts=START + s * 1000, id=row, source=source, type=kind, order=order,
        sku=sku, amount=yuan * 100, quantity=1,
    )  # fmt: skip


def said(room: str, row: str, user: str) -> r.ComprehendedEnvelope:
    message = r.UnderstoodChat(row, START, user, "x", "x")
    return r.ComprehendedEnvelope(room=room, event_ts=START, ingest_ts=START, source="api", messages=[message])


def money(client: StoreClient, room: str) -> list[tuple[Any, ...]]:
    """Minute after START, paid orders, paid and refunded."""
    return client.execute(
        "SELECT intDiv(toUnixTimestamp(minute) - %(s)s, 60), paid, gmv, refunded FROM live.sales_minutes WHERE room_id = %(r)s "
        "ORDER BY minute",
        {"r": room, "s": START // 1000},
    )


def test_an_order_that_two_sources_tell_counts_once(client: StoreClient, room: str) -> None:
    write(client, [sale(room, "webhook", "p1", "pay", 100), sale(room, "csv", "row7", "pay", 100)])
    assert money(client, room) == [(0, 1, Decimal(100), Decimal(0))]


def test_in_the_minute_of_the_source_that_told_it_first(client: StoreClient, room: str) -> None:
    write(client, [sale(room, "csv", "row7", "pay", 100, s=200), sale(room, "webhook", "p1", "pay", 100, s=70)])
    assert money(client, room) == [(1, 1, Decimal(100), Decimal(0))]


def test_the_lines_and_parts_of_an_order_are_all_counted(client: StoreClient, room: str) -> None:
    lines = [sale(room, "webhook", f"l{n}", "pay", 10 + n, sku=f"sku{n}") for n in range(3)]
    parts = [sale(room, "webhook", "r1", "refund", 3, s=60), sale(room, "webhook", "r2", "refund", 4, s=120)]
    write(client, [*lines, *parts, sale(room, "csv", "row1", "pay", 33), sale(room, "csv", "row2", "refund", 7, s=180)])
    assert money(client, room) == [
        (0, 1, Decimal(33), Decimal(0)), (1, 0, Decimal(0), Decimal(3)), (2, 0, Decimal(0), Decimal(4)),
    ]  # fmt: skip


def test_the_source_that_tells_more_of_an_order_is_believed(client: StoreClient, room: str) -> None:
    late = sale(room, "csv", "row2", "refund", 4, s=120)
    write(client, [sale(room, "webhook", "r1", "refund", 3), sale(room, "csv", "row1", "refund", 3, s=60), late])
    assert money(client, room) == [(1, 0, Decimal(0), Decimal(3)), (2, 0, Decimal(0), Decimal(4))]


def test_rows_without_an_order_and_orders_of_another_room_are_their_own(client: StoreClient, room: str) -> None:
    alone = [sale(room, source, row, "pay", 5, order="") for source, row in (("webhook", "a"), ("csv", "a"), ("csv", "b"))]
    write(client, [*alone, sale(room, "webhook", "p", "pay", 100), sale(f"{room}-2", "csv", "p", "pay", 70)])
    assert money(client, room) == [(0, 4, Decimal(115), Decimal(0))]
    assert money(client, f"{room}-2") == [(0, 1, Decimal(70), Decimal(0))]


def test_whoever_has_no_id_is_no_viewer(client: StoreClient, room: str) -> None:
    write(client, [said(room, "1", "ann"), said(room, "2", ""), said(room, "3", "bob"), said(room, "4", "")])
    write(client, [said(f"{room}-2", "1", ""), said(f"{room}-3", "1", "ann")])
    rows = client.execute(
        "SELECT messages, users FROM live.chat_minutes WHERE startsWith(room_id, %(r)s) ORDER BY room_id", {"r": room}
    )
    assert rows == [(4, 2), (1, 0), (1, 1)]


def test_rows_from_before_come_right_too(own_store: StoreProcess, tmp_path: Path, room: str) -> None:
    for path in SCHEMA.glob("000[1-5]_*.sql"):
        shutil.copy(path, tmp_path)
    client = own_store.client()
    migrate(client, folder=tmp_path)
    write(client, [sale(room, "webhook", "p1", "pay", 100), sale(room, "csv", "row7", "pay", 100), said(room, "1", "")])
    assert money(client, room) == [(0, 1, Decimal(200), Decimal(0))]
    migrate(client)
    assert money(client, room) == [(0, 1, Decimal(100), Decimal(0))]
    assert client.execute("SELECT messages, users FROM live.chat_minutes") == [(1, 0)]
    client.close()
