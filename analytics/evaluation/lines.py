"""Lines of a text file with tabs, read with suspicion: whatever it is, time and memory are bounded and the error is clear.

UTF-8, with a byte order mark or not, lines ended as Unix or Windows do, packed with gzip or not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.records import InvalidError

MOST_BYTES = 256_000_000  # of a file, unpacked
MOST_LINES = 1_000_000
LONGEST_LINE = 65_536  # bytes

_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_MOSTLY = 0.9


class Lines:
    """The lines of one file, once: their number from 1 and their columns. ``sha256`` is that of all bytes read, unpacked.

    Blank lines are passed over. Raises :class:`InvalidError` for what is no such text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blank = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def wrong(self, number: int, what: str) -> InvalidError:
        """The error of one line: ``what`` says what is wrong and what to do."""
        return InvalidError(f"{self.path}, line {number}: {what}")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        found = False
        with self._opened() as file:
            for number, line in self._raw(file):
                text = self._text(number, line)
                if text.strip():
                    found = True
                    yield number, text.split("\t")
                else:
                    self.blank += 1
        if not found:
            raise InvalidError(f"{self.path} is empty: one example a line is needed, with tabs between the columns")

    @contextmanager
    def _opened(self) -> Iterator[io.BufferedIOBase]:
        """The file, unpacked; whatever goes wrong while it is read is told with its name."""
        if self.path.is_dir():
            raise InvalidError(f"{self.path} is a folder: give one file of it")
        try:
            with self.path.open("rb") as bare, io.BufferedReader(bare) as file:
                if file.peek(2)[:2] != _GZIP:
                    yield file
                    return
                with gzip.open(file) as unpacked:
                    yield unpacked
        except FileNotFoundError:
            raise InvalidError(f"there is no file {self.path}: check the path") from None
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise InvalidError(f"{self.path} is a damaged gzip file ({error}): pack or download it again") from error
        except OSError as error:
            raise InvalidError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _raw(self, file: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
        size = number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            size += len(line)
            self._hash.update(line)
            if number == 1 and line[:2] in _WIDE:
                raise InvalidError(f"{self.path} is UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8 {self.path} > new.tsv)")
            if b"\0" in line:
                raise self.wrong(number, "it holds a NUL byte, so this is no text in UTF-8: export the examples as text")
            if len(line) > LONGEST_LINE:
                raise self.wrong(number, f"it is longer than {LONGEST_LINE:,} bytes: one example a line is wanted")
            if number > MOST_LINES or size > MOST_BYTES:
                raise self.wrong(number, f"more than {MOST_LINES:,} lines or {MOST_BYTES:,} bytes: take a sample")
            yield number, line.removeprefix(_BOM) if number == 1 else line

    def _text(self, number: int, line: bytes) -> str:
        try:
            return line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self.wrong(number, f"byte {error.start + 1} is no UTF-8. {_advice(line, self.path)}") from error


def _advice(line: bytes, path: Path) -> str:
    """What a line that is no UTF-8 may be: in Chinese of another encoding nearly all that is not ASCII is of GB 2312."""
    unknown = "It is no text, or one in an encoding that is not known here: export it as UTF-8"
    try:
        strange = [one for one in line.decode("gb18030") if not one.isascii()]
    except UnicodeDecodeError:
        return unknown
    if sum(_common(one) for one in strange) < _MOSTLY * len(strange):
        return unknown
    return f"It reads as Chinese in GB18030: iconv -f GB18030 -t UTF-8 {path} > new.tsv"


def _common(character: str) -> bool:
    try:
        return bool(character.encode("gb2312"))
    except UnicodeEncodeError:
        return False
