"""Ten minutes of very small video for the clipper: encoded once, stored per room, referenced as the scene's clock passes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import imageio_ffmpeg

from streams.kafka import Cluster
from streams.publisher import Publisher
from streams.records import MediaSegment, RetryError
from streams.segments import SegmentStore

SEGMENT_MS = 2_000
STREAM = "camera"


def encode(folder: Path, seconds: int) -> list[Path]:
    """Segments of two seconds, each beginning on a key frame."""
    folder.mkdir(parents=True, exist_ok=True)
    source = f"testsrc=size=96x72:rate=5:duration={seconds}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-threads", "1", "-f", "lavfi", "-i", source]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]
    command += [
        "-output_ts_offset",
        "10",
        "-f",
        "segment",
        "-segment_time",
        str(SEGMENT_MS // 1000),
        "-segment_format",
        "mpegts",
    ]
    subprocess.run([*command, str(folder / "%08d.ts")], check=True, timeout=120)
    return sorted(folder.glob("*.ts"))


class Film:
    """The video of some rooms. ``publish_until`` is called with the scene's clock and sends what has been filmed by then.

    As a real source does, it sends again what Kafka did not confirm: the same references, which count once.
    """

    def __init__(self, cluster: Cluster, store: SegmentStore, rooms: list[str], segments: list[Path], start_ts: int) -> None:
        self._publisher = Publisher(cluster, timeout_s=10, patient=True)
        self._waiting: list[MediaSegment] = []
        self._coming = sorted(
            (_reference(store, room, number, path, start_ts) for room in rooms for number, path in enumerate(segments)),
            key=lambda record: record.event_ts,
        )

    def publish_until(self, at: int) -> None:
        while self._coming and self._coming[0].event_ts + SEGMENT_MS <= at:
            record = self._coming.pop(0)
            self._publisher.send(record)
            self._waiting.append(record)
        if len(self._waiting) >= 60:
            self._confirm()

    def finish(self) -> None:
        """Send the rest and wait until all of it is safe."""
        self.publish_until(1 << 62)
        deadline = time.monotonic() + 120
        while self._waiting:
            assert time.monotonic() < deadline, "the video could not be published"
            self._confirm()

    def _confirm(self) -> None:
        try:
            self._publisher.flush()
        except RetryError:
            for record in self._waiting:
                self._publisher.send(record)
        else:
            self._waiting.clear()


def _reference(store: SegmentStore, room: str, number: int, path: Path, start_ts: int) -> MediaSegment:
    stored = store.put(room, STREAM, number, path.read_bytes())
    at = start_ts + number * SEGMENT_MS
    return MediaSegment(
        room=room, event_ts=at, ingest_ts=time.time_ns() // 1_000_000, stream=STREAM, seq=number, pts_ms=number * SEGMENT_MS,
        duration_ms=SEGMENT_MS, uri=stored.uri, sha256=stored.sha256, size=stored.size,
    )  # fmt: skip
