"""What the console asks the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rows = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
"""Runs a query with parameters; raises ``RetryError`` when the store does not answer."""

LIMIT = 200


class Queries:
    """The console's questions. Every list is the newest first and bounded."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def ping(self) -> None:
        """Raises ``RetryError`` when the store does not answer."""
        self._rows("SELECT 1 AS one", {})

    def rooms(self) -> list[dict[str, Any]]:
        """Rooms of the last day, the liveliest first."""
        return self._rows(
            """
            SELECT room_id, chat.messages AS messages, chat.users AS users, chat.negative AS negative, chat.last_ts AS last_ts,
                   sold.orders AS orders, sold.gmv AS gmv
            FROM (
                SELECT room_id, count() AS messages, uniq(user_id) AS users, avg(sentiment = 'negative') AS negative,
                       max(ts) AS last_ts, max(ingest_ts) AS last_ingest
                FROM danmaku WHERE ingest_ts > now() - INTERVAL 1 DAY GROUP BY room_id
            ) AS chat
            LEFT JOIN (
                SELECT room_id, uniqExactIf(order_id, type = 'order') AS orders, sumIf(amount, type = 'pay') AS gmv
                FROM sales WHERE ingest_ts > now() - INTERVAL 1 DAY GROUP BY room_id
            ) AS sold USING room_id
            ORDER BY last_ingest DESC LIMIT 100
            """,
            {},
        )

    def room(self, room: str) -> dict[str, Any]:
        """Everything of one room's page."""
        given = {"room": room}
        rate = self._rows(
            "SELECT minute AS ts, messages AS value FROM chat_minutes WHERE room_id = %(room)s ORDER BY minute DESC LIMIT 120",
            given,
        )
        mood = self._rows(
            "SELECT ts, negative_share AS value FROM mood WHERE room_id = %(room)s ORDER BY ts DESC LIMIT 600", given
        )
        groups = self._rows(
            """
            SELECT id, argMax(title, revision) AS title, argMax(intent, revision) AS intent, max(count) AS most,
                   argMax(count, revision) AS now, max(users) AS people, max(ts) AS last
            FROM intents
            WHERE room_id = %(room)s AND ts > (SELECT max(ts) FROM intents WHERE room_id = %(room)s) - INTERVAL 10 MINUTE
            GROUP BY id ORDER BY now DESC, most DESC LIMIT 12
            """,
            given,
        )
        return {
            "rate": rate[::-1],
            "mood": mood[::-1],
            "groups": groups,
            "alerts": self.alerts(room),
            "clips": self.clips(room),
            "answers": self.answers(room),
        }

    def alerts(self, room: str = "") -> list[dict[str, Any]]:
        """Alerts as they stand: a person's word holds until the agent says more."""
        return self._rows(
            f"""
            SELECT id, room_id, topic, level, state, started_ts, share, users, examples, note
            FROM alerts_now {_where(room)} ORDER BY started_ts DESC LIMIT {LIMIT}
            """,  # noqa: S608 - our own constants
            {"room": room},
        )

    def alert(self, identity: str) -> dict[str, Any] | None:
        """The newest record of one alert, with every column."""
        found = self._rows(
            """
            SELECT * FROM alerts_now WHERE id = %(id)s LIMIT 1
            """,
            {"id": identity},
        )
        return found[0] if found else None

    def answers(self, room: str = "") -> list[dict[str, Any]]:
        """Answers given or proposed."""
        where = _where(room, "status != 'unknown'")
        return self._rows(
            f"""
            SELECT id, room_id, ts, question, answer, status, score FROM answers {where} ORDER BY ts DESC LIMIT {LIMIT}
            """,  # noqa: S608 - our own constants
            {"room": room},
        )

    def spoken(self) -> list[dict[str, Any]]:
        """What the host said."""
        return self._rows(
            "SELECT id, room_id, ts, text, path, simulated FROM host_events WHERE type = 'spoken' ORDER BY ts DESC LIMIT 20", {}
        )

    def clips(self, room: str = "") -> list[dict[str, Any]]:
        """Clips, finished and failed."""
        return self._rows(
            f"""
            SELECT id, room_id, ts, title, status, duration_ms, reason, path FROM clips {_where(room)}
            ORDER BY ts DESC LIMIT {LIMIT}
            """,  # noqa: S608 - our own constants
            {"room": room},
        )

    def clip_path(self, identity: str) -> str | None:
        """Where the file of a finished clip lies, relative to the clips' folder."""
        return self._path("SELECT path FROM clips WHERE id = %(id)s AND status = 'ready' LIMIT 1", identity)

    def speech_path(self, identity: str) -> str | None:
        """Where the sound of an utterance lies, relative to the folder of speech."""
        return self._path("SELECT path FROM host_events WHERE id = %(id)s AND type = 'spoken' LIMIT 1", identity)

    def _path(self, sql: str, identity: str) -> str | None:
        found = self._rows(sql, {"id": identity})
        return str(found[0]["path"]) if found else None


def _where(room: str, more: str = "") -> str:
    conditions = [condition for condition in ("room_id = %(room)s" if room else "", more) if condition]
    return "WHERE " + " AND ".join(conditions) if conditions else ""
