"""Log files that a running program writes to, kept from growing without end."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LIMIT = 10 * 1024 * 1024
KEEP = 3


def last_line(path: Path) -> str:
    """The last line with something in it, in which a program that fails says why; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def rotate(path: Path, limit: int = LIMIT, keep: int = KEEP) -> bool:
    """Move the content of a file of more than ``limit`` bytes to ``NAME.1`` (and that to ``NAME.2``, up to ``keep``).

    The program has the file open for appending, so it is copied and emptied in place. What is written in the moment between is
    lost; a log bears that, and every native crash message is kept, which a logger of the program's own would miss.

    Raises ``OSError`` where there is no room for the copy; then everything is as it was.
    """
    try:
        if path.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    copy = path.with_name(f"{path.name}.part")
    try:
        shutil.copyfile(path, copy)
    except OSError:
        with contextlib.suppress(OSError):
            copy.unlink()
        raise
    for number in range(keep - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    copy.replace(path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
    return True
