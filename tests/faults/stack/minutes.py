"""The minute views, counted again: of chat from its rows, of sales from Kafka."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from clickhouse_driver import Client

from streams.records import Sale
from tests.faults.stack.reading import Log
from tests.faults.stack.verdict import Verdict


def check_chat_minutes(verdict: Verdict, store: Client, chat: list[dict[str, Any]]) -> None:
    minutes: defaultdict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in chat:
        minutes[row["room_id"], row["ts"] // 60_000 * 60].append(row)
    expected = {
        key: (len(rows), len({row["user_id"] for row in rows}), _share(rows, "negative"), _share(rows, "positive"))
        for key, rows in minutes.items()
    }
    found = store.execute(
        "SELECT room_id, toUnixTimestamp(minute), messages, users, round(negative_share, 9), round(positive_share, 9) "
        "FROM live.chat_minutes"
    )
    verdict.compare("chat_minutes", expected, [((row[0], row[1]), row[2:]) for row in found])


def check_sales_minutes(verdict: Verdict, store: Client, log: Log) -> None:
    sales: dict[Any, Sale] = {}
    for entry in log.said["live.sales"]:
        sales.setdefault((entry.record.room, entry.record.source, entry.record.id), entry.record)
    minutes: defaultdict[tuple[str, int], list[Sale]] = defaultdict(list)
    for sale in sales.values():
        minutes[sale.room, sale.event_ts // 60_000 * 60].append(sale)
    expected = {
        key: (
            _orders(inside, "order"), _orders(inside, "pay"), _money(inside, "pay"), _money(inside, "refund"),
            sum(sale.type == "cart" for sale in inside), sum(sale.type == "click" for sale in inside),
        )
        for key, inside in minutes.items()
    }  # fmt: skip
    found = store.execute(
        "SELECT room_id, toUnixTimestamp(minute), orders, paid, gmv, refunded, carts, clicks FROM live.sales_minutes"
    )
    verdict.compare("sales_minutes", expected, [((row[0], row[1]), row[2:]) for row in found])


def _share(rows: list[dict[str, Any]], sentiment: str) -> float:
    return round(sum(1 for row in rows if row["sentiment"] == sentiment) / len(rows), 9)


def _orders(sales: list[Sale], kind: str) -> int:
    return len({sale.order or f"{sale.source}:{sale.id}" for sale in sales if sale.type == kind})


def _money(sales: list[Sale], kind: str) -> Decimal:
    return Decimal(sum(sale.amount for sale in sales if sale.type == kind)) / 100
