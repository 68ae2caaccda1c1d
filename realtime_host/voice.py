"""Speech out, the floor: espeak-ng behind the interface that a natural voice will take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import wave
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import IO, Protocol

from realtime_host.readings import pinyin
from streams.records import InvalidError, RetryError

LONGEST = 300
"""Characters a sentence may have; a longer one is a mistake upstream, not something to say in one breath."""


@dataclass(frozen=True)
class Utterance:
    """Spoken words: 16-bit mono samples at ``sample_rate`` Hz, and what it took (ms) by stage."""

    samples: bytes
    sample_rate: int
    latency_ms: dict[str, float]

    @property
    def duration_ms(self) -> int:
        return len(self.samples) * 500 // self.sample_rate

    def wav(self) -> bytes:
        """The utterance as a WAV file."""
        file = BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.sample_rate)
            out.writeframes(self.samples)
        return file.getvalue()


class Voice(Protocol):
    """A voice that speaks Mandarin. ``model`` and ``device`` say what is running."""

    @property
    def model(self) -> str: ...
    @property
    def device(self) -> str: ...
    def speak(self, text: str) -> Utterance: ...
    def close(self) -> None: ...


class EspeakVoice:
    """espeak-ng in its own process: always there, first sound in a millisecond, and no voice to sell with.

    Safe to use from several threads. The process is started at the first sentence and again when it has died.
    """

    device = "cpu"

    def __init__(self, rate: int = 190) -> None:
        self._rate = rate
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()
        self._version = ""
        self._sample_rate = 0

    @property
    def model(self) -> str:
        return f"espeak-ng {self._version}".strip()

    def speak(self, text: str) -> Utterance:
        """The sentence as sound. Raises :class:`InvalidError` for an empty or endless one, :class:`RetryError` when the
        synthesiser died over it twice."""
        if not any(character.isalnum() for character in text):
            raise InvalidError(f"there is nothing to say in {text[:40]!r}: no letter, digit or character")
        if len(text) > LONGEST:
            raise InvalidError(f"the text has {len(text)} characters; say at most {LONGEST} at a time")
        began = time.perf_counter()
        reading = pinyin(text)
        read = time.perf_counter()
        with self._lock:
            samples = self._ask(reading)
        spoken = time.perf_counter()
        latency = {"reading": (read - began) * 1e3, "synthesis": (spoken - read) * 1e3}
        return Utterance(samples, self._sample_rate, latency)

    def _ask(self, reading: str) -> bytes:
        for last in (False, True):
            try:
                return self._exchange(reading)
            except (OSError, EOFError) as error:
                self.close()
                if last:
                    raise RetryError(f"the espeak-ng process died twice over one sentence: {error}") from error
        raise AssertionError("unreachable")

    def _exchange(self, reading: str) -> bytes:
        source, sink = self._pipes()
        sink.write(json.dumps({"text": reading, "rate": self._rate}).encode() + b"\n")
        sink.flush()
        size = int(_line(source))
        samples = source.read(size)
        if len(samples) < size:
            raise EOFError("it stopped in the middle of a sentence")
        return samples

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            command = [sys.executable, "-m", "realtime_host.voice_process"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._process.stdout
            hello = json.loads(_line(self._process.stdout))
            self._version, self._sample_rate = hello["version"], hello["sample_rate"]
        assert self._process.stdin
        assert self._process.stdout
        return self._process.stdout, self._process.stdin

    def close(self) -> None:
        """End the synthesiser's process."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stdin):
            assert pipe
            with suppress(BrokenPipeError):  # a request that it died over may still wait in the buffer
                pipe.close()


def _line(source: IO[bytes]) -> bytes:
    line = source.readline()
    if not line.endswith(b"\n"):
        raise EOFError("it said nothing")
    return line
