"""One suite for both protocols, with the clients that people use, plain and compressed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.storage.doors import Door, Http, Native, Refused
from tests.storage.support import PASSWORD, READER_PASSWORD, StoreProcess

pytestmark = pytest.mark.store
DOORS: dict[str, Callable[..., Door]] = {"native": Native, "http": Http}
WAYS = [("native", False), ("native", "lz4"), ("http", False), ("http", "lz4"), ("http", "gzip")]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'plain'}")
def door(request: pytest.FixtureRequest, store: StoreProcess) -> Iterator[Door]:
    protocol, compression = request.param
    made = DOORS[protocol](store, "live", PASSWORD, compression)
    yield made
    made.close()


@pytest.fixture(params=DOORS)
def reader(request: pytest.FixtureRequest, store: StoreProcess) -> Iterator[Door]:
    made = DOORS[request.param](store, "reader", READER_PASSWORD)
    yield made
    made.close()


@pytest.fixture
def table(door: Door) -> Iterator[str]:
    """A table of modern types, gone afterwards."""
    name = f"t_{uuid.uuid4().hex}"
    door.do(
        f"CREATE TABLE {name} (id UInt64, text String, kind LowCardinality(String), n Nullable(Int32), tags Array(String), "
        "notes Map(String, UInt32), at DateTime64(3, 'UTC'), price Decimal(18, 2), lc LowCardinality(Nullable(String)), "
        "flag Bool, share Float64, day Date) ENGINE = MergeTree ORDER BY id"
    )
    yield name
    door.do(f"DROP TABLE {name}")


COLUMNS = ["id", "text", "kind", "n", "tags", "notes", "at", "price", "lc", "flag", "share", "day"]


def rows(count: int) -> list[tuple[Any, ...]]:
    moment = datetime(2024, 2, 29, 23, 59, 59, 123000, UTC)
    return [
        (
            i, f"裙子多少钱\t\n'{i}" * (i % 7), f"k{i % 3}", None if i % 2 else -i, ["a", "长"] * (i % 3), {"x": i}, moment,
            Decimal(i) / 4, None if i % 3 else f"v{i % 5}", i % 2 == 0, i / 8, moment.date(),
        )
        for i in range(count)
    ]  # fmt: skip


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without what the two clients see differently: time zones of naive times, and arrays as tuples."""
    return tuple(v.replace(tzinfo=None) if isinstance(v, datetime) else list(v) if isinstance(v, tuple) else v for v in row)


def test_rows_come_back_as_they_went(door: Door, table: str) -> None:
    door.insert(table, COLUMNS, rows(1000))
    assert [plain(row) for row in door.ask(f"SELECT * FROM {table} ORDER BY id")] == [plain(row) for row in rows(1000)]


def test_an_insert_may_leave_columns_out(door: Door, table: str) -> None:
    door.insert(table, ["text", "id"], [("only", 7)])
    assert door.ask(f"SELECT id, text, kind, n FROM {table}") == [(7, "only", "", None)]


def test_many_blocks_arrive_in_order(door: Door) -> None:
    found = door.ask("SELECT number, toString(number) FROM numbers(200000)")
    assert found == [(n, str(n)) for n in range(200_000)]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT 1 AS a, 'x' AS b", [("a", "UInt8"), ("b", "String")]),
        ("SELECT toUInt64(1) AS a, toDateTime64(0, 3, 'UTC') AS t WHERE 0", [("a", "UInt64"), ("t", "DateTime64(3, 'UTC')")]),
        ("SHOW TABLES LIKE 'nothing like this'", [("name", "String")]),
        ("SELECT toLowCardinality('x') AS l FROM numbers(3)", [("l", "LowCardinality(String)")]),
    ],
)
def test_a_result_names_its_columns(door: Door, sql: str, columns: list[tuple[str, str]]) -> None:
    assert door.columns(sql) == columns


def test_aggregate_states_are_finalised_by_views(door: Door) -> None:
    name = f"a_{uuid.uuid4().hex}"
    door.do(
        f"CREATE TABLE {name} (k UInt8, users AggregateFunction(uniqExact, String)) ENGINE = AggregatingMergeTree ORDER BY k"
    )
    door.do(f"INSERT INTO {name} SELECT number % 2, uniqExactState(toString(number)) FROM numbers(10) GROUP BY 1")
    assert door.ask(f"SELECT k, uniqExactMerge(users) FROM {name} GROUP BY k ORDER BY k") == [(0, 5), (1, 5)]
    assert door.ask(f"SELECT k, finalizeAggregation(users) FROM {name} ORDER BY k") == [(0, 5), (1, 5)]
    door.do(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM live.nowhere", 60),
        ("SELEKT 1", 62),
        ("SELECT throwIf(number = 150000) FROM numbers(200000)", 395),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1 / 'x'", 43),
    ],
)
def test_failures_carry_their_code(door: Door, sql: str, code: int) -> None:
    with pytest.raises(Refused, match=str(code)):
        door.ask(sql)
    assert door.ask("SELECT 1") == [(1,)]


