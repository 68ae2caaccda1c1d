"""The ledger on a single server's table, and on a cluster's: a Distributed table over a local one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from storage.client import StoreClient
from storage.ledger import Claim, Ledger
from storage.rows import TABLE_OF
from streams.records import FatalError
from tests.storage.cluster import ClusterStore
from tests.storage.support import StoreProcess, until

pytestmark = pytest.mark.store


@pytest.fixture(scope="module")
def cluster_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStore]:
    process = ClusterStore(tmp_path_factory.mktemp("store"))
    process.start()
    process.migrate()
    yield process
    process.stop()


@pytest.fixture(params=["single", "cluster"])
def client(request: pytest.FixtureRequest) -> Iterator[StoreClient]:
    if request.param == "single":
        store: StoreProcess = request.getfixturevalue("store")
        made = store.client()
    else:
        made = request.getfixturevalue("cluster_store").one_server()
    yield made
    made.close()


@pytest.fixture
def log_id() -> str:
    return uuid.uuid4().hex


def fill(client: StoreClient, log_id: str, topic: str, partition: int, many: int) -> None:
    """Old claims of one record each."""
    offsets = list(range(many))
    columns: list[list[Any]] = [[log_id] * many, [topic] * many, [partition] * many, offsets, offsets, ["mine"] * many]
    client.insert("live.sink_ledger", ["log_id", "topic", "partition", "first", "last", "owner"], columns)


def test_each_offset_is_given_to_one_sink(client: StoreClient, log_id: str) -> None:
    mine, other = Ledger(client, log_id, "mine"), Ledger(client, log_id, "other")
    mine.claim([Claim("t", 0, 0, 9, {}, {"w": 3}), Claim("t", 1, 0, 4)], f"{log_id}1")
    mine.claim([Claim("t", 0, 0, 9, {}, {"w": 3}), Claim("t", 1, 0, 4)], f"{log_id}1")
    assert mine.newest([("t", 0), ("t", 1), ("t", 2)]) == {
        ("t", 0): Claim("t", 0, 0, 9, {}, {"w": 3}, "mine"),
        ("t", 1): Claim("t", 1, 0, 4, {}, {}, "mine"),
    }
    other.claim([Claim("t", 0, 10, 20, {"w": 3}, {"w": 8})], f"{log_id}1")
    with pytest.raises(FatalError, match="t/0: another sink has claimed from offset 10"):
        mine.claim([Claim("t", 0, 10, 14, {"w": 3}, {"w": 5})], f"{log_id}2")
    assert mine.newest([("t", 0)])["t", 0].last == 20
    assert client.execute("SELECT count() FROM live.sink_ledger WHERE log_id = %(l)s", {"l": log_id}) == [(4,)]


def test_what_is_long_done_is_forgotten(client: StoreClient, log_id: str) -> None:
    ledger = Ledger(client, log_id, "mine")
    for partition, many in ((0, 1200), (1, 1100), (2, 30)):
        fill(client, log_id, "t", partition, many)
    ledger.prune([("t", 0), ("t", 1), ("t", 2)])

    def left() -> list[tuple[Any, ...]]:
        return client.execute(
            "SELECT partition, count(), max(first) FROM live.sink_ledger WHERE log_id = %(l)s GROUP BY 1 ORDER BY 1",
            {"l": log_id},
        )

    until(lambda: left() == [(0, 8, 1199), (1, 8, 1099), (2, 30, 29)], say=left)
    assert ledger.newest([("t", 0)])["t", 0].last == 1199


def test_pruning_is_said_to_every_server_of_a_cluster(cluster_store: ClusterStore, log_id: str) -> None:
    client = cluster_store.one_server()
    fill(client, log_id, "t", 0, 1200)
    Ledger(client, log_id, "mine").prune([("t", 0)])
    assert [sql.split(" WHERE")[0] for sql in client.said] == ["DELETE FROM live.sink_ledger_local ON CLUSTER 'main'"]
    client.close()


def test_a_store_that_does_not_prune_is_in_nobodys_way(
    cluster_store: ClusterStore, log_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = cluster_store.client()  # without a keeper this server refuses what is said ON CLUSTER
    fill(client, log_id, "t", 0, 1200)
    ledger = Ledger(client, log_id, "mine")
    ledger.prune([("t", 0)])
    assert "was not pruned" in caplog.text
    ledger.claim([Claim("t", 0, 1200, 1200)], log_id)
    assert ledger.newest([("t", 0)])["t", 0].last == 1200
    client.close()


def complete(client: StoreClient, table: str, partition: int) -> list[int]:
    rows = client.execute(
        "SELECT complete_to FROM live.sink_progress WHERE table_name = %(t)s AND log_partition = %(p)s",
        {"t": table, "p": partition},
    )
    return [row[0] for row in rows]


def test_a_claim_says_that_all_before_it_is_written_and_a_mark_that_it_is(client: StoreClient, log_id: str) -> None:
    ledger, partition = Ledger(client, log_id, "mine"), 4001
    ledger.claim([Claim("live.mood", partition, 0, 9)], f"{log_id}1")
    assert complete(client, "mood", partition) == [-1]
    ledger.claim([Claim("live.mood", partition, 10, 19)], f"{log_id}2")
    assert complete(client, "mood", partition) == [9]
    ledger.mark({("live.mood", partition): 19})
    assert complete(client, "mood", partition) == [19]
    ledger.claim([Claim("live.mood", partition, 30, 39)], f"{log_id}3")
    assert complete(client, "mood", partition) == [29]


def test_progress_is_that_of_the_log_which_is_read_now(client: StoreClient, log_id: str) -> None:
    old, new, partition = Ledger(client, f"{log_id}-old", "mine"), Ledger(client, f"{log_id}-new", "mine"), 4002
    old.claim([Claim("live.mood", partition, 500, 599)], f"{log_id}1")
    old.mark({("live.mood", partition): 599})
    new.claim([Claim("live.mood", partition, 0, 9)], f"{log_id}2")
    assert complete(client, "mood", partition) == [-1]
    new.mark({("live.mood", partition): 9})
    assert complete(client, "mood", partition) == [9]


@pytest.mark.parametrize("topic", sorted(TABLE_OF))
def test_progress_names_every_table(store: StoreProcess, log_id: str, topic: str) -> None:
    client = store.client()
    Ledger(client, log_id, "mine").mark({(topic, 4003): 7})
    assert complete(client, TABLE_OF[topic].name, 4003) == [7]
    client.close()
