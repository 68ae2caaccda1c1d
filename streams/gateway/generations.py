"""Revoking one room's key: the number of times that it was changed, which enters what the key is derived from.

A room that is not named has generation 0. The numbers lie in one small file of the data folder. It is replaced in one step, a
gateway looks at it at most once a second, and what it once knew it never forgets: a file that is gone, that cannot be read or
that says less than before would let revoked keys in again.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from streams.records import FatalError

FILE = "room_keys.json"
LOOK_MS = 1000

Purpose = Literal["bearer", "webhook"]

log = logging.getLogger(__name__)


class Generation(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often each of a room's two keys was changed."""

    bearer: int = 0
    webhook: int = 0


FIRST = Generation()
_decoder = msgspec.json.Decoder(dict[str, Generation])


def read(path: Path) -> dict[str, Generation]:
    """The generations of all rooms. Raises ``FatalError`` for a file that cannot be read: nobody would know who is out."""
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise FatalError(
            f"{path} cannot be read ({error}): bring it back from a backup; it says which room keys hold"
        ) from error


def advance(path: Path, room: str, *purposes: Purpose) -> Generation:
    """Change keys of a room: what was derived before is refused from then on. Returns the new generation."""
    with path.with_suffix(".lock").open("a") as lock:  # two at once must not each write the same number
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read(path)
        before = known.get(room, FIRST)
        changed = {purpose: getattr(before, purpose) + 1 for purpose in purposes}
        known[room] = msgspec.structs.replace(before, **changed)
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(known), indent=1))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return known[room]


class Generations:
    """The generations as a gateway reads them; ``clock`` gives epoch milliseconds. Raises ``FatalError`` at the start only."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self._path = path
        self._clock = clock
        self._seen = self._stamp()
        self._known = read(path)
        self._looked = clock()

    def __call__(self, room: str) -> Generation:
        """The generation of ``room``, at most a second old."""
        now = self._clock()
        if abs(now - self._looked) >= LOOK_MS:
            self._looked = now
            self._look()
        return self._known.get(room, FIRST)

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            found = read(self._path)
        except FatalError as error:
            log.warning("%s; until then the keys hold that held before", error)
            self._seen = stamp
            return
        self._seen = stamp
        for room, new in found.items():
            old = self._known.get(room, FIRST)
            self._known[room] = Generation(max(old.bearer, new.bearer), max(old.webhook, new.webhook))

    def _stamp(self) -> tuple[int, int, int]:
        """What is another when the file is another."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_ino, found.st_size
