"""The real store: the embedded ClickHouse in a process of its own, with its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from storage.client import StoreClient
from storage.migrations import migrate
from tests.storage.support import StoreProcess
from tests.support.kafka import broker, cluster, topic_maker

__all__ = ["broker", "cluster", "topic_maker"]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store for the whole run, with the schema."""
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    process.start()
    client = process.client()
    migrate(client)
    client.close()
    yield process
    process.stop()


@pytest.fixture
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store that a test may break."""
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def client(store: StoreProcess) -> Iterator[StoreClient]:
    made = store.client()
    yield made
    made.close()


@pytest.fixture
def make_client(store: StoreProcess) -> Iterator[Callable[[], StoreClient]]:
    """Clients for threads: each needs its own."""
    made: list[StoreClient] = []

    def make() -> StoreClient:
        made.append(store.client())
        return made[-1]

    yield make
    for each in made:
        each.close()