def test_a_failed_insert_writes_nothing(door: Door, table: str) -> None:
    with pytest.raises(Refused):
        door.insert(f"{table}_nowhere", ["id"], [(1,)])
    with pytest.raises(Refused):
        door.do(f"INSERT INTO {table} (id, at) VALUES (1, 'no time')")
    assert door.ask(f"SELECT count() FROM {table}") == [(0,)]
    door.do(f"INSERT INTO {table} (id, text) VALUES (1, 'a;b'), (2, 'VALUES (3)');")
    assert door.ask(f"SELECT id, text FROM {table} ORDER BY id") == [(1, "a;b"), (2, "VALUES (3)")]


def test_settings_reach_the_statement_and_no_further(door: Door) -> None:
    assert door.ask("SELECT getSetting('max_threads')", max_threads=3) == [(3,)]
    assert door.ask("SELECT getSetting('max_threads')") != [(3,)]


def test_doubles_are_not_seen(door: Door) -> None:
    name = f"r_{uuid.uuid4().hex}"
    door.do(f"CREATE TABLE {name} (id UInt8, v UInt8) ENGINE = ReplacingMergeTree(v) ORDER BY id")
    door.do(f"CREATE VIEW {name}_v AS SELECT count() AS n, max(v) AS v FROM {name}")
    for version in (1, 2):
        door.insert(name, ["id", "v"], [(7, version)])
    assert door.ask(f"SELECT * FROM {name}") == [(7, 2)]
    assert door.ask(f"SELECT n, v FROM {name}_v") == [(1, 2)]
    assert door.ask(f"SELECT count() FROM {name}", final=0) in ([(2,)], [(1,)])
    for view in (f"{name}_v", name):
        door.do(f"DROP TABLE {view}")


@pytest.mark.parametrize("protocol", DOORS)
@pytest.mark.parametrize(
    ("user", "password"), [("live", "wrong"), ("live", ""), ("default", ""), ("reader", PASSWORD), ("", PASSWORD)]
)
def test_nobody_enters_without_the_password(store: StoreProcess, protocol: str, user: str, password: str) -> None:
    with pytest.raises(Refused, match=r"516|Authentication"):
        DOORS[protocol](store, user, password).ask("SELECT 1")


@pytest.mark.parametrize("protocol", DOORS)
def test_many_at_once(store: StoreProcess, protocol: str) -> None:
    def work(n: int) -> list[tuple[Any, ...]]:
        door = DOORS[protocol](store, "live", PASSWORD)
        try:
            return door.ask(f"SELECT sum(number) + {n} FROM numbers(100000)")
        finally:
            door.close()

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(work, range(48))) == [[(4999950000 + n,)] for n in range(48)]


def test_readers_read(reader: Door) -> None:
    assert reader.ask("SELECT count() FROM live.danmaku WHERE room_id = 'nobody'") == [(0,)]
    assert ("danmaku",) in reader.ask("SHOW TABLES")
    assert reader.ask("SELECT name FROM system.tables WHERE database = 'live' AND name = 'mood'") == [("mood",)]
    assert reader.ask("WITH 3 AS x SELECT x + number FROM numbers(2)") == [(3,), (4,)]
    assert len(reader.ask("DESCRIBE TABLE live.sales")) > 10
    assert reader.ask("SELECT getSetting('max_execution_time')") == [(30,)]


