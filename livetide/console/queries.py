"""What the console asks the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

Rows = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
"""Runs a query with parameters; raises ``RetryError`` when the store does not answer."""

LIMIT = 200
FAQ_LIMIT = 1_000
SHOWN_S = 7200
"""How much of a sitting, up to its end, the curves show."""
POINTS = 600
PAUSE = timedelta(hours=1)
"""So long without a message, and what follows is another sitting of the room."""
POLITENESS = "^(请问|問下|问下|请教|主播|姐姐|老板|宝|亲)+|[啊呀哦呢嘛吗嗎，,。.！!？? ]+$"


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

    def room(self, room: str, at: datetime | None = None) -> dict[str, Any]:
        """Everything of one room's page. Its curves show one sitting: the one around ``at``, or the one that came in last."""
        sittings = self.sittings(room)
        chosen = _chosen(sittings, at)
        until = _seconds(chosen["last"]) + 60 if chosen else 0
        first = max(_seconds(chosen["first"]), until - SHOWN_S) if chosen else 0
        given = {"room": room, "first": first, "until": until, "step": max(1, (until - first) // POINTS)}
        rate = self._rows(
            """
            SELECT minute AS ts, messages AS value FROM chat_minutes
            WHERE room_id = %(room)s AND minute >= toDateTime(%(first)s) AND minute < toDateTime(%(until)s) ORDER BY ts
            """,
            given,
        )
        mood = self._rows(
            """
            SELECT toDateTime(intDiv(toUnixTimestamp(mood.ts), %(step)s) * %(step)s, 'UTC') AS ts, max(negative_share) AS value
            FROM mood WHERE room_id = %(room)s AND mood.ts >= toDateTime(%(first)s) AND mood.ts < toDateTime(%(until)s)
            GROUP BY ts ORDER BY ts
            """,
            given,
        )
        return {
            "sittings": sittings,
            "chosen": chosen,
            "rate": rate,
            "mood": mood,
            "groups": self._groups(given),
            "alerts": self.alerts(room),
            "clips": self.clips(room),
            "answers": self.answers(room),
            "unanswered": self.unanswered(room),
        }

    def sittings(self, room: str) -> list[dict[str, Any]]:
        """When there was chat in a room, the newest first: recordings from years apart may be played into one room."""
        return self._rows(
            f"""
            SELECT toDateTime64(min(minute), 3, 'UTC') AS first, toDateTime64(max(minute), 3, 'UTC') AS last,
                   max(ingest) AS newest
            FROM (
                SELECT minute, ingest, sum(begins) OVER (ORDER BY minute) AS sitting
                FROM (
                    SELECT minute, ingest, dateDiff('second', lagInFrame(minute, 1, minute) OVER (ORDER BY minute
                           ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), minute) > {PAUSE.total_seconds():.0f} AS begins
                    FROM (
                        SELECT minute, max(ingest_ts) AS ingest FROM chat_minutes_state
                        WHERE room_id = %(room)s GROUP BY minute
                    )
                )
            )
            GROUP BY sitting ORDER BY last DESC LIMIT 20
            """,  # noqa: S608 - our own constants
            {"room": room},
        )

    def _groups(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        return self._rows(
            """
            SELECT id, argMax(title, revision) AS title, argMax(intent, revision) AS intent, max(count) AS most,
                   argMax(count, revision) AS now, max(ts) AS last,
                   if(now > 0, argMax(users, revision), argMax(users, (count, revision))) AS people
            FROM intents
            WHERE room_id = %(room)s AND ts < toDateTime(%(until)s)
              AND ts > (
                  SELECT max(ts) FROM intents WHERE room_id = %(room)s AND ts < toDateTime(%(until)s)
              ) - INTERVAL 10 MINUTE
            GROUP BY id ORDER BY now DESC, most DESC LIMIT 12
            """,
            given | {"until": given["until"] + 600},  # a group is told empty after its last question
        )

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

    def alert_at(self, identity: str, revision: int) -> dict[str, Any] | None:
        """One record of an alert, however many came after it."""
        found = self._rows(
            """
            SELECT * FROM alerts WHERE id = %(id)s AND revision = %(revision)s LIMIT 1
            """,
            {"id": identity, "revision": revision},
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

    def unanswered(self, room: str = "") -> list[dict[str, Any]]:
        """Questions that nothing known answers, most asked first; politeness and punctuation make no other question."""
        where = _where(room, "status = 'unknown'")
        return self._rows(
            f"""
            SELECT any(asked) AS question, count() AS times, uniqExact(user_id) AS people, max(ts) AS last,
                   groupUniqArray(3)(room_id) AS rooms
            FROM (SELECT room_id, ts, user_id, question AS asked FROM answers {where})
            GROUP BY replaceRegexpAll(lowerUTF8(asked), '{POLITENESS}', '')
            ORDER BY people DESC, times DESC, last DESC LIMIT 50
            """,  # noqa: S608 - our own constants
            {"room": room},
        )

    def faq(self) -> list[dict[str, Any]]:
        """The FAQ as it stands: drafts and entries, what was asked most first."""
        return self._rows(
            f"""
            SELECT id, room_id, ts, state, question, wordings, answer, sku, source, valid_until, price, asked, changed_by
            FROM faq_now WHERE state != 'withdrawn' ORDER BY asked DESC, ts DESC, id LIMIT {FAQ_LIMIT}
            """,  # noqa: S608 - our own constants
            {},
        )

    def faq_entry(self, room: str, identity: str) -> dict[str, Any] | None:
        """One entry of the FAQ with every column, withdrawn or not."""
        found = self._rows(
            "SELECT * FROM faq_now WHERE room_id = %(room)s AND id = %(id)s LIMIT 1", {"room": room, "id": identity}
        )
        return found[0] if found else None

    def answer(self, identity: str) -> dict[str, Any] | None:
        """One answer, with every column."""
        found = self._rows("SELECT * FROM answers WHERE id = %(id)s LIMIT 1", {"id": identity})
        return found[0] if found else None

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


def _seconds(when: datetime) -> int:
    return int(when.timestamp())


def _chosen(sittings: list[dict[str, Any]], at: datetime | None) -> dict[str, Any] | None:
    around = [one for one in sittings if at and one["first"] <= at <= one["last"] + PAUSE]
    return around[0] if around else max(sittings, key=lambda one: one["newest"], default=None)


def _where(room: str, more: str = "") -> str:
    conditions = [condition for condition in ("room_id = %(room)s" if room else "", more) if condition]
    return "WHERE " + " AND ".join(conditions) if conditions else ""
