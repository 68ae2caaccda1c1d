"""The health server over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from livetide.health import HealthServer
from livetide.metrics import PrometheusMeter
from streams.records import RetryError

KEY = "operator-key-of-this-test"


class Switch:
    """A check whose answer a test sets."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.broken = False

    def __call__(self) -> str | None:
        if self.broken:
            raise RuntimeError("the check is broken")
        return self.reason


@pytest.fixture
def ready() -> Switch:
    return Switch()


@pytest.fixture
def alive() -> Switch:
    return Switch()


@pytest.fixture
def server(ready: Switch, alive: Switch) -> Iterator[HealthServer]:
    meter = PrometheusMeter()
    meter.count("restarts", process="worker")
    with HealthServer("127.0.0.1", 0, KEY, meter, ready, alive) as running:
        yield running


def ask(server: HealthServer, path: str, key: str = KEY) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers={"Authorization": f"Bearer {key}"}, trust_env=False)


def test_all_is_well(server: HealthServer) -> None:
    assert ask(server, "/healthz").status_code == 200
    assert ask(server, "/readyz").text == "ok\n"


def test_not_ready_says_why_and_is_still_alive(server: HealthServer, ready: Switch) -> None:
    ready.reason = "waiting for partition 2"
    answer = ask(server, "/readyz")
    assert (answer.status_code, answer.text) == (503, "waiting for partition 2\n")
    assert ask(server, "/healthz").status_code == 200


def test_stalled_is_not_alive(server: HealthServer, alive: Switch) -> None:
    alive.reason = "no progress for 60 s"
    assert ask(server, "/healthz").status_code == 503


def test_a_check_that_fails_itself_is_not_well(server: HealthServer, ready: Switch) -> None:
    ready.broken = True
    assert ask(server, "/readyz").status_code == 503


def test_metrics_are_a_scrape(server: HealthServer) -> None:
    assert 'livetide_restarts_total{process="worker"} 1.0' in ask(server, "/metrics").text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/nowhere"])
@pytest.mark.parametrize("key", ["wrong", KEY + "x", KEY[:-1], "ключ"])
def test_nothing_without_the_key(server: HealthServer, path: str, key: str) -> None:
    headers = {b"Authorization": f"Bearer {key}".encode()}
    answer = httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert "livetide_" not in answer.text
    assert httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False).status_code == 401


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        HealthServer("127.0.0.1", 0, "", PrometheusMeter())


def test_other_routes_and_methods(server: HealthServer) -> None:
    assert ask(server, "/nowhere").status_code == 404
    assert httpx.post(f"http://127.0.0.1:{server.port}/healthz", trust_env=False).status_code == 501


def test_a_taken_port_says_what_to_set(server: HealthServer) -> None:
    with pytest.raises(RetryError, match="LIVETIDE_HEALTH_PORT"):
        HealthServer("127.0.0.1", server.port, KEY, PrometheusMeter())


def test_stopping_frees_the_port(server: HealthServer) -> None:
    server.stop()
    again = HealthServer("127.0.0.1", server.port, KEY, PrometheusMeter())
    again.stop()
