"""A recording made for the tests: real H.264 and AAC in MPEG-TS segments whose pictures carry their number."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

FPS = 25
GOP = 50
BITS = 12
BLOCK = 16


def picture(number: int) -> np.ndarray:
    """A grey picture whose first row of blocks spells ``number`` in black and white, lowest bit first."""
    image = np.full((240, 320, 3), 128, np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int:
    """The number that :func:`picture` wrote, after encoding."""
    middles = image[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK, 0]
    return sum(int(value > 127) << bit for bit, value in enumerate(middles))


def record(folder: Path, seconds: int) -> list[Path]:
    """Segments of 2 s, each a file that starts on a key frame, with time-stamps that run through."""
    paths: list[Path] = []
    for first in range(0, seconds * FPS, GOP):
        path = folder / f"{first // GOP:08d}.ts"
        with av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as out:
            video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "0", "g": str(GOP)})
            video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
            audio = out.add_stream("aac", rate=16000, layout="mono")
            for number in range(first, first + GOP):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = number + FPS, Fraction(1, FPS)  # above zero: the muxer shifts what is below
                out.mux(video.encode(frame))
            sound = np.sin(np.arange(16000 * 2) * 0.2).astype(np.float32)[None, :] * 0.2
            for start in range(0, sound.shape[1], 1000):
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1000]), "fltp", "mono")
                piece.sample_rate, piece.pts = 16000, 16000 + first * 640 + start
                piece.time_base = Fraction(1, 16000)
                out.mux(audio.encode(piece))
            out.mux(video.encode(None))
            out.mux(audio.encode(None))
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty seconds of video."""
    return record(tmp_path_factory.mktemp("recorded"), 40)


@pytest.fixture
def numbers() -> Callable[[Path], list[int]]:
    """Reads the numbers of all pictures of a file."""

    def read(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            return [number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]

    return read
