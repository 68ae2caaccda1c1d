"""Video as a source: a file, an HLS playlist, or a stream by RTMP or HTTP, into the segment store and onto ``live.frames``.

A file is examined before anything is made of it. A network address is opened only because the operator gave it; nothing inside
a file can name one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from streams.records import InvalidError
from streams.segments import SegmentStore
from streams.sources import media_limits as limits
from streams.sources.base import Event, Tally
from streams.sources.media_feed import Sender, wall_clock
from streams.sources.media_feeds import WAITS_S, FileFeed, LiveFeed
from streams.sources.media_playlist import check_playlist
from streams.sources.media_probe import Facts, probe
from streams.sources.media_segmenter import codecs_of, input_of_file, input_of_stream

_STREAM = re.compile(r"(rtmps?|https?)://[^\s]+", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


class MediaFile:
    """A video file or a local playlist, examined. It has no events of its own; its video comes by :meth:`media`.

    ``start_ts`` is when its first picture was taken; without one, so that its end is when the file was last written.
    """

    def __init__(self, path: Path, facts: Facts, formats: str, start_ts: int, stream: str, pictures: bool) -> None:
        self.path, self.facts, self.start_ts, self.stream = path, facts, start_ts, stream
        self.tally = Tally()
        size = f"{facts.width}x{facts.height}"
        self.dialect = f"{facts.container.split(',')[0]} video, {facts.video} {size}, {facts.audio or 'no sound'}"
        self._formats, self._pictures = formats, pictures

    def events(self) -> Iterator[Event]:
        """None: a video has no chat."""
        return iter(())

    def media(self, store: SegmentStore, publisher: Sender, room: str) -> FileFeed:
        """The file's segments, cut and stored as the replay's clock comes to them."""
        source = input_of_file(self.path, self._formats)
        return FileFeed(self, source, codecs_of(self.facts), store, publisher, room, pictures=self._pictures)


class MediaStream:
    """A stream of the network. Its time is the clock's when it arrives."""

    def __init__(self, url: str, stream: str, clock: Callable[[], int], pictures: bool) -> None:
        self.url, self.stream = url, stream
        self.dialect = f"a stream by {url.split(':', 1)[0].lower()}"
        self._clock, self._pictures = clock, pictures

    def events(self) -> Iterator[Event]:
        """None: a video has no chat."""
        return iter(())

    def media(self, store: SegmentStore, publisher: Sender, room: str, waits: Sequence[float] = WAITS_S) -> LiveFeed:
        """The stream's segments as they come, until :meth:`LiveFeed.close` or its end."""
        source, clock = input_of_stream(self.url), self._clock
        return LiveFeed(source, self.stream, store, publisher, room, clock, pictures=self._pictures, waits=waits)


def open_media(
    uri: str,
    *,
    start_ms: int | None = None,
    stream: str = "",
    pictures: bool = False,
    clock: Callable[[], int] = wall_clock,
) -> MediaFile | MediaStream:
    """Open a video file, a local ``.m3u8``, or an address with rtmp, rtmps, http or https.

    ``start_ms`` (epoch ms) is when a file's first picture was taken. With ``pictures`` each segment's first picture is
    stored and referenced too. Raises :class:`InvalidError` for what is no video, hides something else, or is too large.
    """
    if _STREAM.fullmatch(uri):
        if start_ms is not None:
            raise InvalidError(f"{uri}: a stream happens now; a start cannot be given for it")
        return MediaStream(uri, stream or f"live-{clock()}", clock, pictures)
    if _ADDRESS.match(uri) and not uri.startswith("file://"):
        raise InvalidError(f"{uri}: streams are read by rtmp, rtmps, http or https only")
    path = Path(uri.removeprefix("file://")).absolute()
    formats = _formats_of(path)
    facts = probe(path, formats)
    written = path.stat().st_mtime_ns // 1_000_000 - facts.duration_ms
    start = written if start_ms is None else start_ms
    return MediaFile(path, facts, formats, start, stream or _stream_name(path, start), pictures)


def _stream_name(path: Path, start: int) -> str:
    """The same file from the same start is the same stream, whatever its folder."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:40]
    return f"{plain}-{hashlib.sha256(path.name.encode()).hexdigest()[:6]}-{start}"


def _formats_of(path: Path) -> str:
    """What the file may be by its first bytes: a playlist only when its name says so too."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}") from error
    playlist = head.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U")
    if playlist and path.suffix.lower() not in (".m3u8", ".m3u"):
        raise InvalidError(f"{path}: it is a playlist that poses as {path.suffix or 'something else'}; refused")
    if playlist:
        check_playlist(path)
    return limits.PLAYLISTS if playlist else limits.FILES
