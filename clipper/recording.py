"""What video there is: an index of the recorded segments of every room, on the room's own clock."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from streams.records import InvalidError, MediaSegment, needs_disk

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
    room TEXT, stream TEXT, seq INTEGER, event_ts INTEGER, pts_ms INTEGER, duration_ms INTEGER, ingest_ts INTEGER,
    uri TEXT, sha256 TEXT, size INTEGER, discontinuity INTEGER,
    PRIMARY KEY (room, stream, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON segments (room, event_ts);
"""
_COLUMNS = "room, stream, seq, event_ts, pts_ms, duration_ms, ingest_ts, uri, sha256, size, discontinuity"
_LONGEST_MS = 60_000
"""No segment lasts longer, so a look-up by time needs to reach back no further."""
_TOUCH_MS = 250
"""Two segments touch when the end of one and the start of the next differ by no more: clocks are read in whole frames."""


@dataclass(frozen=True)
class Run:
    """Segments that follow each other without a gap: what a cut may be taken from."""

    segments: tuple[MediaSegment, ...]

    @property
    def start_ts(self) -> int:
        return self.segments[0].event_ts

    @property
    def end_ts(self) -> int:
        return self.segments[-1].event_ts + self.segments[-1].duration_ms


class Recording:
    """The index, in one SQLite file. Adding a segment twice changes nothing. Safe to use from several threads.

    What changes it raises :class:`RetryError` while the disk is full, and has changed nothing then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._needs_disk():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        self._lock = Lock()

    def add(self, segment: MediaSegment) -> None:
        """Note a segment."""
        row = tuple(getattr(segment, name.strip()) for name in _COLUMNS.split(","))
        with self._lock, self._needs_disk():
            self._db.execute(f"INSERT OR REPLACE INTO segments ({_COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - our own column names

    def newest_ts(self, room: str) -> int | None:
        """Where the room's video ends for now; None when there is none."""
        with self._lock:
            row = self._db.execute("SELECT max(event_ts + duration_ms) FROM segments WHERE room = ?", (room,)).fetchone()
        return int(row[0]) if row[0] is not None else None

    def run_around(self, room: str, start_ts: int, end_ts: int, peak_ts: int) -> Run | None:
        """The unbroken video of ``[start_ts, end_ts)`` that holds ``peak_ts``, snapped outward to whole segments.

        It is shorter than asked where the recording begins, ends or breaks inside; None when there is none at the peak.
        Of several streams of a room the first that holds the peak is taken.
        """
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM segments"  # noqa: S608 - our own column names
                " WHERE room = ? AND event_ts >= ? AND event_ts < ? ORDER BY stream, event_ts, seq",
                (room, start_ts - _LONGEST_MS, end_ts),
            ).fetchall()
        wanted = [segment for segment in map(_segment, rows) if segment.event_ts + segment.duration_ms > start_ts]
        return next((run for run in _runs(wanted) if run.start_ts <= peak_ts < run.end_ts), None)

    def expire(self, before_ts: int, remove: Callable[[str], None]) -> int:
        """Forget segments taken in before ``before_ts`` and call ``remove`` with each one's URI. Returns how many.

        What ``remove`` cannot remove is forgotten too, and said: asked for ever, it would keep all others from their turn.
        """
        with self._lock:
            rows = self._db.execute("SELECT room, stream, seq, uri FROM segments WHERE ingest_ts < ?", (before_ts,)).fetchall()
        for room, stream, seq, uri in rows:
            try:
                remove(uri)
            except (InvalidError, OSError) as error:
                log.warning("the segment %s of room %s cannot be removed and is forgotten: %s", uri, room, error)
            with self._lock, self._needs_disk():
                self._db.execute("DELETE FROM segments WHERE room = ? AND stream = ? AND seq = ?", (room, stream, seq))
        return len(rows)

    def _needs_disk(self) -> AbstractContextManager[None]:
        return needs_disk(f"the index of recorded video, {self._path},")

    def close(self) -> None:
        self._db.close()


def _segment(row: tuple[str, str, int, int, int, int, int, str, str, int, int]) -> MediaSegment:
    room, stream, seq, event_ts, pts_ms, duration_ms, ingest_ts, uri, sha256, size, discontinuity = row
    return MediaSegment(
        room=room, stream=stream, seq=seq, event_ts=event_ts, pts_ms=pts_ms, duration_ms=duration_ms, ingest_ts=ingest_ts,
        uri=uri, sha256=sha256, size=size, discontinuity=bool(discontinuity),
    )  # fmt: skip


def _runs(segments: Iterable[MediaSegment]) -> list[Run]:
    runs: list[list[MediaSegment]] = []
    for segment in segments:
        last = runs[-1][-1] if runs else None
        follows = (
            last is not None
            and last.stream == segment.stream
            and not segment.discontinuity
            and abs(last.event_ts + last.duration_ms - segment.event_ts) <= _TOUCH_MS
        )
        if follows:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return [Run(tuple(run)) for run in runs]
