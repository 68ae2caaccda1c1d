"""Data teams' own tools at the store of a running stack: live tables with their types, and nothing that writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from storage.server import READER, reader_password
from streams.sources.simulator.truth import Truth
from tests.e2e.running import Demo, now_ms, until

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]
WRITES = (
    "INSERT INTO live.danmaku (room_id) VALUES ('mine')",
    "CREATE TABLE live.mine (a UInt8) ENGINE = Memory",
    "ALTER TABLE live.danmaku DELETE WHERE 1",
    "TRUNCATE TABLE live.sales",
    "DROP TABLE live.danmaku",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT 1 INTO OUTFILE '/tmp/mine'",
)


@pytest.fixture
def native(demo: Demo) -> Iterator[Client]:
    client = Client(
        "127.0.0.1",
        demo.settings.store_port,
        user=READER,
        password=reader_password(demo.secrets["store_password"]),
        database="live",
    )
    yield client
    client.disconnect()


@pytest.fixture
def by_http(demo: Demo) -> Iterator[Any]:
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=demo.settings.store_http_port,
        username=READER,
        password=reader_password(demo.secrets["store_password"]),
        database="live",
    )
    yield client
    client.close()


SALES = """
SELECT room_id, ts, type, amount, quantity, order_id FROM sales
WHERE room_id = {} AND type = 'pay' ORDER BY ts LIMIT 5
"""
CHAT = "SELECT text, sentiment_p, hit_words, skew_ms FROM danmaku WHERE room_id = {} AND notEmpty(hit_words) LIMIT 5"


def test_the_native_client_gets_live_rows_in_their_types(native: Client, demo: Demo, truth: Truth) -> None:
    given = {"room": demo.room}
    sales = native.execute(SALES.format("%(room)s"), given)
    assert len(sales) == 5
    for room, ts, kind, amount, quantity, order in sales:
        assert (room, kind) == (demo.room, "pay")
        assert isinstance(ts, datetime)
        assert ts.utcoffset() == timedelta(0)
        assert isinstance(amount, Decimal)
        assert amount > 0
        assert isinstance(quantity, int)
        assert order
    for text, sure, words, skew in native.execute(CHAT.format("%(room)s"), given):
        assert (type(text), type(sure), type(words), type(skew)) == (str, float, list, int)
        assert all(isinstance(word, str) for word in words)
    paid = native.execute("SELECT sum(gmv) FROM sales_minutes WHERE room_id = %(room)s", given)
    assert paid == [(Decimal(truth.sales.gmv) / 100,)]


def test_the_http_client_gets_live_rows_in_their_types(by_http: Any, demo: Demo, truth: Truth) -> None:
    given = {"room": demo.room}
    result = by_http.query(SALES.format("{room:String}"), parameters=given)
    assert [kind.name for kind in result.column_types] == [
        "LowCardinality(String)", "DateTime64(3, 'UTC')", "LowCardinality(String)", "Decimal(18, 2)", "Int64", "String",
    ]  # fmt: skip
    assert len(result.result_rows) == 5
    assert all(isinstance(row[1], datetime) and isinstance(row[3], Decimal) for row in result.result_rows)
    assert by_http.query(CHAT.format("{room:String}"), parameters=given).row_count > 0
    paid = by_http.query("SELECT sum(gmv) FROM sales_minutes WHERE room_id = {room:String}", parameters=given)
    assert paid.result_rows == [(Decimal(truth.sales.gmv) / 100,)]


def test_both_see_the_same_rows(native: Client, by_http: Any) -> None:
    question = (
        "SELECT room_id, uniqExact(source_id), min(ts), max(ts) FROM danmaku WHERE room_id LIKE 'demo-%' GROUP BY room_id"
    )
    naive = [tuple(_utc(value) for value in row) for row in by_http.query(question).result_rows]
    assert [tuple(_utc(value) for value in row) for row in native.execute(question)] == naive
    assert naive


def _utc(value: Any) -> Any:
    """The two clients differ in whether a time carries its zone."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def test_what_just_happened_can_be_asked_for(native: Client, demo: Demo) -> None:
    event = {"kind": "chat", "id": "now", "ts": now_ms(), "user": "u", "text": "刚刚说的"}
    assert demo.post("just-now", event).status_code == 202
    asked = "SELECT source_id, text FROM live.danmaku WHERE room_id = 'just-now'"
    assert until(lambda: native.execute(asked), 60, lambda: "the row did not come") == [("now", "刚刚说的")]


@pytest.mark.parametrize("sql", WRITES)
def test_the_reader_writes_nothing_and_reads_no_file(native: Client, by_http: Any, sql: str) -> None:
    before = native.execute("SELECT count() FROM danmaku")
    with pytest.raises(ServerException, match=r"(?i)reader|readonly|denied|not allowed|privilege"):
        native.execute(sql)
    with pytest.raises(DatabaseError, match=r"(?i)reader|readonly|denied|not allowed|privilege"):
        by_http.command(sql)
    assert native.execute("SELECT count() FROM danmaku") >= before


@pytest.mark.parametrize(("user", "password"), [("reader", "guess"), ("default", ""), ("live", ""), ("", "")])
def test_nobody_gets_in_without_the_password(demo: Demo, user: str, password: str) -> None:
    stranger = Client("127.0.0.1", demo.settings.store_port, user=user, password=password)
    with pytest.raises(Error) as refused:
        stranger.execute("SELECT 1")
    assert getattr(refused.value, "code", None) == 516
    stranger.disconnect()
