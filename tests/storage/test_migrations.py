from __future__ import annotations

from pathlib import Path

import pytest

from storage.client import StoreClient
from storage.migrations import SCHEMA, Migration, load, migrate
from storage.rows import TABLES
from streams.records import FatalError
from tests.storage.support import StoreProcess

HEADER = ["room_id", "ts", "ingest_ts"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schema that a test may change."""
    for path in SCHEMA.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def test_files_are_numbered_without_a_gap(folder: Path) -> None:
    assert [migration.version for migration in load(folder)] == list(range(1, len(list(folder.glob("*.sql"))) + 1))
    (folder / "0099_far.sql").write_text("SELECT 1")
    with pytest.raises(FatalError, match="without a gap"):
        load(folder)
    (folder / "0099_far.sql").rename(folder / "notes.sql")
    with pytest.raises(FatalError, match=r"notes\.sql"):
        load(folder)


def test_a_hole_that_nobody_fills_is_an_error() -> None:
    with pytest.raises(FatalError, match="nothing"):
        Migration(1, "x", "CREATE ${nothing here}").statements()


@pytest.mark.parametrize("cluster", ["x'; DROP", "a b", "ä"])
def test_a_clusters_name_is_no_sql(cluster: str) -> None:
    with pytest.raises(FatalError, match="letters, digits"):
        load()[0].statements(cluster)


def test_one_text_serves_a_server_and_a_cluster() -> None:
    single = "\n".join(statement for migration in load() for statement in migration.statements())
    cluster = "\n".join(statement for migration in load() for statement in migration.statements("main"))
    for text in (single, cluster):
        assert "${" not in text
    assert "Replicated" not in single
    assert "Distributed" not in single
    assert "ON CLUSTER" not in single
    tables = [table.name for table in TABLES] + ["chat_minutes_state", "sink_ledger", "sink_done"]
    for name in tables:
        assert f"CREATE TABLE IF NOT EXISTS live.{name}_local ON CLUSTER 'main'" in cluster
        assert (
            f"CREATE TABLE IF NOT EXISTS live.{name} ON CLUSTER 'main' AS live.{name}_local ENGINE = Distributed('main'"
            in cluster
        )
    assert cluster.count("ENGINE = Replicated") == len(tables)


def test_a_columns_meaning_is_said_anew_wherever_the_table_stands() -> None:
    one = Migration(1, "x", "${comment alerts.note 'What it''s for'};\n${comment sales.sku 'A'};\n")
    assert one.statements() == [
        "ALTER TABLE live.alerts COMMENT COLUMN note 'What it''s for'",
        "ALTER TABLE live.sales COMMENT COLUMN sku 'A'",
    ]
    assert one.statements("main")[:2] == [
        "ALTER TABLE live.alerts_local ON CLUSTER 'main' COMMENT COLUMN note 'What it''s for'",
        "ALTER TABLE live.alerts ON CLUSTER 'main' COMMENT COLUMN note 'What it''s for'",
    ]


@pytest.mark.store
def test_both_renderings_parse(client: StoreClient) -> None:
    for cluster in ("", "main"):
        for migration in load():
            for statement in migration.statements(cluster):
                assert client.execute(f"EXPLAIN AST {statement}")


@pytest.mark.store
def test_again_is_harmless(client: StoreClient) -> None:
    before = client.execute("SELECT * FROM live.migrations ORDER BY version")
    assert len(before) == len(load())
    assert migrate(client) == []
    assert client.execute("SELECT * FROM live.migrations ORDER BY version") == before


@pytest.mark.store
def test_a_file_that_was_applied_may_not_change(client: StoreClient, folder: Path) -> None:
    changed = next(folder.glob("0002_*"))
    changed.write_text(changed.read_text() + "\n-- one comment more\n")
    with pytest.raises(FatalError, match="0002_derived differs"):
        migrate(client, folder=folder)


@pytest.mark.store
def test_a_store_that_is_ahead_is_left_alone(client: StoreClient, folder: Path) -> None:
    sorted(folder.glob("*.sql"))[-1].unlink()
    with pytest.raises(FatalError, match="does not know"):
        migrate(client, folder=folder)


@pytest.mark.store
def test_only_what_is_new_is_applied_and_a_half_done_file_is_finished(own_store: StoreProcess, folder: Path) -> None:
    client = own_store.client()
    new = f"{len(load()) + 1:04d}_more"
    assert len(migrate(client, folder=folder)) == len(load())
    good = "CREATE TABLE ${table one} (a UInt8) ENGINE = ${engine MergeTree} ORDER BY a;\n"
    (folder / f"{new}.sql").write_text(good + "CREATE TABLE ${table two} (a Wrong) ENGINE = Memory;\n")
    with pytest.raises(FatalError, match="Wrong"):
        migrate(client, folder=folder)
    assert client.execute("EXISTS TABLE live.one") == [(1,)]
    (folder / f"{new}.sql").write_text(good + "CREATE TABLE ${table two} (a UInt8) ENGINE = Memory;\n")
    assert migrate(client, folder=folder) == [new]
    assert migrate(client, folder=folder) == []
    client.close()


@pytest.mark.store
def test_everything_says_what_it_is(client: StoreClient) -> None:
    silent = client.execute(
        "SELECT table, name FROM system.columns WHERE database = 'live' AND comment = '' AND table IN "
        "(SELECT name FROM system.tables WHERE database = 'live' AND engine LIKE '%%MergeTree' AND NOT startsWith(name, 't_') "
        "AND NOT startsWith(name, 'r_') AND NOT startsWith(name, 'a_'))",
    )
    assert silent == []
    names = [table.name for table in TABLES]
    found = client.execute(
        "SELECT name FROM system.tables WHERE database = 'live' AND comment != '' AND name IN %(n)s", {"n": names}
    )
    assert sorted(row[0] for row in found) == sorted(names)
    silent = client.execute("SELECT name FROM system.tables WHERE database = 'live' AND engine = 'View' AND comment = ''")
    assert silent == []


@pytest.mark.store
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_have_the_columns_that_rows_fill(client: StoreClient, table: object) -> None:
    from storage.rows import Table

    assert isinstance(table, Table)
    rows = client.execute(
        "SELECT name, default_kind FROM system.columns WHERE database = 'live' AND table = %(t)s ORDER BY position",
        {"t": table.name},
    )
    names = [name for name, _ in rows]
    assert names[:3] == HEADER
    assert set(names) - set(table.columns) == (
        {"id"} if "source_id" in table.columns and "revision" not in table.columns else set()
    )
    assert set(table.columns) <= set(names)


@pytest.mark.store
def test_stored_tables_remember_tokens_and_live_by_ingest_time(client: StoreClient) -> None:
    for table in (*(t.name for t in TABLES), "chat_minutes_state"):
        sql = str(client.execute(f"SHOW CREATE TABLE live.{table}")[0][0])
        assert "non_replicated_deduplication_window = 10000" in sql
        assert "TTL toDateTime(ingest_ts)" in sql
        assert "ttl_only_drop_parts = 1" in sql
