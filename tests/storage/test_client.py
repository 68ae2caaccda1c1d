from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.client import Address, StoreClient
from storage.server.access import READER, WRITER, Users, reader_password
from storage.server.failure import StoreFailure, from_engine
from streams.records import FatalError, RetryError
from tests.storage.support import PASSWORD, READER_PASSWORD, StoreProcess


def test_an_address_has_all_parts() -> None:
    address = Address.parse("clickhouses://shop:p%40ss%2Fword@ch.example:9440/live")
    assert (address.host, address.port, address.user, address.password) == ("ch.example", 9440, "shop", "p@ss/word")
    assert (address.database, address.secure) == ("live", True)


def test_ports_have_defaults() -> None:
    assert Address.parse("clickhouse://a:b@host").port == 9000
    assert Address.parse("clickhouses://a:b@host").port == 9440


@pytest.mark.parametrize("url", ["", "http://host", "clickhouse://", "clickhouse://host:port/live", "host:9000"])
def test_a_bad_address_is_named_without_its_password(url: str) -> None:
    with pytest.raises(FatalError, match="clickhouse://user:password@host:port/database"):
        Address.parse(url)


def test_the_password_shows_nowhere() -> None:
    address = Address.parse("clickhouse://live:s3cr3t-pass@127.0.0.1:1/live")
    client = StoreClient(address)
    with pytest.raises(RetryError) as caught:
        client.execute("SELECT 1")
    shown = f"{address!r} {address} {caught.value} {caught.value!r} {vars(client)}"
    assert "s3cr3t-pass" not in shown


def test_a_store_that_is_away_is_worth_a_retry() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        client = StoreClient(Address("127.0.0.1", nobody.getsockname()[1], "live", "x"))
        with pytest.raises(RetryError, match="does not answer"):
            client.execute("SELECT 1")


@pytest.mark.store
def test_what_the_store_refuses_is_not(client: StoreClient) -> None:
    with pytest.raises(FatalError, match="nowhere"):
        client.execute("SELECT * FROM live.nowhere")
    assert client.execute("SELECT 1") == [(1,)]


@pytest.mark.store
def test_rows_come_with_names(client: StoreClient) -> None:
    assert client.dicts("SELECT %(n)s AS n, 'x' AS s", {"n": 3}) == [{"n": 3, "s": "x"}]
    assert client.dicts("SELECT 1 AS n WHERE 0") == []


@pytest.mark.store
def test_a_wrong_password_is_fatal(store: StoreProcess) -> None:
    with pytest.raises(FatalError, match="Authentication failed"):
        StoreClient(Address("127.0.0.1", store.native_port, "live", "wrong")).execute("SELECT 1")


def test_only_the_right_password_admits() -> None:
    users = Users(PASSWORD)
    assert not users.admit(WRITER, PASSWORD).read_only
    assert users.admit(READER, READER_PASSWORD).read_only
    for user, password in [(WRITER, READER_PASSWORD), (READER, PASSWORD), (WRITER, ""), ("", ""), ("default", PASSWORD)]:
        with pytest.raises(StoreFailure) as caught:
            users.admit(user, password)
        assert caught.value.code == 516


def test_a_short_password_is_no_password() -> None:
    with pytest.raises(ValueError, match="12 characters"):
        Users("short")


@given(st.text(min_size=12), st.text(min_size=12))
def test_the_readers_password_is_its_own(one: str, other: str) -> None:
    try:
        first, second = reader_password(one), reader_password(other)
    except UnicodeEncodeError:
        return
    assert first != one
    assert (first == second) == (one == other)


def test_a_readers_limits_can_be_lowered_but_not_raised() -> None:
    role = Users(PASSWORD).admit(READER, READER_PASSWORD)
    known = frozenset({"max_threads", "max_execution_time"})
    for asked, got in [("5", "5"), ("0", "30"), ("-1", "30"), ("1e9", "30"), ("nan", "30"), ("inf", "30")]:
        assert role.settings({"max_execution_time": asked}, known, strict=True)["max_execution_time"] == got
    with pytest.raises(StoreFailure, match="needs a number"):
        role.settings({"max_execution_time": "x"}, known, strict=True)


def test_the_engines_words_become_code_message_and_name() -> None:
    failure = from_engine(RuntimeError("Code: 60. DB::Exception: Table live.x does not exist. (UNKNOWN_TABLE)"))
    assert (failure.code, failure.message, failure.name) == (60, "Table live.x does not exist.", "UNKNOWN_TABLE")
    nested = from_engine(
        RuntimeError(
            "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'readonly' setting in readonly mode. (READONLY) "
            "(version 26.9.2.1). (READONLY)"
        )
    )
    assert (nested.code, nested.name) == (164, "READONLY")
    assert nested.message == "Cannot modify 'readonly' setting in readonly mode."
    assert from_engine(RuntimeError("boom")).code == 1002
