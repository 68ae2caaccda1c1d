"""The file for a faster start: made once, never needed, never harmful."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livetide.settings import CACHE
from streams.broker import EmbeddedBroker, jars, java, warmth
from streams.broker.ports import free_port
from streams.broker.training import train

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of this test's own, with the jars of the shared one."""
    folder = jars.folder_in(tmp_path / "cache")
    folder.mkdir(parents=True)
    for path in jars.ensure(CACHE):
        (folder / path.name).hardlink_to(path)
    return tmp_path / "cache"


@pytest.fixture
def broker(tmp_path: Path, cache: Path) -> Iterator[EmbeddedBroker]:
    port = free_port()
    it = EmbeddedBroker(tmp_path / "kafka", cache, port, free_port({port}), password=None)
    yield it
    it.stop()


def test_it_is_made_once_and_used(cache: Path, broker: EmbeddedBroker) -> None:
    file = warmth.cache_file(jars.folder_in(cache), java.find())
    assert warmth.options(file) == []
    assert train(cache)
    assert file.stat().st_size > 1_000_000
    assert not list(jars.folder_in(cache).glob(".train-*"))
    assert not train(cache)
    broker.start()
    assert broker.pid is not None
    assert f"-XX:AOTCache={file}" in Path(f"/proc/{broker.pid}/cmdline").read_text().split("\0")
    assert str(file) in Path(f"/proc/{broker.pid}/maps").read_text()


def test_a_broken_file_does_no_harm(cache: Path, broker: EmbeddedBroker) -> None:
    warmth.cache_file(jars.folder_in(cache), java.find()).write_bytes(b"no cache at all" * 1000)
    broker.start()
    assert broker.answers()


def test_a_broker_that_cannot_be_started_for_it_only_costs_the_file(tmp_path: Path) -> None:
    def unreachable(jar: jars.Jar, folder: Path) -> Path:
        raise OSError("no network")

    assert not train(tmp_path / "empty", fetch=unreachable)
