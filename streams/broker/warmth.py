"""A faster start for the broker: Java 25 can keep what it loaded and linked in a file (JEP 514, an "AOT cache").

With it the broker is ready in 1.3 CPU seconds instead of 3.1. The file is made once (``training``) and kept beside the jars,
and once more after a change of the broker's configuration, which would load what is not in it.
Java checks that it fits (its own build, the jars); what does not fit is ignored, and a broker that will not start with it is
started without.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from streams.broker import configuration

OLDEST = 25
"""The first Java that makes the file in one step."""
QUIET = ("-Xlog:aot*=off", "-Xlog:cds*=off")


def cache_file(folder: Path, program: Path) -> Path:
    """Where the file of this Java is kept: one for each build, of the newest configuration."""
    nowhere = Path("/")
    settings = configuration.server_properties(nowhere, 1, 2, "inner"), configuration.java_options(nowhere, "")
    return folder / f"java-{_build(program)}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}.aot"


def outdated(folder: Path, program: Path) -> list[Path]:
    """The files of this Java that another version of ours has made."""
    current = cache_file(folder, program)
    return [file for file in folder.glob(f"java-{_build(program)}*.aot") if file != current]


def _build(program: Path) -> str:
    state = program.resolve().stat()
    return hashlib.sha256(f"{program.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]


def options(file: Path) -> list[str]:
    """The Java options that use the file, if it is there."""
    return [f"-XX:AOTCache={file}", *QUIET] if file.exists() else []
