"""How far a recording was played: a small file, replaced in one step, from which the next run goes on."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from streams.records import InvalidError

SAMPLE = 1 << 12


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``played`` events of ``uri`` are answered for by the gateway, in ``room`` under ``source``, shifted by ``shift_ms``. A
    simulation began at ``base_ts``.

    ``print`` is the recording's fingerprint: another file under the same name is not gone on with.
    """

    uri: str
    room: str
    source: str
    print: str
    played: int = 0
    shift_ms: int = 0
    base_ts: int = 0
    finished: bool = False


def position_path(folder: Path, uri: str, room: str) -> Path:
    """Where the position of ``uri`` in ``room`` is kept."""
    name = hashlib.blake2b(f"{room}\n{uri}".encode(), digest_size=8).hexdigest()
    return folder / f"play-{name}.json"


def fingerprint(uri: str) -> str:
    """What tells one recording from another: a hash of its first bytes, which stay the same while it grows."""
    path = Path(uri)
    if not path.is_file():
        return uri
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(SAMPLE), digest_size=16).hexdigest()


def save(path: Path, position: Position) -> None:
    """Replace the position in one step: after a crash there is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(position))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path, print: str) -> Position | None:
    """The saved position, or None if there is none. Raises ``InvalidError`` if it is unreadable or of another recording."""
    try:
        position = msgspec.json.decode(path.read_bytes(), type=Position)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise InvalidError(f"{path} holds no position that can be read ({error}); play without --resume") from error
    if position.print != print:
        raise InvalidError(
            f"{position.uri} has changed since its position was kept, or is played with other options; play without --resume"
        )
    return position
