"""From a final highlight to a finished clip: choose the video, cut it, check it, put it in place, say so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from clipper.check import check
from clipper.cutter import copy
from clipper.recording import Recording, Run
from streams.records import Clip, Highlight, InvalidError, MediaSegment, Record, RetryError

WAIT_MS = 30_000
"""How long a final highlight waits for video that is still on its way."""


class ClipMaker:
    """Makes the clips of highlights.

    ``resolve`` turns a segment's URI into a local file; ``clock`` is the wall clock in epoch ms. The path of a clip follows
    from the highlight's id and revision and the file appears there only after its check, so making it again after a crash
    finds it and says the same.
    """

    def __init__(self, recording: Recording, folder: Path, resolve: Callable[[str], Path], clock: Callable[[], int]) -> None:
        self._recording = recording
        self._folder = folder
        self._resolve = resolve
        self._clock = clock

    def note(self, record: Record) -> Iterable[Record]:
        """Index a recorded segment (frames of the vision path are none of the clipper's business)."""
        if isinstance(record, MediaSegment):
            self._recording.add(record)
        return ()

    def make(self, record: Record) -> Iterable[Record]:
        """The clip of a final highlight. Raises :class:`RetryError` while its video is on the way or the disk is full."""
        if not isinstance(record, Highlight) or record.status != "final":
            return ()
        run = self._recording.run_around(record.room, record.start_ts, record.end_ts, record.event_ts)
        if self._still_coming(record, run):
            raise RetryError(f"the video of {record.id} in room {record.room} is not all here yet")
        if run is None:
            return (self._failed(record, "no video of this moment was recorded"),)
        try:
            return (self._cut(record, run),)
        except InvalidError as error:
            return (self._failed(record, str(error)),)

    def _still_coming(self, highlight: Highlight, run: Run | None) -> bool:
        newest = self._recording.newest_ts(highlight.room)
        waited = self._clock() - highlight.ingest_ts
        complete = run is not None and run.end_ts >= highlight.end_ts
        return not complete and waited < WAIT_MS and newest is not None and newest < highlight.end_ts

    def _cut(self, highlight: Highlight, run: Run) -> Clip:
        path = self.path(highlight)
        path.parent.mkdir(parents=True, exist_ok=True)
        length_ms = run.end_ts - run.start_ts
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                copy([self._resolve(s.uri) for s in run.segments], part, _metadata(highlight))
                check(part, length_ms)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        good = check(path, length_ms)
        return Clip(
            room=highlight.room, event_ts=run.start_ts, ingest_ts=highlight.ingest_ts, id=f"clip:{highlight.id}",
            revision=highlight.revision, highlight=highlight.id, end_ts=run.end_ts, title=highlight.title,
            path=str(path.relative_to(self._folder)), mode="copy", status="ready", duration_ms=good.duration_ms,
            width=good.width, height=good.height, size=good.size, sha256=good.sha256, labels=labels(highlight),
        )  # fmt: skip

    def _failed(self, highlight: Highlight, reason: str) -> Clip:
        return Clip(
            room=highlight.room, event_ts=highlight.start_ts, ingest_ts=highlight.ingest_ts, id=f"clip:{highlight.id}",
            revision=highlight.revision, highlight=highlight.id, end_ts=highlight.end_ts, title=highlight.title, path="",
            mode="copy", status="failed", labels=labels(highlight), reason=reason,
        )  # fmt: skip

    def path(self, highlight: Highlight) -> Path:
        """Where the clip of a highlight lies: by room and by ids we made, never by a title that somebody typed."""
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in highlight.id)
        room = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in highlight.room)
        return self._folder / room / f"{name}-{highlight.revision}.mp4"


def labels(highlight: Highlight) -> dict[str, str]:
    """What is known of a clip, as words a person can filter by."""
    known = {
        "peak_ts": str(highlight.event_ts),
        "score": f"{highlight.score:.2f}",
        "chat_z": f"{highlight.chat_z:.2f}",
        "emotion_z": f"{highlight.emotion_z:.2f}",
        "orders_z": f"{highlight.orders_z:.2f}",
        "sku": highlight.sku,
    }
    return {name: value for name, value in known.items() if value}


def _metadata(highlight: Highlight) -> dict[str, str]:
    return {"title": highlight.title or highlight.id, "comment": f"room {highlight.room}, highlight {highlight.id}"}
