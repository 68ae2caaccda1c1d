"""Small real videos, made by ffmpeg when the tests run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from streams.records import Frame, MediaSegment, Record
from streams.segments import SegmentStore
from streams.sources.simulator.counter import HEIGHT, WIDTH, draw_counter

FPS = 25


class Publisher:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Record] = []

    def send(self, record: Record) -> None:
        self.sent.append(record)

    @property
    def segments(self) -> list[MediaSegment]:
        return [record for record in self.sent if isinstance(record, MediaSegment)]

    @property
    def frames(self) -> list[Frame]:
        return [record for record in self.sent if isinstance(record, Frame)]


def ffmpeg(*arguments: str) -> None:
    """Run ffmpeg and insist on its success."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def store(tmp_path: Path) -> SegmentStore:
    return SegmentStore(tmp_path / "store")


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a video of eight seconds with a frame counter and a tone, of any codec; the same arguments give the same file."""
    folder = tmp_path_factory.mktemp("videos")
    raw = folder / "counted.gray"
    with raw.open("wb") as file:
        for number in range(8 * FPS):
            picture = np.full((HEIGHT, WIDTH), 90, np.uint8)
            draw_counter(picture, number)
            file.write(picture[::2, ::2].tobytes())

    def make(name: str, *codecs: str) -> Path:
        path = folder / name
        if not path.exists():
            size = f"{WIDTH // 2}x{HEIGHT // 2}"
            picture = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", str(FPS), "-i", str(raw)]
            tone = ["-f", "lavfi", "-i", "sine=440:duration=8"]
            ffmpeg(*picture, *tone, "-pix_fmt", "yuv420p", *codecs, "-shortest", str(path))
        return path

    return make
