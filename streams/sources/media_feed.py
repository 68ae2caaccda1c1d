"""Publishing a source's video: references to what lies in the segment store, sent as a replay's clock passes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streams.records import MediaSegment, Record
from streams.segments import Stored


class Sender(Protocol):
    """What a feed publishes through."""

    def send(self, record: Record) -> object: ...


class Segment(NamedTuple):
    """One stored segment of a stream: ``pts_ms`` counts from the stream's start."""

    seq: int
    pts_ms: int
    duration_ms: int
    stored: Stored
    discontinuity: bool = False

    @property
    def end_ms(self) -> int:
        """Where the next one begins."""
        return self.pts_ms + self.duration_ms


def wall_clock() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def reference(room: str, stream: str, start_ts: int, segment: Segment, ingest_ts: int) -> MediaSegment:
    """The claim check of a stored segment."""
    return MediaSegment(
        room=room,
        event_ts=start_ts + segment.pts_ms,
        ingest_ts=ingest_ts,
        stream=stream,
        seq=segment.seq,
        pts_ms=segment.pts_ms,
        duration_ms=segment.duration_ms,
        uri=segment.stored.uri,
        sha256=segment.stored.sha256,
        size=segment.stored.size,
        discontinuity=segment.discontinuity,
    )


class StoredFeed:
    """The feed of a stream that lies in the store as a whole."""

    def __init__(
        self,
        publisher: Sender,
        room: str,
        stream: str,
        start_ts: int,
        segments: Sequence[Segment],
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.start_ms = start_ts
        self.end_ms: int | None = start_ts + segments[-1].end_ms if segments else start_ts
        self._publisher, self._room, self._stream = publisher, room, stream
        self._segments, self._clock, self._next = segments, clock, 0

    def publish_until(self, at_ms: int) -> int:
        """Publish every segment that has ended by ``at_ms`` (the clock of the events) and was not published yet."""
        first = self._next
        while self._next < len(self._segments) and self.start_ms + self._segments[self._next].end_ms <= at_ms:
            segment = self._segments[self._next]
            self._publisher.send(reference(self._room, self._stream, self.start_ms, segment, self._clock()))
            self._next += 1
        return self._next - first

    def close(self) -> None:
        """Nothing is held."""
