"""Whether a clip holds exactly the pictures it says: the simulator wrote a number into every frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.sources.simulator import read_frame_counter
from streams.sources.simulator.truth import Truth


def frames_of(path: Path) -> list[int | None]:
    """The numbers in the pictures of a video file, in order; None for a picture without a readable one."""
    import av

    with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
        return [read_frame_counter(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def is_exact(truth: Truth, clip: dict[str, Any], path: Path) -> bool:
    """Every frame from the clip's catalogued start to its end is there once, in order, and no other."""
    law = truth.video
    first = round((clip["ts"].timestamp() * 1000 - truth.base_ts) * law.fps / 1000)
    last = round((clip["end_ts"].timestamp() * 1000 - truth.base_ts) * law.fps / 1000)
    return frames_of(path) == list(range(first, min(last, law.frames)))
