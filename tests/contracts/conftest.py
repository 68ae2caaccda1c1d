"""The real store with its schema, for the pages that speak of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.migrations import migrate
from tests.storage.support import StoreProcess


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store with the schema and nothing in it."""
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    process.start()
    client = process.client()
    migrate(client)
    client.close()
    yield process
    process.stop()
