"""What HTTP has of its own: where the query stands, formats, bodies, headers, and the ways to say who one is."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import lz4.frame
import pytest

from storage.server import codec
from storage.server.codec import Reader
from tests.storage.support import PASSWORD, READER_PASSWORD, StoreProcess

pytestmark = pytest.mark.store


@pytest.fixture
def http(store: StoreProcess) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{store.http_port}", auth=("live", PASSWORD), trust_env=False, timeout=30
    ) as client:
        yield client


@pytest.fixture
def reader(store: StoreProcess) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{store.http_port}", auth=("reader", READER_PASSWORD), trust_env=False, timeout=30
    ) as client:
        yield client


@pytest.fixture
def table(http: httpx.Client) -> Iterator[str]:
    http.post("/", content="CREATE TABLE live.http_rows (a UInt32, b String) ENGINE = MergeTree ORDER BY a").raise_for_status()
    yield "live.http_rows"
    http.post("/", content="DROP TABLE live.http_rows").raise_for_status()


def test_the_query_stands_in_the_address_or_the_body(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert http.post("/", content="SELECT 2").text == "2\n"
    assert http.post("/", params={"query": "SELECT 3 +"}, content=" 4").text == "7\n"


@pytest.mark.parametrize(
    ("output", "text"),
    [("CSV", '1,"x"\n'), ("JSONEachRow", '{"a":1,"b":"x"}\n'), ("TSVWithNames", "a\tb\n1\tx\n"), ("JSONCompact", '"rows": 1')],
)
def test_answers_take_the_format_that_is_asked_for(http: httpx.Client, output: str, text: str) -> None:
    sql = "SELECT 1 AS a, 'x' AS b"
    ways = [
        http.post("/", content=f"{sql} FORMAT {output}"),
        http.post("/", params={"default_format": output}, content=sql),
        http.post("/", headers={"X-ClickHouse-Format": output}, content=sql),
    ]
    for answer in ways:
        assert text in answer.text
        assert answer.headers["X-ClickHouse-Format"] == output


def test_parameters_are_values_and_never_sql(http: httpx.Client, reader: httpx.Client) -> None:
    answer = http.post("/", params={"param_x": "'; DROP TABLE live.danmaku --"}, content="SELECT {x:String}")
    assert answer.text == "\\'; DROP TABLE live.danmaku --\n"
    assert http.post("/", params={"param_n": "7"}, content="SELECT {n:UInt8} + 1").text == "8\n"
    named = reader.post("/", params={"param_t": "danmaku"}, content="SELECT count() FROM live.{t:Identifier}")
    assert named.status_code == 200, named.text
    for name in ("certificates", "named_collections"):
        refused = reader.post("/", params={"param_t": name}, content="SELECT * FROM system.{t:Identifier}")
        assert refused.status_code == 403, refused.text
    for name in ("/etc/hostname", "x"):
        refused = reader.post("/", params={"param_t": name}, content="SELECT * FROM default.{t:Identifier}")
        assert refused.status_code in (403, 404), refused.text


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "lz4"])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_may_be_compressed_and_come_in_chunks(http: httpx.Client, table: str, encoding: str, chunked: bool) -> None:
    rows = "".join(f"{n},row {n}\n" for n in range(50_000)).encode()
    packed = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "lz4": lz4.frame.compress}[encoding](rows)
    content: Any = iter([packed[at : at + 10_000] for at in range(0, len(packed), 10_000)]) if chunked else packed
    answer = http.post(
        "/", params={"query": f"INSERT INTO {table} FORMAT CSV"}, content=content,
        headers={"Content-Encoding": encoding} if encoding else {},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert '"written_rows": "50000"' in answer.headers["X-ClickHouse-Summary"]
    assert http.post("/", content=f"SELECT count(), sum(a) FROM {table}").text == "50000\t1249975000\n"


def test_data_may_follow_the_insert_in_the_body(http: httpx.Client, table: str) -> None:
    http.post("/", content=f'INSERT INTO {table} FORMAT JSONEachRow {{"a":1,"b":"x;y"}}\n{{"a":2}}').raise_for_status()
    http.post("/", content=f"INSERT INTO {table} (b, a) VALUES ('z', 3), ('w', 4);").raise_for_status()
    http.post("/", content=f"INSERT INTO {table} SELECT number + 5, 'n' FROM numbers(2)").raise_for_status()
    assert http.post("/", content=f"SELECT a, b FROM {table} ORDER BY a").text == "1\tx;y\n2\t\n3\tz\n4\tw\n5\tn\n6\tn\n"


def test_a_large_insert_is_not_held_in_memory_as_text(http: httpx.Client, table: str) -> None:
    values = ",".join(f"({n},'{'v' * 40}')" for n in range(30_000))
    assert len(values) > 1 << 20
    http.post("/", content=f"INSERT INTO {table} VALUES {values}").raise_for_status()
    assert http.post("/", content=f"SELECT count() FROM {table}").text == "30000\n"


def test_clickhouses_own_compression_both_ways(http: httpx.Client, table: str) -> None:
    body = codec.compress(b"7,seven\n8,eight\n")
    http.post("/", params={"decompress": "1", "query": f"INSERT INTO {table} FORMAT CSV"}, content=body).raise_for_status()
    answer = http.post("/", params={"compress": "1"}, content=f"SELECT * FROM {table} ORDER BY a")
    assert codec.read_frame(Reader(data=answer.content)) == b"7\tseven\n8\teight\n"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_answers_are_compressed_when_that_is_asked_for(http: httpx.Client, encoding: str) -> None:
    sql = "SELECT number FROM numbers(100000)"
    answer = http.post("/", params={"enable_http_compression": "1"}, headers={"Accept-Encoding": encoding}, content=sql)
    assert answer.headers["Content-Encoding"] == encoding
    assert answer.text.splitlines() == [str(n) for n in range(100_000)]
    plain = http.post("/", headers={"Accept-Encoding": encoding}, content="SELECT 1")
    assert "Content-Encoding" not in plain.headers


def test_failures_have_status_code_and_text(http: httpx.Client) -> None:
    answer = http.post("/", content="SELECT * FROM live.nowhere")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (404, "60")
    assert answer.text.startswith("Code: 60. DB::Exception: ")
    assert answer.text.endswith("(UNKNOWN_TABLE)\n")
    assert http.post("/", params={"no_such_setting": "1"}, content="SELECT 1").headers["X-ClickHouse-Exception-Code"] == "115"
    assert http.post("/", content="").status_code == 400
    assert http.post("/", content="SELECT 1 FORMAT Nonsense").headers["X-ClickHouse-Exception-Code"] == "73"
    assert http.get("/nowhere").status_code == 404


def test_a_failure_in_mid_stream_breaks_the_answer_off(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/", content="SELECT throwIf(number = 3000000) FROM numbers(10000000)")


def test_get_changes_nothing(http: httpx.Client) -> None:
    for sql in ("CREATE TABLE live.by_get (a UInt8) ENGINE = Memory", "INSERT INTO live.http_rows VALUES (1)"):
        assert http.get("/", params={"query": sql}).status_code in (403, 404)
    assert http.post("/", content="EXISTS TABLE live.by_get").text == "0\n"


WAYS_IN: list[dict[str, Any]] = [
    {"auth": ("live", PASSWORD)},
    {"headers": {"X-ClickHouse-User": "live", "X-ClickHouse-Key": PASSWORD}},
    {"params": {"user": "live", "password": PASSWORD}},
]
WAYS_NOT_IN: list[dict[str, Any]] = [
    {},
    {"auth": ("live", "wrong")},
    {"auth": ("live", "")},
    {"auth": ("default", "")},
    {"headers": {"X-ClickHouse-User": "live", "X-ClickHouse-Key": "wrong"}},
    {"headers": {"X-ClickHouse-User": "live"}},
    {"headers": {"Authorization": "Basic !!!"}},
    {"headers": {"Authorization": f"Bearer {PASSWORD}"}},
    {"params": {"user": "live"}},
    {"params": {"password": PASSWORD}},
    {"auth": ("live", "wrong"), "params": {"user": "live", "password": PASSWORD}},
]


@pytest.mark.parametrize("way", WAYS_IN, ids=lambda way: next(iter(way)))
def test_the_ways_in(store: StoreProcess, way: dict[str, Any]) -> None:
    assert httpx.post(f"http://127.0.0.1:{store.http_port}/", content="SELECT 1", trust_env=False, **way).text == "1\n"
    assert httpx.get(f"http://127.0.0.1:{store.http_port}/ping", trust_env=False, **way).text == "Ok.\n"


@pytest.mark.parametrize("way", WAYS_NOT_IN, ids=str)
@pytest.mark.parametrize("path", ["/", "/ping", "/nowhere"])
def test_no_other_way_leads_in(store: StoreProcess, way: dict[str, Any], path: str) -> None:
    answer = httpx.post(f"http://127.0.0.1:{store.http_port}{path}", content="SELECT 1", trust_env=False, **way)
    assert answer.status_code in (400, 403)
    assert PASSWORD not in answer.text
    assert answer.text.strip() != "1"


def test_a_body_that_was_not_read_is_no_next_request(store: StoreProcess) -> None:
    with httpx.Client(trust_env=False) as client:
        smuggled = b"POST / HTTP/1.1\r\nX: y\r\n\r\n"
        answer = client.post(f"http://127.0.0.1:{store.http_port}/", content=smuggled)
        assert answer.status_code == 403
        assert answer.headers["Connection"] == "close"


def test_readers_cannot_loosen_their_limits(reader: httpx.Client) -> None:
    for name in ("max_memory_usage", "max_result_rows", "max_execution_time"):
        for value in ("0", "99999999999999", "-1", "nan"):
            raised = reader.post("/", params={name: value}, content=f"SELECT getSetting('{name}')")
            assert raised.status_code == 200, raised.text
            assert raised.text == reader.post("/", content=f"SELECT getSetting('{name}')").text
    assert reader.post("/", params={"max_result_rows": "10"}, content="SELECT * FROM numbers(100)").status_code != 200
    assert reader.post("/", params={"readonly": "0"}, content="SELECT getSetting('readonly')").text == "1\n"
    assert reader.post("/", params={"allow_ddl": "1"}, content="SELECT 1").status_code == 403
