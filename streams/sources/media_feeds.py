"""Feeds that cut as they go: a file's segments when the replay's clock comes to them, a stream's as they arrive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from streams.records import Frame, InvalidError, MediaSegment, RetryError
from streams.segments import SegmentStore
from streams.sources.media_feed import Segment, Sender, reference, wall_clock
from streams.sources.media_segmenter import Piece, Segmenter, picture

if TYPE_CHECKING:
    from streams.sources.media import MediaFile

GAP_MS = 500
"""Between the end of one segment and the start of the next: more is a discontinuity."""

SHORT_MS = 1_000
WAITS_S = (1.0, 2.0, 4.0, 8.0, 8.0)
"""How long a stream that fails to give anything is left alone, each time in a row, before the feed gives up."""


class _Shelf:
    """Puts finished pieces into the store and makes their references. ``seq`` counts over all of a stream's runs."""

    def __init__(self, store: SegmentStore, room: str, stream: str, clock: Callable[[], int], pictures: bool) -> None:
        self._store, self._room, self._stream, self._clock, self._pictures = store, room, stream, clock, pictures
        self._seq = 0
        self._end_ms: int | None = None

    def take(self, piece: Piece, start_ts: int, broken: bool = False) -> list[MediaSegment | Frame]:
        """Store one piece; ``start_ts`` is the time of the stream's zero."""
        gap = self._end_ms is not None and abs(start_ts + piece.start_ms - self._end_ms) > GAP_MS
        self._end_ms = start_ts + piece.end_ms
        seq, length = self._seq, piece.end_ms - piece.start_ms
        self._seq += 1
        shot = self._picture(piece, start_ts, seq)
        stored = self._store.adopt(self._room, self._stream, seq, piece.file)
        piece.file.unlink()
        segment = Segment(seq, piece.start_ms, length, stored, broken or gap)
        return [reference(self._room, self._stream, start_ts, segment, self._clock()), *shot]

    def _picture(self, piece: Piece, start_ts: int, seq: int) -> list[MediaSegment | Frame]:
        if not self._pictures:
            return []
        try:
            stored = self._store.put(self._room, self._stream, seq, picture(piece.file), ".jpg")
        except InvalidError:
            return []  # a segment whose first picture is damaged still plays further on
        return [
            Frame(
                room=self._room,
                event_ts=start_ts + piece.start_ms,
                ingest_ts=self._clock(),
                stream=self._stream,
                seq=seq,
                pts_ms=piece.start_ms,
                uri=stored.uri,
                sha256=stored.sha256,
                size=stored.size,
            )
        ]


