"""The sound of a simulated room: the spoken track as AAC, made once for the whole room so that it has no seams."""

from __future__ import annotations

import importlib.util
import subprocess
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np

from streams.children import command, environment
from streams.records import FatalError
from streams.sources.simulator import voice
from streams.sources.simulator.script import Script

RATE = 44_100
_BLOCK = 1024 * 64


def write_sound(script: Script, length: int, path: Path) -> None:
    """Speak the script into an .m4a of ``length`` milliseconds. Raises :class:`FatalError` without the speech packages."""
    missing = [name for name in ("espeakng_loader", "pypinyin") if importlib.util.find_spec(name) is None]
    if missing:
        raise FatalError(f"the simulated host cannot speak without {' and '.join(missing)}: pip install 'livetide[host]'")
    raw = path.with_suffix(".pcm")
    lines = [voice.Line(said.text, said.start, said.end) for said in script.sentences if said.end <= length]
    job = msgspec.json.encode(voice.Job(lines, length, str(raw)))
    done = subprocess.run(command(voice.__name__), input=job, capture_output=True, env=environment(), check=False)
    if done.returncode:
        raise FatalError(f"the simulated host's voice failed: {done.stderr.decode(errors='replace')[-500:]}")
    _encode(np.fromfile(raw, np.int16), path)
    raw.unlink()


def _encode(track: np.ndarray[tuple[int], np.dtype[np.int16]], path: Path) -> None:
    import av

    between = (track.astype(np.int32) + np.append(track[1:], 0)) // 2
    doubled = np.empty(len(track) * 2, np.int16)  # 22,050 → 44,100 Hz by straight lines: plays everywhere
    doubled[0::2], doubled[1::2] = track, between
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono", options={"b": "64k"})
        for start in range(0, len(doubled), _BLOCK):
            frame = av.AudioFrame.from_ndarray(doubled[None, start : start + _BLOCK], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
