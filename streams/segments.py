"""The segment store: where video bytes lie while Kafka carries only references to them (claim check).

A reference is a URI such as ``segment:room/stream/00000123.ts``. Bytes are stored first (written beside, fsynced, renamed) and
referenced afterwards, so a reference that somebody reads has always had its bytes. They may be gone later: the store expires
old ones, and a reader must survive that (:class:`SegmentGoneError`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from streams.records import FatalError, InvalidError, RetryError

SCHEME = "segment:"
IN_USE = "in-use.txt"
"""In a folder of :attr:`SegmentStore.incoming`, and locked by whoever needs the folder: the lock ends as its owner does."""
ABANDONED_MS = 3_600_000
"""What has lain in ``incoming`` so long, untouched and unlocked, was left by somebody who was killed."""
_PART = re.compile(r"[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,199}")


class SegmentGoneError(InvalidError):
    """The bytes behind a good reference are no longer in the store: they have expired, or belong to another store."""


class Stored(NamedTuple):
    """What a reference carries about its bytes."""

    uri: str
    sha256: str
    size: int


class SegmentStore:
    """A folder of segments: ``root/room/stream/00000123.ts``. Safe for several processes; a name is written once."""

    def __init__(self, root: Path | str) -> None:
        if "://" in str(root):
            raise FatalError(
                f"segment store {str(root)!r}: only a folder works in this version; give a path (a mounted bucket has one)"
            )
        self.root = Path(root).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.incoming = self.root / ".incoming"  # on the same disk, for whoever makes files to adopt
        self.incoming.mkdir(exist_ok=True)
        self._real = self.root.resolve()

    def put(self, room: str, stream: str, seq: int, data: bytes, suffix: str = ".ts") -> Stored:
        """Store bytes and return their reference. On return they are on the disk, not only in its cache.

        Raises :class:`RetryError` when the disk is full or the folder cannot be written: nothing is referenced then.
        """
        uri = self.uri(room, stream, seq, suffix)
        target = self._place(uri)
        beside = self.incoming / f"{os.getpid()}-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._trouble(error, len(data)) from error
        return Stored(uri, hashlib.sha256(data).hexdigest(), len(data))

    def adopt(self, room: str, stream: str, seq: int, file: Path, suffix: str = ".ts") -> Stored:
        """Store a finished file that lies on the same disk without copying it (a hard link; a copy where that fails)."""
        uri = self.uri(room, stream, seq, suffix)
        target = self._place(uri)
        beside = self.incoming / f"{os.getpid()}-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
        try:
            with file.open("rb") as stored:
                digest = hashlib.file_digest(stored, "sha256").hexdigest()
                os.fsync(stored.fileno())
            size = file.stat().st_size
            target.parent.mkdir(parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            try:
                os.link(file, beside)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                    raise
                shutil.copyfile(file, beside)
            os.utime(beside)  # it is as old as its being here, however long ago it was made
            beside.replace(target)
            beside.unlink(missing_ok=True)  # renaming one hard link over another of the same file leaves both
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._trouble(error, 0) from error
        return Stored(uri, digest, size)

    def uri(self, room: str, stream: str, seq: int, suffix: str = ".ts") -> str:
        """The reference of a segment. Rooms and streams of any spelling are quoted into safe names."""
        if seq < 0 or not re.fullmatch(r"\.[a-z0-9]{1,8}", suffix):
            raise InvalidError(f"segment {seq}{suffix}: a sequence number is not negative and a suffix looks like .ts")
        return f"{SCHEME}{_quoted(room)}/{_quoted(stream)}/{seq:08d}{suffix}"

    def path(self, uri: str) -> Path:
        """The file behind a reference. Raises :class:`InvalidError` for anything that would leave the store."""
        target = self._place(uri)
        for folder in (target, *target.parents):
            if folder == self.root:
                break
            if folder.is_symlink():
                raise InvalidError(f"reference {uri!r} leads over a symbolic link; the segment store follows none")
        if self._real not in target.resolve().parents:
            raise InvalidError(f"reference {uri!r} leads out of the segment store")
        return target

    def open(self, uri: str) -> BinaryIO:
        """The bytes as a file, read only. Raises :class:`SegmentGoneError` when they are gone."""
        path = self.path(uri)
        try:
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except FileNotFoundError as error:
            raise SegmentGoneError(f"segment {uri} is not in {self.root}: it has expired or was never here") from error

    def read(self, uri: str) -> bytes:
        """All the bytes. Raises :class:`SegmentGoneError` when they are gone."""
        with self.open(uri) as file:
            return file.read()

    def expire(self, older_than_ms: int) -> int:
        """Delete what was stored before ``older_than_ms`` (epoch ms, by the file's time) and return how many bytes went."""
        return sum(_expire(path, older_than_ms) for path in self.root.iterdir() if path != self.incoming)

    def sweep(self, now_ms: int, kept_ms: int) -> int:
        """:meth:`expire` what is older than ``kept_ms``, and remove what killed makers left in ``incoming``; bytes that went.

        Safe while others play and store. Raises :class:`RetryError` when something cannot be deleted.
        """
        try:
            left = [path for path in self.incoming.iterdir() if _older(path, now_ms - ABANDONED_MS)]
            return self.expire(now_ms - kept_ms) + sum(map(_remove_unless_used, left))
        except OSError as error:
            raise self._trouble(error, 0) from error

    def _place(self, uri: str) -> Path:
        parts = uri.removeprefix(SCHEME).split("/") if uri.startswith(SCHEME) else []
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidError(f"reference {uri[:200]!r} is not of the form segment:room/stream/00000123.ts")
        return self.root.joinpath(*parts)

    def _trouble(self, error: OSError, size: int) -> RetryError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = f" for {size} bytes" if size else ""
            return RetryError(f"the segment store at {self.root} has no room{need}: free disk space or shorten its retention")
        return RetryError(f"the segment store at {self.root} cannot be written: {error}")


def _quoted(name: str) -> str:
    quoted = quote(name, safe="")
    quoted = "%2E" + quoted[1:] if quoted.startswith(".") else quoted.replace("~", "%7E")
    if not _PART.fullmatch(quoted):
        raise InvalidError(f"{name[:80]!r} cannot name a room or a stream of the segment store: 1 to 200 characters, quoted")
    return quoted


def _older(path: Path, than_ms: int) -> bool:
    try:
        return path.lstat().st_mtime_ns // 1_000_000 < than_ms
    except FileNotFoundError:
        return False


def _expire(path: Path, older_than_ms: float) -> int:
    """Delete the old files at or under ``path``, and folders that hold nothing then; how many bytes went."""
    try:
        found = path.lstat()
        old = found.st_mtime_ns // 1_000_000 < older_than_ms
        if not stat.S_ISDIR(found.st_mode):
            if not old:
                return 0
            path.unlink()
            return found.st_size if found.st_nlink == 1 else 0
        inside = list(path.iterdir())
    except FileNotFoundError:
        return 0
    freed = sum(_expire(one, older_than_ms) for one in inside)
    if inside or old:  # one that is new and empty has just been made, to be filled
        with suppress(OSError):  # it holds something
            path.rmdir()
    return freed


def _remove_unless_used(path: Path) -> int:
    """Remove a file or folder of ``incoming`` whose owner does not live; how many bytes went."""
    try:
        file = os.open(path / IN_USE, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return _expire(path, float("inf"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _expire(path, float("inf"))
    except BlockingIOError:
        return 0
    finally:
        os.close(file)
