"""Encoding a run of two-second segments, in a process of its own (:func:`main`).

Standard input is a :class:`Job` as JSON. Each segment is one closed GOP of H.264 with its AAC in MPEG-TS; time-stamps count
from the room's start and go on from segment to segment. A line on standard output tells of each segment that is finished.
"""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from streams.sources.simulator.counter import HEIGHT, WIDTH
from streams.sources.simulator.picture import FPS, Card, Painter

SEGMENT_MS = 2_000
GOP = FPS * SEGMENT_MS // 1000
_X264 = {
    "preset": "ultrafast",
    "crf": "27",
    "g": str(GOP),
    "keyint_min": str(GOP),
    "sc_threshold": "0",
    "x264-params": "open-gop=0:bframes=0:scenecut=0",
    "threads": "1",
}
# marks the first packets: a reader of joined segments knows that counters start anew, and loses nothing
_TS = {"mpegts_flags": "+initial_discontinuity+resend_headers", "mpegts_copyts": "1"}


class Job(msgspec.Struct, frozen=True):
    """Segments ``first`` to before ``last``, into ``folder``."""

    cards: list[Card]
    sound: str
    folder: str
    first: int
    last: int


def work(job: Job) -> None:
    """Encode the run."""
    import av

    painter = Painter(job.cards)
    with av.open(job.sound) as sound:
        template = sound.streams.audio[0]
        packets = _by_segment(sound, template)
        for seq in range(job.first, job.last):
            data = _segment(painter, template, packets.get(seq, []), seq)
            Path(job.folder, f"{seq:08d}.ts").write_bytes(data)
            print(seq, flush=True)


def _by_segment(sound: Any, stream: Any) -> dict[int, list[Any]]:
    """The sound's packets by the segment in which they begin; the encoder's priming before zero is left out."""
    grouped: dict[int, list[Any]] = {}
    for packet in sound.demux(stream):
        if packet.pts is not None and packet.pts >= 0:
            grouped.setdefault(int(packet.pts * packet.time_base * 1000) // SEGMENT_MS, []).append(packet)
    return grouped


def _segment(painter: Painter, template: Any, packets: list[Any], seq: int) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mpegts", options=_TS) as container:
        video = container.add_stream("libx264", rate=FPS, options=_X264)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = Fraction(1, FPS)
        audio = container.add_stream_from_template(template)
        for number in range(seq * GOP, (seq + 1) * GOP):
            frame = av.VideoFrame.from_ndarray(painter.paint(number), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for packet in packets:
            packet.stream = audio
            container.mux(packet)
    return target.getvalue()


def main() -> None:
    """The process."""
    work(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
