"""Looking at a media file before it is used, in a process of its own that may crash, hang or swell without harm.

:func:`probe` is the parent's side, :func:`main` the child's: a job as JSON on standard input, a :class:`Facts` or a reason on
standard output.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from streams.children import command, environment
from streams.records import InvalidError
from streams.sources import media_limits as limits

WATCHED_S = 60


class Facts(msgspec.Struct, frozen=True):
    """What a file holds. ``longest_gop_ms`` is between key frames, in the first minute; ``duration_ms`` 0 when it says none."""

    container: str
    video: str
    width: int
    height: int
    fps: float
    duration_ms: int
    longest_gop_ms: int
    audio: str = ""


class _Job(msgspec.Struct):
    path: str
    formats: str


class _Outcome(msgspec.Struct):
    facts: Facts | None = None
    reason: str = ""


def probe(path: Path, formats: str = limits.FILES) -> Facts:
    """What the file at ``path`` holds. Raises :class:`InvalidError` for what is no video, broken, or too large to decode."""
    job = msgspec.json.encode(_Job(str(path), formats))
    try:
        done = subprocess.run(
            command(__name__), input=job, capture_output=True, env=environment(), timeout=limits.PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidError(f"{path}: it could not be examined within {limits.PATIENCE_S:g} s; refused") from error
    try:
        outcome = msgspec.json.decode(done.stdout, type=_Outcome)
    except msgspec.DecodeError as error:
        how = "took too long" if done.returncode in (-9, -24) else f"broke off ({done.returncode})"
        raise InvalidError(f"{path}: examining it {how}; it is damaged or hostile, and refused") from error
    if outcome.facts is None:
        raise InvalidError(f"{path}: {outcome.reason}")
    return outcome.facts


def main() -> None:
    """The child."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.SECONDS_TO_PROBE, limits.SECONDS_TO_PROBE + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits.MOST_MEMORY, limits.MOST_MEMORY))
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=_Job)
    sys.stdout.buffer.write(msgspec.json.encode(_examine(job)))


def _examine(job: _Job) -> _Outcome:
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": job.formats}
    try:
        with av.open(f"file:{job.path}", options=options) as container:
            return _look(container)
    except av.error.FFmpegError as error:
        return _Outcome(
            reason=f"it cannot be read as video: {error.strerror}; the file is damaged, cut short, or something else"
        )
    except MemoryError:
        return _Outcome(reason="reading it takes too much memory; refused")


def _look(container: Any) -> _Outcome:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        return _Outcome(reason=f"it has no picture, only {kinds}; a room's video needs one")
    video = container.streams.video[0]
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > limits.MOST_PIXELS:
        return _Outcome(reason=f"its picture of {width}x{height} is larger than {limits.MOST_PIXELS} pixels; refused")
    video.codec_context.options = {"max_pixels": str(limits.MOST_PIXELS)}
    video.thread_type = "NONE"
    longest = _longest_gop(container, video)
    audio = container.streams.audio[0].codec_context.name if container.streams.audio else ""
    return _Outcome(
        Facts(
            container=container.format.name,
            video=video.codec_context.name,
            width=width,
            height=height,
            fps=float(video.average_rate or 0),
            duration_ms=_duration_ms(container, video),
            longest_gop_ms=longest,
            audio=audio,
        )
    )


def _duration_ms(container: Any, video: Any) -> int:
    if video.duration:
        return int(video.duration * video.time_base * 1000)
    return (container.duration or 0) // 1000


def _longest_gop(container: Any, video: Any) -> int:
    """Decode one picture, as a proof, then read on without decoding."""
    import av

    keys: list[float] = []
    last, decoded = 0.0, False
    for packet in container.demux(video):
        if packet.dts is None:
            break
        last = float((packet.pts or packet.dts) * packet.time_base)
        if not decoded:
            decoded = bool(packet.decode())
        if packet.is_keyframe:
            keys.append(last)
            if last - keys[0] > WATCHED_S:
                break
    if not keys or not (decoded or video.decode(None)):
        raise av.error.InvalidDataError(1, "no picture in it can be decoded")
    return int(max(after - before for before, after in zip(keys, [*keys[1:], last], strict=True)) * 1000)
