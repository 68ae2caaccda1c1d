"""The host's loop, thin: a command in, a spoken file and an event out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from realtime_host.voice import Voice
from streams.records import HostCommand, HostEvent, InvalidError, Record, decode, encode, needs_disk

STALE_MS = 30_000
"""A question is not answered half a minute later: the talk has moved on."""
SIMULATED = ["avatar", "transport"]
"""Stages of the pipeline that are stand-ins for now: nobody sees a face, and no player receives the sound."""


class Host:
    """Turns commands into speech files under ``folder`` and says what was done.

    What was said is kept beside the sound before the event leaves, so that a command seen again after a crash gives the same
    event to the letter. ``clock`` is the wall clock in epoch ms.
    """

    def __init__(self, voice: Voice, folder: Path, clock: Callable[[], int]) -> None:
        self._voice = voice
        self._folder = folder
        self._clock = clock

    def handle(self, record: Record) -> Iterable[Record]:
        """Carry out a command. Anything else is none of the host's business. Raises ``RetryError`` while the disk is full."""
        if not isinstance(record, HostCommand):
            return ()
        path = self.path(record)
        said = path.with_suffix(".event")
        if said.exists():
            return (decode(said.read_bytes(), HostEvent),)
        with needs_disk(f"what is said of {record.id} in {self._folder}"):
            event = self._carry_out(record, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(said, encode(event))
        return (event,)

    def _carry_out(self, command: HostCommand, path: Path) -> HostEvent:
        waited = self._clock() - command.ingest_ts
        if command.action == "stop":
            return self._event(command, "interrupted", reason=command.because)
        if waited > STALE_MS:
            return self._event(command, "skipped", reason=f"it came {waited / 1000:.0f} s late")
        try:
            began = time.perf_counter()
            utterance = self._voice.speak(command.text)
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(path, utterance.wav())
        except InvalidError as error:
            return self._event(command, "failed", reason=str(error))
        latency = {"wait": float(waited), **utterance.latency_ms, "total": waited + (time.perf_counter() - began) * 1e3}
        return self._event(
            command,
            "spoken",
            path=str(path.relative_to(self._folder)),
            duration_ms=utterance.duration_ms,
            latency_ms={stage: round(value, 3) for stage, value in latency.items()},
        )

    def _event(
        self,
        command: HostCommand,
        kind: Literal["spoken", "skipped", "interrupted", "failed"],
        *,
        path: str = "",
        duration_ms: int = 0,
        latency_ms: dict[str, float] | None = None,
        reason: str = "",
    ) -> HostEvent:
        return HostEvent(
            room=command.room, event_ts=command.event_ts, ingest_ts=command.ingest_ts, id=f"host:{command.id}",
            revision=command.revision, command=command.id, type=kind, text=command.text, path=path, duration_ms=duration_ms,
            latency_ms=latency_ms or {}, model=self._voice.model, device=self._voice.device, simulated=SIMULATED, reason=reason,
        )  # fmt: skip

    def path(self, command: HostCommand) -> Path:
        """Where the sound of a command lies: by a hash, for ids carry what platforms and viewers typed."""
        digest = hashlib.sha256(f"{command.room}\0{command.id}\0{command.revision}".encode()).hexdigest()
        room = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in command.room)
        return self._folder / room / f"{digest[:24]}.wav"


def _put(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")  # a fixed name: what a crash leaves is written over
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
