"""The check after every write: what a marketer opens must play."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import av

from streams.records import InvalidError

TOLERANCE_MS = 500


@dataclass(frozen=True)
class Checked:
    """A file that was reopened and found good."""

    duration_ms: int
    width: int
    height: int
    size: int
    sha256: str


def check(path: Path, expected_ms: int) -> Checked:
    """Reopen ``path``: its streams, its length (``expected_ms`` ± 500), a key frame first, one frame that decodes.

    Raises :class:`InvalidError` that says what is wrong.
    """
    size = path.stat().st_size if path.exists() else 0
    if size == 0:
        raise InvalidError(f"{path.name} is empty")
    try:
        with av.open(str(path), options={"protocol_whitelist": "file", "format_whitelist": "mov,mp4"}) as container:
            video = container.streams.video[0]
            length_ms = round((container.duration or 0) / 1000)
            packet = next(container.demux(video))
            if not packet.is_keyframe:
                raise InvalidError(f"{path.name} does not start on a key frame")
            container.seek(0)
            frame = next(container.decode(video))
    except (OSError, av.error.FFmpegError, StopIteration, IndexError) as error:
        raise InvalidError(f"{path.name} does not play: {error or type(error).__name__}") from error
    if abs(length_ms - expected_ms) > TOLERANCE_MS:
        raise InvalidError(f"{path.name} lasts {length_ms} ms where {expected_ms} ms were to be cut")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Checked(length_ms, frame.width, frame.height, size, digest)
