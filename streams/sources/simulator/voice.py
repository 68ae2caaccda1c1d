"""The host's voice: sentences spoken by espeak-ng, each at its planned time, as one raw track.

Run as a process of its own (:func:`main`): espeak-ng is one synthesiser per process, and its
licence stays on its side of the pipe. Standard input is a :class:`Job` as JSON; the track is written to its path as 16-bit
mono. Readings come from pypinyin, because espeak-ng's own Chinese dictionary knows few characters.
"""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

RATE = 22_050
USUAL, SLOWEST, FASTEST = 205, 130, 420  # espeak's words a minute
_RETRIEVAL, _RATE_PARAMETER, _UTF8, _QUIET = 2, 1, 1, 250


class Line(msgspec.Struct, frozen=True):
    """A sentence and its place on the track, in milliseconds."""

    text: str
    start: int
    end: int


class Job(msgspec.Struct, frozen=True):
    """What to speak and where to write it. ``length`` of the track in milliseconds."""

    lines: list[Line]
    length: int
    path: str


class Voice:
    """espeak-ng, opened once."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data = str(espeakng_loader.get_data_path()).encode()
        if self._library.espeak_Initialize(_RETRIEVAL, 0, data, 0) != RATE:
            raise RuntimeError("espeak-ng could not be opened at 22,050 Hz")
        if self._library.espeak_SetVoiceByName(b"cmn-latn-pinyin"):
            raise RuntimeError("espeak-ng has no voice cmn-latn-pinyin")
        self._heard = bytearray()
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._hear)  # kept: the library holds only the pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._heard += ctypes.string_at(samples, count * 2)
        return 0

    def say(self, reading: str, words_a_minute: int) -> NDArray[np.int16]:
        """Speak a reading in pinyin with tone numbers; silence at the end is cut off."""
        self._heard.clear()
        self._library.espeak_SetParameter(_RATE_PARAMETER, words_a_minute, 0)
        text = reading.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.frombuffer(bytes(self._heard), np.int16)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
        return samples[: loud[-1] + 1] if len(loud) else samples[:0]

    def fit(self, reading: str, count: int) -> NDArray[np.int16]:
        """Speak within ``count`` samples: at another speed if need be, cut with a short fade if even that is too long."""
        speed = USUAL
        for _ in range(4):
            samples = self.say(reading, speed)
            if 0.9 * count <= len(samples) <= count or not len(samples):
                break
            speed = min(FASTEST, max(SLOWEST, round(speed * len(samples) / (0.96 * count))))
        samples = samples[:count].copy()
        fade = min(len(samples), RATE // 50)
        samples[len(samples) - fade :] = (samples[len(samples) - fade :] * np.linspace(1, 0, fade)).astype(np.int16)
        return samples


def reading(text: str) -> str:
    """Pinyin with tone numbers; Latin letters one by one."""
    from pypinyin import Style, lazy_pinyin

    spaced = re.sub(r"([A-Za-z])", r" \1 ", text)
    return " ".join(lazy_pinyin(spaced, style=Style.TONE3, neutral_tone_with_five=True))


def speak(job: Job) -> None:
    """Write the track."""
    voice = Voice()
    track = np.zeros(job.length * RATE // 1000, np.int16)
    for line in job.lines:
        start, end = line.start * RATE // 1000, line.end * RATE // 1000
        samples = voice.fit(reading(line.text), end - start)
        track[start : start + len(samples)] = samples[: len(track) - start]
    track.tofile(job.path)


def main() -> None:
    """The process."""
    speak(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
