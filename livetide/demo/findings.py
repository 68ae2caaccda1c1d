"""What came out of a room, read from the store's tables as a data team would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Rows = Callable[[str, dict[str, Any]], list[dict[str, Any]]]

COUNTED = {"chat": "danmaku", "sale": "sales", "viewer": "viewers", "speech": "speech"}
"""Kinds of events whose rows must be exactly what was planted, and their tables."""


@dataclass
class Findings:
    """Everything that the comparison needs."""

    rows: dict[str, int] = field(default_factory=dict)
    distinct: dict[str, int] = field(default_factory=dict)
    minute_messages: int = 0
    dead: list[str] = field(default_factory=list)
    sales: dict[str, int] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    paragraphs: list[dict[str, Any]] = field(default_factory=list)
    highlights: list[dict[str, Any]] = field(default_factory=list)
    clips: list[dict[str, Any]] = field(default_factory=list)
    groups: int = 0
    mood_seconds: int = 0
    commands: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spoken(self) -> list[dict[str, Any]]:
        """The host's replies that came to sound."""
        return [reply for reply in self.replies if reply["type"] == "spoken"]


_NEWEST = "(SELECT * FROM {table} WHERE room_id = %(room)s ORDER BY revision DESC LIMIT 1 BY id)"


def find(rows: Rows, raw: Rows, room: str) -> Findings:
    """Read everything of ``room``. Derived rows are taken at their newest revision; what entered is counted by ``raw``, which
    sees doubled rows before they are merged."""
    given = {"room": room}

    def one(sql: str) -> dict[str, Any]:
        return rows(sql, given)[0]

    def newest(table: str) -> list[dict[str, Any]]:
        return rows(f"SELECT * FROM {_NEWEST.format(table=table)} ORDER BY ts", given)  # noqa: S608 - our own table names

    found = Findings()
    for kind, table in COUNTED.items():
        (counted,) = raw(
            f"SELECT count() AS rows, uniqExact(source, source_id) AS ids FROM {table} WHERE room_id = %(room)s",  # noqa: S608 - our own table names
            given,
        )
        found.rows[kind], found.distinct[kind] = counted["rows"], counted["ids"]
    found.minute_messages = one("SELECT sum(messages) AS n FROM chat_minutes WHERE room_id = %(room)s")["n"]
    sold = one(
        """
        SELECT uniqExactIf(order_id, type = 'order') AS orders, toInt64(sumIf(amount, type = 'pay') * 100) AS gmv,
               countIf(type = 'refund') AS refunds
        FROM sales WHERE room_id = %(room)s
        """
    )
    found.sales = {name: int(sold[name]) for name in ("orders", "gmv", "refunds")}
    found.dead = [
        row["sha"] for row in rows("SELECT lower(hex(SHA256(value))) AS sha FROM deadletters WHERE room_id = %(room)s", given)
    ]
    found.alerts = rows("SELECT * FROM alerts WHERE room_id = %(room)s ORDER BY revision", given)
    found.answers, found.paragraphs = newest("answers"), newest("segments")
    found.highlights, found.clips = newest("highlights"), newest("clips")
    found.groups = one("SELECT uniqExact(id) AS n FROM intents WHERE room_id = %(room)s")["n"]
    found.mood_seconds = one("SELECT uniqExact(id) AS n FROM mood WHERE room_id = %(room)s")["n"]
    found.commands = [command for command in newest("host_commands") if command["action"] != "stop"]
    found.replies = newest("host_events")
    return found
