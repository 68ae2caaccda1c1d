"""Makes the file for a faster start (``warmth``): by a throwaway broker, started and ended at the lowest priority."""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from streams.broker import EmbeddedBroker, jars, java, warmth
from streams.broker.access import inner_password
from streams.broker.ports import free_port
from streams.records import LivetideError

log = logging.getLogger(__name__)

LEAST = ("nice", "-n", "19")
TIME_TO_WRITE = 180.0
"""Java writes the file when it ends: 5 s of CPU, which take long at the lowest priority."""


def train(cache: Path, *, stopped: Callable[[], bool] = lambda: False, fetch: jars.Fetch | None = None) -> bool:
    """Make the file unless it is there, another process makes it, or this Java cannot; whether it was made now.

    Never raises for a broker that does not start: without the file all goes on, only slower. ``stopped`` ends it early.
    """
    program = java.find()
    folder = jars.folder_in(cache)
    file = warmth.cache_file(folder, program)
    if file.exists() or (java.version(program) or 0) < warmth.OLDEST or not shutil.which(LEAST[0]):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".training").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        for left in folder.glob(".train-*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".train-", dir=folder) as part:
                made = _make(Path(part), cache, file, stopped, fetch)
            for left in warmth.outdated(folder, program) if made else ():
                left.unlink(missing_ok=True)
        except (LivetideError, OSError) as error:
            log.warning("no faster start for the Kafka broker: %s", error)
            return False
        return made


def _make(part: Path, cache: Path, file: Path, stopped: Callable[[], bool], fetch: jars.Fetch | None) -> bool:
    made = part / "made.aot"
    port = free_port()
    broker = EmbeddedBroker(
        part / "kafka",
        cache,
        port,
        free_port({port}),
        password=inner_password(),  # as the stack's: what is loaded to let somebody in belongs into the file
        fetch=fetch,
        options=(f"-XX:AOTCacheOutput={made}", *warmth.QUIET),
        prefix=LEAST,
        timeout=TIME_TO_WRITE,
    )
    broker.start()
    broker.stop(0.0 if stopped() else TIME_TO_WRITE)
    if not made.exists():
        return False
    made.replace(file)
    log.info("the Kafka broker will start faster from now on (%s, %d MB)", file, file.stat().st_size // 1_000_000)
    return True
