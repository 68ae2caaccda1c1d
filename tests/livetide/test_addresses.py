"""What listens where, and by which address it is reached."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from livetide import addresses
from livetide.health import HealthServer
from livetide.metrics import PrometheusMeter
from livetide.processes.kafka import run as run_kafka
from livetide.settings import Settings
from livetide.stack.table import http_probe, state_of
from storage.client import Address
from streams.broker.ports import Claims, free_port
from streams.records import FatalError, RetryError


def own_address() -> str:
    """An address of this machine beyond loopback; skips where there is none."""
    found = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    beyond = [address for address in found if not ipaddress.ip_address(address).is_loopback]
    if not beyond:
        pytest.skip("this machine has no address beyond loopback")
    return beyond[0]


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "[::1]"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]"),
    ],
)
def test_everything_is_reached_where_it_listens(tmp_path: Path, host: str, reached: str) -> None:
    settings = Settings(data=tmp_path, host=host, store_host="127.0.0.2")
    ports = {"LIVETIDE_GATEWAY_PORT": "1", "LIVETIDE_CONSOLE_PORT": "2", "LIVETIDE_STORE_PORT": "3"} | {
        f"LIVETIDE_HEALTH_PORT.{name}": "4"
        for name in ("kafka", "store", "worker", "sink", "clipper", "host", "delivery", "stack")
    }
    state = state_of(settings, ports, 0)
    assert (state.gateway, state.console) == (f"http://{reached}:1", f"http://{reached}:2")
    assert state.health["sink"] == f"http://{reached}:4"
    assert state.clickhouse == "127.0.0.2:3"
    assert state.kafka.startswith("127.0.0.1:")
    placed = Settings(data=tmp_path, host=host, store_host="127.0.0.2", store_port=3)
    for url in (addresses.writing(placed), addresses.reading(placed)):
        assert (Address.parse(url).host, Address.parse(url).port) == ("127.0.0.2", 3)
    assert addresses.reading_http(placed) == "http://127.0.0.2:18123"


def test_an_address_that_is_not_here_is_named(tmp_path: Path) -> None:
    addresses.check(Settings(data=tmp_path, host="0.0.0.0", store_host="127.0.0.1"))
    with pytest.raises(RetryError, match=r"LIVETIDE_HOST is 192\.0\.2\.250, where nothing can listen"):
        addresses.check(Settings(data=tmp_path, host="192.0.2.250"))
    with pytest.raises(RetryError, match="LIVETIDE_STORE_HOST is nowhere"):
        addresses.check(Settings(data=tmp_path, store_host="nowhere.invalid"))


def test_a_port_must_be_free_on_the_address_that_will_be_used() -> None:
    host, port = own_address(), free_port()
    with socket.create_server((host, port)), Claims() as loopback, Claims((host,)) as both:
        assert not both.take(port)
        assert loopback.take(port)


def test_health_answers_on_the_address_that_is_set() -> None:
    host, port = own_address(), free_port()
    with HealthServer(host, port, "key", PrometheusMeter(), lambda: None):
        assert http_probe(host, port, "/readyz", "key")() is None
        assert http_probe("127.0.0.1", port, "/readyz", "key")() is not None


class TestReading:
    """By which account the console and `livetide query` ask."""

    def settings(self, tmp_path: Path, reader: str = "", http_port: int = 0, writer: str = "") -> Settings:
        return Settings(
            data=tmp_path,
            clickhouse=SecretStr(writer or "clickhouse://live:w@db:9000/live"),
            clickhouse_reader=SecretStr(reader),
            clickhouse_http_port=http_port,
        )

    def test_the_reading_account_that_is_set(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path, "clickhouses://people:r@replica/live", 9999)
        assert Address.parse(addresses.reading(settings)) == Address("replica", 9440, "people", "r", "live", True)
        assert Address.parse(addresses.writing(settings)).user == "live"
        assert addresses.reading_http(settings) == "https://replica:9999"
        assert {"w", "r"} <= set(settings.secret_values())

    def test_without_one_the_writing_account_that_may_only_read(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path)
        address = Address.parse(addresses.reading(settings))
        assert (address.user, address.settings) == ("live", {"readonly": 2})
        assert Address.parse(addresses.writing(settings)).settings == {}
        assert addresses.reading_http(settings) == "http://db:8123"

    def test_what_is_asked_for_in_the_address_stays(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path, writer="clickhouse://live:w@db/live?readonly=1")
        assert Address.parse(addresses.reading(settings)).readonly == 1

    @pytest.mark.parametrize("query", ["readonly=0", "readonly=3", "secure=true", "x"])
    def test_another_question_mark_is_refused(self, query: str) -> None:
        with pytest.raises(FatalError, match="readonly=2"):
            Address.parse(f"clickhouse://a:b@c/live?{query}")


def test_the_broker_is_not_run_beside_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="LIVETIDE_KAFKA names a cluster"):
        run_kafka(Settings(data=tmp_path, kafka="elsewhere:9092"))
