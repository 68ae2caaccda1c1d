"""The sink on a cluster's schema: every table that it writes and asks is Distributed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.client import StoreClient
from streams.broker import EmbeddedBroker
from tests.faults.support.sinkworld import SinkThread, World, own_broker
from tests.storage.cluster import ClusterStore
from tests.storage.support import until

pytestmark = [pytest.mark.kafka, pytest.mark.store]
__all__ = ["own_broker"]


@pytest.fixture
def world(own_broker: EmbeddedBroker, tmp_path: Path) -> Iterator[World]:
    store = ClusterStore(tmp_path)
    store.start()
    store.migrate()
    yield World(own_broker.cluster(partitions=4), store, tmp_path)
    store.stop()


def complete(client: StoreClient) -> dict[tuple[str, int], int]:
    rows = client.execute("SELECT table_name, log_partition, complete_to FROM live.sink_progress")
    return {(row[0], row[1]): row[2] for row in rows}


def highest(client: StoreClient) -> dict[tuple[str, int], int]:
    parts = " UNION ALL ".join(
        f"SELECT '{table}' AS t, log_partition, max(log_offset) FROM live.{table} GROUP BY log_partition"
        for table in ("danmaku", "sales", "mood")
    )
    return {(row[0], row[1]): row[2] for row in client.execute(parts)}


def test_rows_and_minutes_are_exact_and_a_long_ledger_stops_nobody(world: World) -> None:
    client = world.store.client()
    with SinkThread(world):
        world.talk(60, repeat=0.2)
        world.trade(60, repeat=0.2)
        world.settle()
        # Without a further batch the tables are told to be complete, all of them.
        until(lambda: all(complete(client).get(key, -1) >= to for key, to in highest(client).items()))
    log_id, owner = client.execute("SELECT any(log_id), any(owner) FROM live.sink_ledger")[0]
    old = list(range(-1_100, 0))  # claims of long ago, so many that the next start prunes
    columns = [[log_id] * len(old), ["live.sales"] * len(old), [0] * len(old), old, old, [owner] * len(old)]
    client.insert("live.sink_ledger", ["log_id", "topic", "partition", "first", "last", "owner"], columns)
    with SinkThread(world):
        world.talk(60)
        world.trade(60)
        world.settle()
    world.verify()
    client.close()
