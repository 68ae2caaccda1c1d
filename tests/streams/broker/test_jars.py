"""The cache of the broker's jars: checked, shared, mended."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from livetide.settings import CACHE
from streams.broker import jars
from streams.broker.jars import Jar
from streams.records import FatalError, RetryError

CONTENT = {"one": b"first jar", "two": b"second jar"}
WANTED = [Jar("org.example", name, "1", hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items()]


def shop(log: Path | None = None, spoil: Callable[[Jar, int], bytes | None] = lambda jar, nth: None) -> jars.Fetch:
    """A Maven that hands out :data:`CONTENT`; ``spoil`` gives other bytes for the n-th fetch of a jar."""
    seen: dict[str, int] = {}

    def fetch(jar: Jar, folder: Path) -> Path:
        seen[jar.artifact] = seen.get(jar.artifact, 0) + 1
        if log is not None:
            with log.open("a") as file:
                file.write(jar.artifact + "\n")
        path = folder / "download"
        path.write_bytes(spoil(jar, seen[jar.artifact]) or CONTENT[jar.artifact])
        return path

    return fetch


def test_the_pinned_list_is_whole() -> None:
    pinned = jars.pinned()
    assert len({jar.name for jar in pinned}) == 46
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in pinned)
    assert {jar.version for jar in pinned if jar.group == "org.apache.kafka"} == {jars.VERSION}


def test_an_empty_cache_is_filled_and_a_full_one_asks_nobody(tmp_path: Path) -> None:
    told: list[int] = []
    paths = jars.ensure(tmp_path, fetch=shop(), wanted=WANTED, advance=told.append)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert sum(told) == sum(jar.size for jar in WANTED)

    def nobody(jar: Jar, folder: Path) -> Path:
        raise AssertionError(f"{jar} was fetched again")

    assert jars.ensure(tmp_path, fetch=nobody, wanted=WANTED) == paths
    assert {path.name for path in jars.folder_in(tmp_path).iterdir()} == {"one-1.jar", "two-1.jar", ".lock"}


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    one, _two = jars.ensure(tmp_path, fetch=shop(), wanted=WANTED)
    one.write_bytes(CONTENT["one"][::-1])
    log = tmp_path / "fetched"
    jars.ensure(tmp_path, fetch=shop(log), wanted=WANTED)
    assert one.read_bytes() == CONTENT["one"]
    assert log.read_text() == "one\n"


def test_a_download_that_arrives_damaged_once_is_fetched_again(tmp_path: Path) -> None:
    paths = jars.ensure(tmp_path, fetch=shop(spoil=lambda jar, nth: b"<html>" if nth == 1 else None), wanted=WANTED)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())


def test_a_download_that_arrives_damaged_twice_is_refused(tmp_path: Path) -> None:
    spoiled = shop(spoil=lambda jar, nth: b"other code" if jar.artifact == "two" else None)
    with pytest.raises(FatalError, match=r"two-1\.jar arrived damaged twice"):
        jars.ensure(tmp_path, fetch=spoiled, wanted=WANTED)
    assert not (jars.folder_in(tmp_path) / "two-1.jar").exists()


def test_a_full_disk_is_called_that(tmp_path: Path) -> None:
    def full(jar: Jar, folder: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RetryError, match=r"disk is full.*LIVETIDE_CACHE"):
        jars.ensure(tmp_path, fetch=full, wanted=WANTED)


def test_a_cache_that_cannot_be_written_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RetryError, match=r"cannot keep.*LIVETIDE_CACHE"):
        jars.ensure(tmp_path / "file", fetch=shop(), wanted=WANTED)


def _fill(cache: Path, log: Path) -> None:
    jars.ensure(cache, fetch=shop(log), wanted=WANTED)


def test_two_processes_fill_one_cache_once(tmp_path: Path) -> None:
    log = tmp_path / "fetched"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(tmp_path, log)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(log.read_text().split()) == ["one", "two"]


@pytest.mark.kafka
def test_maven_really_has_what_is_pinned(tmp_path: Path) -> None:
    smallest = min(jars.pinned(), key=lambda jar: jar.size)
    if not jars.good(jars.folder_in(CACHE) / smallest.name, smallest):
        jars.ensure(CACHE)
    [path] = jars.ensure(tmp_path, wanted=[smallest])
    assert jars.good(path, smallest)