class FileFeed:
    """The video of a file. A file that ends earlier than it says is noted in the source's tally."""

    def __init__(
        self,
        source: MediaFile,
        arguments: list[str],
        codecs: list[str],
        store: SegmentStore,
        publisher: Sender,
        room: str,
        *,
        pictures: bool = False,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.start_ms = source.start_ts
        self._source, self._publisher = source, publisher
        self._shelf = _Shelf(store, room, source.stream, clock, pictures)
        self._segmenter: Segmenter | None = Segmenter(store, arguments, codecs)
        self._pieces = iter(self._segmenter)
        self._waiting: list[Piece] = []
        self._last_ms = 0
        if not source.facts.duration_ms:  # only the end tells how long it is
            self._waiting = list(self._pieces)
        ends = [piece.end_ms for piece in self._waiting]
        self.end_ms: int | None = self.start_ms + (max(ends) if ends else source.facts.duration_ms)

    def publish_until(self, at_ms: int) -> int:
        """Publish what has ended by ``at_ms``; at :attr:`end_ms` and later all that is left."""
        assert self.end_ms is not None
        count = 0
        while (piece := self._peek()) is not None and (at_ms >= self.end_ms or self.start_ms + piece.end_ms <= at_ms):
            self._waiting.pop(0)
            self._last_ms = piece.end_ms
            for record in self._shelf.take(piece, self.start_ms):
                self._publisher.send(record)
            count += 1
        return count

    def _peek(self) -> Piece | None:
        if not self._waiting and self._segmenter is not None:
            piece = next(self._pieces, None)
            if piece is None:
                self._finish()
            else:
                self._waiting.append(piece)
        return self._waiting[0] if self._waiting else None

    def _finish(self) -> None:
        assert self._segmenter is not None
        missing = self._source.facts.duration_ms - self._last_ms
        if self._segmenter.failure or missing > SHORT_MS:
            why = self._segmenter.failure or "the file is cut short"
            self._source.tally.damage(
                f"{max(0, missing) / 1000:.1f} s of video are missing at the end: {why}", str(self._source.path)
            )
        self.close()

    def close(self) -> None:
        """End ffmpeg and remove what was cut and not published."""
        if self._segmenter is not None:
            self._segmenter.__exit__(None, None, None)
            self._segmenter = None


class LiveFeed:
    """The video of a stream, from now on. A connection that breaks is opened again; what follows is a discontinuity.

    ``end_ms`` is None until the stream has ended.
    """

    def __init__(
        self,
        arguments: list[str],
        stream: str,
        store: SegmentStore,
        publisher: Sender,
        room: str,
        clock: Callable[[], int] = wall_clock,
        *,
        pictures: bool = False,
        waits: Sequence[float] = WAITS_S,
    ) -> None:
        self.start_ms = clock()
        self.end_ms: int | None = None
        self._arguments, self._store, self._publisher, self._clock = arguments, store, publisher, clock
        self._shelf = _Shelf(store, room, stream, clock, pictures)
        self._ready: queue.SimpleQueue[MediaSegment | Frame | Exception | None] = queue.SimpleQueue()
        self._waits = waits
        self._held: MediaSegment | Frame | None = None
        self._stop = threading.Event()
        self._segmenter: Segmenter | None = None
        self._thread = threading.Thread(target=self._read, name="media", daemon=True)
        self._thread.start()

    def publish_until(self, at_ms: int) -> int:
        """Publish what has arrived and has ended by ``at_ms``.

        Raises :class:`RetryError` when the stream cannot be had any more, :class:`InvalidError` when it is no video.
        """
        count = 0
        while (record := self._take()) is not None:
            self._held = record  # until it is handed over: a stream is not seen twice
            if isinstance(record, MediaSegment) and record.event_ts + record.duration_ms > at_ms:
                break
            self._publisher.send(record)
            self._held = None
            count += isinstance(record, MediaSegment)
        return count

    def close(self) -> None:
        """Leave the stream."""
        self._stop.set()
        if self._segmenter is not None:
            self._segmenter.stop()
        self._thread.join()

    def _take(self) -> MediaSegment | Frame | None:
        if self._held is not None:
            record, self._held = self._held, None
            return record
        try:
            item = self._ready.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        if item is None:
            self.end_ms = self._clock()
        return item

    def _read(self) -> None:
        try:
            for record in self._records():
                self._ready.put(record)
            self._ready.put(None)
        except Exception as error:  # it is raised in the thread that publishes
            self._ready.put(error)

    def _records(self) -> Iterator[MediaSegment | Frame]:
        failures, broken = 0, False
        while not self._stop.is_set():
            gave = False
            with Segmenter(self._store, self._arguments, ["-c", "copy"]) as segmenter:
                self._segmenter = segmenter
                if self._stop.is_set():
                    return
                zero: int | None = None
                for piece in segmenter:
                    # the first piece has just ended: that gives the stream's zero on our clock
                    zero = self._clock() - piece.end_ms if zero is None else zero
                    yield from self._shelf.take(piece, zero, broken and not gave)
                    gave = True
                failure = segmenter.failure
            if not failure or self._stop.is_set():
                return
            failures, broken = (1 if gave else failures + 1), broken or gave
            if failures > len(self._waits):
                raise RetryError(f"the stream gives no video after {failures} attempts: {failure}")
            self._stop.wait(self._waits[failures - 1])
