"""Readers who take a little of a large result and then nothing: they stop neither the writer nor, for long, other readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from storage.client import Address, StoreClient
from tests.storage.support import PASSWORD, READER_PASSWORD, StoreProcess, until

pytestmark = pytest.mark.store
LARGE = "SELECT number, repeat('x', 400) FROM numbers(1500000)"
SLOW = "SELECT count() FROM numbers({}) WHERE sipHash64(sipHash64(number)) = 1"
MANY = 3
LONG = {"send_s": 600.0, "reader_s": 600.0, "slot_s": 600.0}
Start = Callable[..., StoreProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a store with another patience, and with few turns for readers."""
    started: list[StoreProcess] = []

    def go(readers: int = MANY, **changes: float) -> StoreProcess:
        started.append(StoreProcess(tmp_path, readers=readers, **{**LONG, **changes}))
        started[-1].start()
        return started[-1]

    yield go
    for each in started:
        each.stop()


def reader(store: StoreProcess, timeout: float = 60) -> Client:
    return Client(
        "127.0.0.1", store.native_port, user="reader", password=READER_PASSWORD, database="live", send_receive_timeout=timeout
    )


@contextmanager
def pausing_native(store: StoreProcess) -> Iterator[None]:
    client = reader(store)
    rows = client.execute_iter(LARGE)
    next(rows)
    yield
    client.disconnect()


@contextmanager
def pausing_http(store: StoreProcess) -> Iterator[None]:
    url, auth = f"http://127.0.0.1:{store.http_port}/", ("reader", READER_PASSWORD)
    with httpx.Client(trust_env=False) as client, client.stream("POST", url, content=LARGE, auth=auth) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        next(pieces)
        yield
        pieces.close()  # type: ignore[attr-defined] # a generator, which would have closed the connection when it was dropped


PAUSING = pytest.mark.parametrize("pausing", [pausing_native, pausing_http])


@contextmanager
def many(store: StoreProcess, pausing: Callable[[StoreProcess], object], count: int = MANY) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(pausing(store))  # type: ignore[arg-type] # a context manager, by its decorator
        yield


def answers(store: StoreProcess) -> bool:
    client = reader(store, timeout=1)
    try:
        return bool(client.execute("SELECT 1") == [(1,)])
    except (Error, OSError, EOFError):
        return False
    finally:
        client.disconnect()


@PAUSING
def test_the_writer_does_not_wait_for_readers(start: Start, pausing: Callable[[StoreProcess], object]) -> None:
    store = start(readers=12)
    client = StoreClient(Address("127.0.0.1", store.native_port, "live", PASSWORD), timeout=20)
    client.execute("CREATE TABLE live.kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    with many(store, pausing, 12):
        assert not answers(store)  # all of the readers' turns are taken
        client.insert("live.kept", ["n"], [[1]])
        assert client.execute("SELECT n FROM live.kept") == [(1,)]
    client.close()


@PAUSING
def test_who_takes_nothing_is_left(start: Start, pausing: Callable[[StoreProcess], object]) -> None:
    store = start(send_s=1)
    with many(store, pausing):
        until(lambda: answers(store))


@PAUSING
def test_a_readers_statement_ends_though_nobody_takes_its_rows(start: Start, pausing: Callable[[StoreProcess], object]) -> None:
    store = start(reader_s=2, cut_s=0.5)
    with many(store, pausing):
        until(lambda: answers(store))


def test_who_fetches_for_too_long_is_told(start: Start) -> None:
    store = start(reader_s=1)
    client = reader(store)
    with pytest.raises(ServerException, match="ask for less at once") as caught:
        client.execute(SLOW.format(1_900_000_000))
    assert caught.value.code == 159
    assert client.execute("SELECT 1") == [(1,)]
    client.disconnect()


def test_who_waits_for_a_turn_in_vain_is_told(start: Start) -> None:
    store = start(slot_s=0.5)
    with many(store, pausing_native):
        client = reader(store)
        with pytest.raises(ServerException, match="too many statements of reader run") as caught:
            client.execute("SELECT 1")
        assert caught.value.code == 202
        client.disconnect()
        answer = httpx.post(
            f"http://127.0.0.1:{store.http_port}/", content="SELECT 1", auth=("reader", READER_PASSWORD), trust_env=False
        )
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (503, "202")


def test_the_writer_takes_all_the_time_it_needs(start: Start) -> None:
    store = start(reader_s=0.2)
    client = store.client()
    assert client.execute(SLOW.format(20_000_000)) == [(0,)]
    client.close()
