"""The broker's jars: a pinned list, fetched once, each file checked, kept in a cache that installations share.

A file enters the cache by a rename after its SHA-256 was right, so a reader sees a whole good file or none. A lock lets one
process at a time fill the cache; another waits and then finds everything there. jgo only fetches single files here: its
resolver mixes versions of a broker's parts.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.records import FatalError, RetryError

VERSION = "4.3.1"
PINNED = Path(__file__).parents[1] / "kafka_jars.tsv"
AT_ONCE = 8


class Jar(NamedTuple):
    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


Fetch = Callable[[Jar, Path], Path]
"""Fetches one jar into an empty folder and returns the file; raises ``OSError`` or ``RuntimeError`` when it cannot."""
Advance = Callable[[int], None]
"""Told the bytes of each jar as it arrives."""


def pinned() -> list[Jar]:
    """The list in ``streams/kafka_jars.tsv``."""
    rows = (line.split("\t") for line in PINNED.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(group, artifact, version, sha256, int(size)) for group, artifact, version, sha256, size in rows]


def from_maven(mirror: str = "") -> Fetch:
    """Fetch from Maven Central, or from the Maven repository at the URL ``mirror``."""

    def fetch(jar: Jar, folder: Path) -> Path:
        from jgo.maven import MavenContext

        context = MavenContext(repo_cache=folder, local_repos=[], remote_repos={"mirror": mirror} if mirror else None)
        return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())

    return fetch


def folder_in(cache: Path) -> Path:
    return cache / f"kafka-{VERSION}"


def good(path: Path, jar: Jar) -> bool:
    """Whether the file is there, whole and the one that was pinned."""
    try:
        if path.stat().st_size != jar.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def missing(cache: Path, wanted: list[Jar] | None = None) -> list[Jar]:
    """The jars that the cache lacks or holds damaged."""
    folder, jars = folder_in(cache), pinned() if wanted is None else wanted
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [
            jar for jar, fine in zip(jars, pool.map(lambda jar: good(folder / jar.name, jar), jars), strict=True) if not fine
        ]


def ensure(
    cache: Path, *, fetch: Fetch | None = None, wanted: list[Jar] | None = None, advance: Advance | None = None
) -> list[Path]:
    """The paths of all jars, checked; what the cache lacks is fetched first, :data:`AT_ONCE` at a time.

    Safe for several processes at once. Raises :class:`RetryError` when a jar cannot be fetched or the disk is full and
    :class:`FatalError` when one arrives damaged twice. With ``advance`` the caller shows the progress.
    """
    folder, jars = folder_in(cache), pinned() if wanted is None else wanted
    if missing(cache, jars):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _lock(folder / ".lock"):
                _fill(folder, missing(cache, jars), fetch or from_maven(), advance or (lambda _: None))
        except OSError as error:
            raise RetryError(_cannot_write(folder, error)) from error
    return [folder / jar.name for jar in jars]


def _fill(folder: Path, jars: list[Jar], fetch: Fetch, advance: Advance) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(_fetch_one, folder, jar, fetch) for jar in jars]
        try:
            for jar, future in zip(jars, futures, strict=True):
                future.result()
                advance(jar.size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(folder: Path, jar: Jar, fetch: Fetch) -> None:
    for _ in range(2):
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
            try:
                file = fetch(jar, Path(part))
            except (OSError, RuntimeError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES):
                    raise
                raise RetryError(_cannot_fetch(jar, error)) from error
            if good(file, jar):
                file.replace(folder / jar.name)
                return
    raise FatalError(
        f"{jar.name} arrived damaged twice (its SHA-256 is not {jar.sha256[:16]}…). Something between here and the Maven "
        "repository changes downloads: try another network, or set LIVETIDE_MAVEN to a repository that you trust."
    )


def _cannot_fetch(jar: Jar, error: Exception) -> str:
    size = sum(each.size for each in pinned()) // 1_000_000
    return (
        f"the embedded Kafka broker needs {jar.name}, which could not be downloaded ({type(error).__name__}). It needs the "
        f"network once, for {size} MB: connect and try again, set LIVETIDE_MAVEN to a Maven repository that you can reach, "
        f"copy the folder kafka-{VERSION} of another machine's cache here, or set LIVETIDE_KAFKA to the servers of a cluster."
    )


def _cannot_write(folder: Path, error: OSError) -> str:
    what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else (error.strerror or str(error))
    return f"cannot keep the Kafka broker's jars in {folder}: {what}. Make room there, or set LIVETIDE_CACHE to another folder."


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
