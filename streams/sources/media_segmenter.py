"""Cutting a file or a stream into segments on key frames, by ffmpeg in a process of its own.

Packets are copied. Only what MPEG-TS cannot carry, or a file whose key frames lie too far apart, is encoded anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from streams.broker.child import Child
from streams.records import InvalidError, RetryError
from streams.segments import IN_USE, SegmentStore
from streams.sources import media_limits as limits
from streams.sources.media_probe import Facts

SEGMENT_S = 2
LONGEST_GOP_MS = 12_000  # encoders' own default is 250 frames: 10 s at 25
_SHIFT_S = 10  # keeps decoding times positive, so that no segment is shifted against its neighbours
_COPIED_VIDEO = ("h264", "hevc")
_COPIED_AUDIO = ("aac", "mp3", "")
_BROKEN_OFF = "Error during demuxing"  # ffmpeg ends in peace after it, as if this were the stream's end
_ENCODED = ["libx264", "-preset", "veryfast", "-crf", "21", "-bf", "0", "-pix_fmt", "yuv420p", "-sc_threshold", "0"]


@dataclass(frozen=True)
class Piece:
    """A finished segment as a file; times in milliseconds from the stream's start."""

    file: Path
    start_ms: int
    end_ms: int


def input_of_file(path: Path, formats: str) -> list[str]:
    """ffmpeg's input for a local file."""
    allowed = ["-protocol_whitelist", "file", "-format_whitelist", formats, "-max_pixels", str(limits.MOST_PIXELS)]
    return [*allowed, "-i", f"file:{path}"]


def input_of_stream(url: str) -> list[str]:
    """ffmpeg's input for a stream that the operator named."""
    rtmp = url.lower().startswith("rtmp")
    protocols = "rtmp,rtmps,rtmpt,tcp,tls,http" if rtmp else "http,https,tcp,tls,crypto"
    allowed = ["-protocol_whitelist", protocols, "-format_whitelist", limits.STREAMS, "-max_pixels", str(limits.MOST_PIXELS)]
    patience = ["-rw_timeout", str(limits.SILENCE_S * 1_000_000)]
    return [*allowed, *patience, *([] if rtmp else ["-max_redirects", "0"]), "-i", url]


def codecs_of(facts: Facts) -> list[str]:
    """Copy what can be copied."""
    copied = facts.video in _COPIED_VIDEO and facts.longest_gop_ms <= LONGEST_GOP_MS
    keys = ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_S})"]
    video = ["copy"] if copied else [*_ENCODED, *keys]
    return ["-c:v", *video, "-c:a", *(["copy"] if facts.audio in _COPIED_AUDIO else ["aac", "-b:a", "128k"])]


class Segmenter:
    """One run of ffmpeg. Iterate it for its pieces; close it in any case. ``failure`` is ffmpeg's last word if it failed.

    ffmpeg is killed when this process dies. What it has cut by then stays in ``store.incoming`` until the store is swept: the
    file of its errors is locked as long as somebody lives who needs the folder.
    """

    def __init__(self, store: SegmentStore, source: list[str], codecs: list[str]) -> None:
        import imageio_ffmpeg

        self.failure = ""
        self._folder = Path(tempfile.mkdtemp(prefix="media-", dir=store.incoming))
        self._errors = (self._folder / IN_USE).open("w+b")
        fcntl.flock(self._errors, fcntl.LOCK_EX)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", *source]
        command += ["-map", "0:v:0", "-map", "0:a:0?", "-dn", "-sn", *codecs, "-output_ts_offset", str(_SHIFT_S)]
        command += ["-f", "segment", "-segment_format", "mpegts", "-segment_time", str(SEGMENT_S)]
        command += ["-segment_list", "pipe:1", "-segment_list_type", "csv", str(self._folder / "%08d.ts")]
        listed, list_end = os.pipe()
        self._listed = os.fdopen(listed, "rb")
        try:
            self._child = Child(command, output=list_end, errors=self._errors, on_orphan=signal.SIGKILL)
        finally:
            os.close(list_end)

    def __iter__(self) -> Iterator[Piece]:
        for line in self._listed:
            name, start, end = line.decode().strip().rsplit(",", 2)
            start_ms, end_ms = (round(float(value) * 1000) - _SHIFT_S * 1000 for value in (start, end))
            start_ms = max(0, start_ms)  # ffmpeg lists the first one from zero, whatever the shift
            if end_ms > start_ms:
                yield Piece(self._folder / Path(name).name, start_ms, end_ms)
        self._child.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").replace(str(self._folder), "").strip()
        if self._child.exit_code or _BROKEN_OFF in words:
            self.failure = words[-400:] or f"ffmpeg ended with {self._child.exit_code}"

    def stop(self) -> None:
        """End ffmpeg; the iteration ends then."""
        self._child.send(signal.SIGKILL)

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._child.wait()
        self._listed.close()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def picture(segment: Path, width: int = 640) -> bytes:
    """The key frame that opens a segment, as JPEG. Raises :class:`InvalidError` when it cannot be decoded."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"]
    command += [*input_of_file(segment, "mpegts"), "-frames:v", "1", "-vf", f"scale={width}:-2", "-f", "mjpeg", "pipe:1"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limits.PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RetryError(f"the picture of {segment.name} was not decoded within {limits.PATIENCE_S:g} s") from error
    if done.returncode or not done.stdout:
        raise InvalidError(f"the picture of {segment.name} cannot be decoded: {done.stderr.decode(errors='replace')[-200:]}")
    return done.stdout
