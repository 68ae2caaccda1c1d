"""What readers may see of the engine's own tables, when their session stands among them."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.storage.doors import Refused
from tests.storage.support import READER_PASSWORD, StoreProcess

pytestmark = pytest.mark.store
CLOSED_TABLES = ("users", "server_settings", "named_collections", "disks", "errors", "stack_trace")


@pytest.fixture(params=["native", "http"])
def in_system(request: pytest.FixtureRequest, store: StoreProcess) -> Callable[[str], list[str]]:
    """Asks as the reader, in a session that stands in the database ``system``; the first column."""

    def by_http(sql: str) -> list[str]:
        url, auth = f"http://127.0.0.1:{store.http_port}/?database=system", ("reader", READER_PASSWORD)
        answer = httpx.post(url, content=sql.encode(), auth=auth, trust_env=False, timeout=60)
        if answer.status_code != 200:
            raise Refused(answer.text)
        return [line.split("\t")[0] for line in answer.text.splitlines()]

    def by_driver(sql: str) -> list[str]:
        client = Client("127.0.0.1", store.native_port, user="reader", password=READER_PASSWORD, database="system")
        try:
            return [str(row[0]) for row in client.execute(sql)]
        except ServerException as error:
            raise Refused(str(error)) from error
        finally:
            client.disconnect()

    return by_http if request.param == "http" else by_driver


@pytest.mark.parametrize("table", CLOSED_TABLES)
def test_a_name_without_a_database_opens_no_more_than_with_one(in_system: Callable[[str], list[str]], table: str) -> None:
    for sql in (
        f"SELECT * FROM {table} LIMIT 1", f"SELECT * FROM `{table}` AS one LIMIT 1", f"SELECT * FROM system.{table} LIMIT 1",
        f"SELECT number FROM numbers(1) WHERE toString(number) IN {table}",
        f"WITH x AS (SELECT * FROM {table}) SELECT * FROM x", f"SELECT 1 FROM tables AS t JOIN {table} AS u ON 1 = 1",
    ):  # fmt: skip
        with pytest.raises(Refused, match="not open to readers"):
            in_system(sql)


def test_what_is_open_in_system_is_open_without_its_name(in_system: Callable[[str], list[str]]) -> None:
    assert in_system("SELECT name FROM tables WHERE database = 'live' AND name = 'mood'") == ["mood"]
    assert in_system("WITH t AS (SELECT database AS name FROM columns WHERE table = 'mood') SELECT any(name) FROM t") == [
        "live"
    ]
