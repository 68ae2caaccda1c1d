"""From a final highlight to a finished clip: choose the video, cut it, check it, put it in place, say so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from clipper.check import Checked, check
from clipper.cutter import copy
from clipper.recording import Recording, Run
from streams.records import Clip, Highlight, InvalidError, MediaSegment, Record, RetryError, decode, encode, needs_disk

WAIT_MS = 10_000
"""How long a final highlight waits for video that is still on its way: a segment lasts 2-4 s, and a final one comes late."""
SAID = ".clip"
PART = ".part"
"""Behind the name of what is not finished. The name is fixed, so what a crash leaves is written over, or swept at the start."""
LONGEST_NAME = 200


class ClipMaker:
    """Makes the clips of highlights.

    ``resolve`` turns a segment's URI into a local file; ``clock`` is the wall clock in epoch ms; ``behind`` tells whether the
    index has still to read what was recorded before. What is said of a clip, finished or failed, is kept beside its file before
    the file appears in its place, so making it again after a crash finds both and says the same. A folder has one maker.
    """

    def __init__(
        self,
        recording: Recording,
        folder: Path,
        resolve: Callable[[str], Path],
        clock: Callable[[], int],
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self._recording = recording
        self._folder = folder
        self._resolve = resolve
        self._clock = clock
        self._behind = behind
        self._waiting: dict[tuple[str, int], int] = {}
        for left in folder.glob(f"*/*{PART}"):
            left.unlink(missing_ok=True)

    def note(self, record: Record) -> Iterable[Record]:
        """Index a recorded segment (frames of the vision path are none of the clipper's business).

        Raises :class:`InvalidError` for a reference that leads to no file: it could be neither cut nor removed.
        """
        if isinstance(record, MediaSegment):
            self._resolve(record.uri)
            self._recording.add(record)
        return ()

    def make(self, record: Record) -> Iterable[Record]:
        """The clip of a final highlight. Raises :class:`RetryError` while its video is on the way or the disk is full."""
        if not isinstance(record, Highlight) or record.status != "final":
            return ()
        if said := self._said(record):
            return (said,)
        run = self._recording.run_around(record.room, record.start_ts, record.end_ts, record.event_ts)
        if self._still_coming(record, run):
            raise RetryError(f"the video of {record.id} in room {record.room} is not all here yet")
        self._waiting.pop((record.id, record.revision), None)
        with needs_disk(f"the clip of {record.id} in {self._folder}"):
            if run is None:
                return (self._failed(record, "no video of this moment was recorded"),)
            try:
                return (self._cut(record, run),)
            except InvalidError as error:
                return (self._failed(record, str(error)),)

    def _still_coming(self, highlight: Highlight, run: Run | None) -> bool:
        if run is not None and run.end_ts >= highlight.end_ts:
            return False
        newest = self._recording.newest_ts(highlight.room)
        began = self._waiting.setdefault((highlight.id, highlight.revision), self._clock())
        patient = self._clock() - began < WAIT_MS and newest is not None and newest < highlight.end_ts
        return patient or self._behind()  # after a pause the index may have hours of video still to read

    def _cut(self, highlight: Highlight, run: Run) -> Clip:
        path = self.path(highlight)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + PART)
        try:
            copy([self._resolve(s.uri) for s in run.segments], part, _metadata(highlight))
            clip = self._ready(highlight, run, path, check(part, run.end_ts - run.start_ts))
            with part.open("rb") as file:
                os.fsync(file.fileno())
            _keep(path.with_suffix(SAID), clip)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return clip

    def _said(self, highlight: Highlight) -> Clip | None:
        """What was said of this clip before: that it failed, or that it is ready, and then its file is in place and whole."""
        path = self.path(highlight)
        try:
            said = decode(path.with_suffix(SAID).read_bytes(), Clip)
        except (FileNotFoundError, InvalidError):
            return None
        whole = said.status == "failed" or (path.exists() and path.stat().st_size == said.size)
        return said if whole else None

    def _ready(self, highlight: Highlight, run: Run, path: Path, good: Checked) -> Clip:
        return Clip(
            room=highlight.room, event_ts=run.start_ts, ingest_ts=highlight.ingest_ts, id=f"clip:{highlight.id}",
            revision=highlight.revision, highlight=highlight.id, end_ts=run.end_ts, title=highlight.title,
            path=str(path.relative_to(self._folder)), mode="copy", status="ready", duration_ms=good.duration_ms,
            width=good.width, height=good.height, size=good.size, sha256=good.sha256,
            labels=labels(highlight) | _missing(highlight, run),
        )  # fmt: skip

    def _failed(self, highlight: Highlight, reason: str) -> Clip:
        clip = Clip(
            room=highlight.room, event_ts=highlight.start_ts, ingest_ts=highlight.ingest_ts, id=f"clip:{highlight.id}",
            revision=highlight.revision, highlight=highlight.id, end_ts=highlight.end_ts, title=highlight.title, path="",
            mode="copy", status="failed", labels=labels(highlight), reason=reason,
        )  # fmt: skip
        path = self.path(highlight)
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep(path.with_suffix(SAID), clip)
        return clip

    def path(self, highlight: Highlight) -> Path:
        """Where the clip of a highlight lies: by room and by ids we made, never by a title that somebody typed."""
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in highlight.id)
        return self._folder / _quoted(highlight.room) / f"{_short(name)}-{highlight.revision}.mp4"


def _keep(path: Path, clip: Clip) -> None:
    part = path.with_name(path.name + PART)
    with part.open("wb") as file:
        file.write(encode(clip))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _quoted(room: str) -> str:
    """The folder of a room, as the segment store names it: no two rooms share one."""
    quoted = quote(room, safe="")
    return _short("%2E" + quoted[1:] if quoted.startswith(".") else quoted.replace("~", "%7E"))


def _short(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 33]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


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


def _missing(highlight: Highlight, run: Run) -> dict[str, str]:
    """How much of the moment the recording does not hold."""
    gaps = {"missing_start_ms": run.start_ts - highlight.start_ts, "missing_end_ms": highlight.end_ts - run.end_ts}
    return {name: str(gap) for name, gap in gaps.items() if gap > 0}


def _metadata(highlight: Highlight) -> dict[str, str]:
    return {"title": highlight.title or highlight.id, "comment": f"room {highlight.room}, highlight {highlight.id}"}