TARGET = "/etc/hostname"
OUTFILE = Path("/tmp/livetide-test-outfile")
ATTACKS = [
    f"SELECT file('{TARGET}')",
    f"SELECT * FROM file('{TARGET}', 'LineAsString')",
    f"SELECT * FROM `file`('{TARGET}', 'LineAsString')",
    f"SELECT * FROM/**/file/**/('{TARGET}', 'LineAsString')",
    f"SELECT (SELECT * FROM file('{TARGET}', 'LineAsString'))",
    f"SELECT * FROM view(SELECT * FROM file('{TARGET}', 'LineAsString'))",
    f"SELECT * FROM eval('SELECT file(\\'{TARGET}\\')')",
    f"SELECT 'x' IN file('{TARGET}', 'LineAsString')",
    f"WITH (SELECT file('{TARGET}')) AS f SELECT f",
    f"EXPLAIN SELECT * FROM file('{TARGET}', 'LineAsString')",
    f"DESCRIBE TABLE file('{TARGET}', 'LineAsString')",
    f"SELECT * FROM default.`{TARGET}`",
    f"SELECT * FROM `{TARGET}`",
    f"SELECT 1 IN default.`{TARGET}`",
    "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    "SELECT * FROM URL('http://127.0.0.1:9/', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:9', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:9/x', 'CSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:9', 'd', 't', 'u', 'p', 'a String')",
    "SELECT * FROM sqlite('/tmp/x.db', 't')",
    "SELECT * FROM executable('x.sh', TSV, 'a String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM Python(engine)",
    "SELECT * FROM iceberg('/tmp/x')",
    "SELECT * FROM deltaLakeLocal('/tmp/x')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM loop(default.x)",
    "SELECT * FROM filesystem('/etc')",
    "SELECT hasColumnInTable('127.0.0.1:9', 'a', 'b', 'c', 'd')",
    "SELECT reverseDNSQuery('127.0.0.1')",
    "SELECT aiGenerate('x')",
    "SELECT showCertificate()",
    "SELECT joinGet('default.x', 'y', 1)",
    "SELECT dictGet('live.x', 'y', 1)",
    "SELECT catboostEvaluate('/tmp/x', 1)",
    "SELECT 1 INTO OUTFILE '/tmp/livetide-test-outfile'",
    "SELECT 1 INTO OUTFILE '/tmp/livetide-test-outfile' FORMAT CSV",
    "SELECT * FROM system.tables INTO OUTFILE '/tmp/livetide-test-outfile' TRUNCATE FORMAT Native",
]  # fmt: skip
READERS_ATTACKS = [
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SET readonly = 0",
    "SET max_memory_usage = 0",
    "INSERT INTO live.danmaku (room_id) VALUES ('x')",
    "INSERT INTO live.danmaku (room_id) SELECT 'x'",
    f"INSERT INTO FUNCTION file('{TARGET}', 'CSV', 'a String') VALUES ('x')",
    "CREATE TABLE live.evil (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE evil (a UInt8)",
    f"CREATE TABLE live.evil (a String) ENGINE = File(CSV, '{TARGET}')",
    "CREATE FUNCTION evil AS x -> x",
    "CREATE VIEW live.evil AS SELECT 1",
    "CREATE DATABASE evil",
    "ALTER TABLE live.danmaku DELETE WHERE 1",
    "ALTER TABLE live.danmaku FREEZE",
    "DELETE FROM live.danmaku WHERE 1",
    "TRUNCATE TABLE live.danmaku",
    "DROP TABLE live.danmaku",
    "RENAME TABLE live.danmaku TO live.x",
    "OPTIMIZE TABLE live.danmaku FINAL",
    "SYSTEM SHUTDOWN",
    "SYSTEM FLUSH LOGS",
    "SYSTEM DROP MARK CACHE",
    "KILL QUERY WHERE 1",
    "BACKUP DATABASE live TO File('/tmp/livetide-test-backup')",
    "ATTACH TABLE live.x",
    "DETACH TABLE live.danmaku",
    "USE default",
    "EXCHANGE TABLES live.danmaku AND live.sales",
    "GRANT ALL ON *.* TO reader",
    "SELECT * FROM system.certificates",
    "SELECT * FROM system.named_collections",
    "SELECT 1; DROP TABLE live.danmaku",
    "optimize = 1 SELECT 1; DROP TABLE live.danmaku",
    "SELECT 1; SELECT 2; DROP TABLE live.danmaku",
    "SELECT '; ' ; -- x\n DROP TABLE live.danmaku",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_statement_reaches_files_or_other_machines(reader: Door, store: StoreProcess, attack: str) -> None:
    with pytest.raises(Refused):
        reader.ask(attack)
    writer = Native(store, "live", PASSWORD)
    with pytest.raises(Refused):
        writer.ask(attack)
    writer.close()
    assert not OUTFILE.exists()


@pytest.mark.parametrize("attack", READERS_ATTACKS)
def test_readers_change_nothing(reader: Door, attack: str) -> None:
    before = reader.ask("SELECT name, uuid FROM system.tables WHERE database = 'live' AND name = 'danmaku'")
    with pytest.raises(Refused):
        reader.do(attack)
    assert reader.ask("SELECT name, uuid FROM system.tables WHERE database = 'live' AND name = 'danmaku'") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "greed",
    [
        "SELECT * FROM numbers(100000000)",
        "SELECT repeat('x', 1000000) FROM numbers(5000)",
        "SELECT groupArray(number) FROM numbers(1000000000)",
        "SELECT count() FROM system.numbers WHERE NOT ignore(number)",
    ],
)
def test_readers_have_limits(reader: Door, greed: str) -> None:
    with pytest.raises(Refused):
        reader.ask(greed)
    assert reader.ask("SELECT 1") == [(1,)]


def test_harmless_things_stay_open(reader: Door) -> None:
    assert reader.ask("SELECT 'file(1)', 'INTO OUTFILE ''x'''") == [("file(1)", "INTO OUTFILE 'x'")]
    assert reader.ask("SELECT * FROM values('a UInt8, file String', (1, 'x'))") == [(1, "x")]
