"""Bytes of a recording: from a path to chunks and lines, unpacked when it is gzip (by its magic), with bounded memory."""

from __future__ import annotations

import codecs
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from streams.records import InvalidError
from streams.sources.base import Tally

CHUNK = 1 << 16
HEAD = 1 << 18
LINE = 4 << 20
"""Longest line that is read. The gateway takes far less; a longer one is no event but a file of another kind."""

GZIP = b"\x1f\x8b"
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def opened(path: Path) -> io.BufferedIOBase:
    """The file, unpacked if it is gzip. Raises ``InvalidError`` if there is no such file or it cannot be read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidError(f"{path} is a folder; name one of the files in it")
        if not stat.S_ISREG(mode):
            raise InvalidError(f"{path} is no regular file; copy the recording to one")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InvalidError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise InvalidError(f"{path} cannot be opened: {error.strerror}") from error
    packed = file.read(2) == GZIP
    file.seek(0)
    if not packed:
        return file
    file.close()
    return cast(io.BufferedIOBase, gzip.open(path))


def head(path: Path) -> bytes:
    """The first bytes, unpacked, to recognise a dialect by. Raises ``InvalidError`` for a file without any."""
    found = b""
    tally = Tally()
    for chunk in chunks(path, tally):
        found += chunk
        if len(found) >= HEAD:
            break
    if not found and tally.damaged:
        raise InvalidError(f"{path} cannot be unpacked: {'; '.join(tally.damaged)}")
    if not found.strip():
        raise InvalidError(f"{path} is empty; there is nothing to play")
    return found


def chunks(path: Path, tally: Tally) -> Iterator[bytes]:
    """The unpacked bytes. A gzip stream that is cut or damaged ends there, and ``tally`` says so."""
    done = 0
    with opened(path) as file:
        while True:
            try:
                chunk = file.read1(CHUNK)  # not read(): it would lose what lies before the damage
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                tally.damage("the gzip stream is cut or damaged", f"after {done} unpacked bytes ({error})")
                return
            if not chunk:
                return
            done += len(chunk)
            yield chunk


def encoding_of(start: bytes, fallback: str = "utf-8") -> str:
    """The encoding that a byte order mark names, else ``fallback``."""
    return next((name for mark, name in BOMS if start.startswith(mark)), fallback)


def text(path: Path, tally: Tally, encoding: str) -> Iterator[str]:
    """The file as text, undecodable bytes replaced, without its byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    for chunk in chunks(path, tally):
        piece = decoder.decode(chunk)
        if first and piece:
            piece, first = piece.removeprefix("\ufeff"), False
        yield piece
    yield decoder.decode(b"", final=True)


def lines(path: Path, tally: Tally) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that is not blank. A line over :data:`LINE` bytes is damage."""
    number, pending, skipping = 0, b"", False
    for chunk in chunks(path, tally):
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            number += 1
            if not skipping:
                yield from _line(number, pending + piece)
            pending, skipping = b"", False
        pending = b"" if skipping else pending + rest
        if len(pending) > LINE:
            tally.damage(f"a line longer than {LINE} bytes", f"line {number + 1}")
            pending, skipping = b"", True
    if pending:
        yield from _line(number + 1, pending)


def _line(number: int, line: bytes) -> Iterator[tuple[int, bytes]]:
    line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
    if line := line.strip(b" \t\r"):
        yield number, line
