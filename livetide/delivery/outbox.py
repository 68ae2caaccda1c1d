"""Alerts on their way to one channel, kept until they are taken: in SQLite, so that a crash forgets none.

One row an alert: a newer change replaces an older one that is still waiting, because a receiver that was away for ten minutes
wants to know how things stand and not how they went. Each alert waits for itself; none waits for another.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Condition
from typing import NamedTuple

from streams.records import Alert, decode, encode, needs_disk

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    id TEXT PRIMARY KEY, revision INTEGER, partition INTEGER, offset INTEGER, tries INTEGER, due_ms INTEGER, alert BLOB
) WITHOUT ROWID;
"""


class Waiting(NamedTuple):
    """An alert to deliver, where it lay in the log, and how often it was tried."""

    alert: Alert
    partition: int
    offset: int
    tries: int


class Outbox:
    """The waiting alerts of one channel. Safe to use from several threads.

    What changes it raises :class:`RetryError` while the disk is full, and has changed nothing then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._needs_disk():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        self._changed = Condition()

    def put(self, alert: Alert, partition: int, offset: int) -> None:
        """Keep an alert for delivery, at once. An older change of it that still waits is replaced; a newer one stays."""
        with self._changed, self._needs_disk():
            self._db.execute(
                "INSERT INTO waiting VALUES (?, ?, ?, ?, 0, 0, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision,"
                " partition = excluded.partition, offset = excluded.offset, tries = 0, due_ms = 0, alert = excluded.alert"
                " WHERE excluded.revision > waiting.revision",
                (alert.id, alert.revision, partition, offset, encode(alert)),
            )
            self._changed.notify_all()

    def due(self, now_ms: int, limit: int) -> list[Waiting]:
        """Alerts whose time has come, the longest waiting first."""
        with self._changed:
            rows = self._db.execute(
                "SELECT alert, partition, offset, tries FROM waiting WHERE due_ms <= ? ORDER BY due_ms LIMIT ?", (now_ms, limit)
            ).fetchall()
        return [Waiting(decode(alert, Alert), *rest) for alert, *rest in rows]

    def later(self, one: Waiting, due_ms: int) -> None:
        """It was not taken; try again at ``due_ms``. A newer change that came meanwhile is not put off."""
        with self._changed, self._needs_disk():
            self._db.execute(
                "UPDATE waiting SET tries = tries + 1, due_ms = ? WHERE id = ? AND revision = ?",
                (due_ms, one.alert.id, one.alert.revision),
            )

    def done(self, one: Waiting) -> None:
        """It was taken, or given up. A newer change that came meanwhile stays."""
        with self._changed, self._needs_disk():
            self._db.execute("DELETE FROM waiting WHERE id = ? AND revision = ?", (one.alert.id, one.alert.revision))

    def wait(self, seconds: float) -> None:
        """Return when something was put, at the latest after ``seconds``."""
        with self._changed:
            self._changed.wait(seconds)

    def _needs_disk(self) -> AbstractContextManager[None]:
        return needs_disk(f"the alerts that wait in {self._path}")

    def close(self) -> None:
        self._db.close()
