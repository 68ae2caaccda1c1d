"""Cutting by stream copy: packets of whole segments into one MP4, without decoding a picture.

The cut begins on the key frame that opens its first segment and ends with its last one, so it is up to a segment longer than
asked on either side: at 2-4 s a segment that is the price of 0.1 CPU-seconds a clip.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from streams.records import InvalidError, RetryError

_SAFE = {"protocol_whitelist": "file", "format_whitelist": "mpegts,mov,mp4"}
"""What a segment may be: ffmpeg would otherwise follow a playlist that poses as video."""
_PRIMING = Fraction(1, 4)
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


def copy(segments: Sequence[Path], target: Path, metadata: dict[str, str]) -> None:
    """Write the packets of ``segments`` (in order, of one continuous stream) to the MP4 ``target``.

    Time-stamps start at zero and stay continuous. Raises :class:`InvalidError` when a segment cannot be read or they do not fit
    together, :class:`RetryError` when the file cannot be written (a full disk); ``target`` is then gone.
    """
    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as out:
            out.metadata.update(metadata)
            _Copier(out).run(segments)
    except (OSError, av.error.FFmpegError) as error:
        target.unlink(missing_ok=True)
        if error.errno in _CANNOT_WRITE:
            raise RetryError(f"cannot write the clip {target}: {error}; make room or mend the folder's rights") from error
        raise InvalidError(f"the video of the clip {target.name} cannot be copied: {error.strerror}") from error
    except InvalidError:
        target.unlink(missing_ok=True)
        raise


class _Copier:
    """Carries packets of input segments to the output and keeps their time-stamps rising across segments."""

    def __init__(self, out: OutputContainer) -> None:
        self._out = out
        self._streams: dict[str, Stream] = {}
        self._origin: Fraction | None = None
        self._last_dts: dict[str, int] = {}

    def run(self, segments: Sequence[Path]) -> None:
        for path in segments:
            try:
                container = av.open(str(path), options=_SAFE)
            except (OSError, av.error.FFmpegError) as error:
                raise InvalidError(f"segment {path.name} cannot be opened as video: {error.strerror}") from error
            with container:
                self._copy(container, path)

    def _copy(self, container: InputContainer, path: Path) -> None:
        inputs = [stream for stream in container.streams if stream.type in ("video", "audio")]
        if not any(stream.type == "video" for stream in inputs):
            raise InvalidError(f"segment {path.name} has no picture")
        if not self._streams:
            self._streams = {stream.type: self._out.add_stream_from_template(stream) for stream in inputs}
        for packet in container.demux(inputs):
            if packet.dts is not None and packet.pts is not None and packet.stream.type in self._streams:
                self._mux(packet, packet.stream.type)

    def _mux(self, packet: Packet[Any], kind: str) -> None:
        base = packet.time_base
        assert packet.dts is not None
        assert packet.pts is not None
        if self._origin is None:
            if kind != "video" or not packet.is_keyframe:
                return  # sound that begins before the first picture would shift the picture
            self._origin = packet.pts * base
        shift = int(self._origin / base)
        if kind == "audio" and packet.pts < shift:
            return
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if (overlap := self._last_dts.get(kind, packet.dts - 1) - packet.dts) >= 0:
            if kind == "audio" and overlap * base <= _PRIMING:
                return  # an encoder that starts anew with each segment says its first packets twice
            raise InvalidError(f"time-stamps of the {kind} run backwards across segments; the recording broke there")
        self._last_dts[kind] = packet.dts
        packet.stream = self._streams[kind]
        self._out.mux(packet)
