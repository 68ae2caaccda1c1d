"""The embedded store when things go wrong around it: kills, taken ports, held folders, clients that leave."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from livetide.settings import load_secrets
from storage.client import Address, StoreClient
from storage.server import StoreServer
from streams.broker.ports import free_port
from streams.records import FatalError, RetryError
from tests.storage.support import PASSWORD, ROOT, StoreProcess, until

pytestmark = pytest.mark.store
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreProcess]:
    process = StoreProcess(tmp_path)
    process.start()
    yield process
    process.stop()


def running(store: StoreProcess) -> int:
    client = store.client()
    rows = client.execute(
        "SELECT count() FROM system.processes WHERE query LIKE '%%sipHash64%%' AND query NOT LIKE '%%processes%%'"
    )
    client.close()
    return int(rows[0][0])


class Writing:
    """Writes numbers one by one until the store goes away, and counts those that were acknowledged."""

    def __init__(self, store: StoreProcess) -> None:
        self.acknowledged = 0
        self._store = store

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        client = self._store.client()
        while True:
            try:
                client.insert("live.kept", ["n"], [[self.acknowledged]])
            except RetryError:
                client.close()
                return
            self.acknowledged += 1


def test_kill_9_keeps_every_row_that_was_acknowledged(store: StoreProcess) -> None:
    client = store.client()
    client.execute("CREATE TABLE live.kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.close()
    writing = Writing(store)
    for goal in (6, 12, 18):
        thread = writing.start()
        until(lambda goal=goal: writing.acknowledged >= goal)  # type: ignore[misc] # mypy sees no type in a default
        store.kill()
        thread.join()
        store.start()
        client = store.client()
        ((found,),) = client.execute("SELECT uniqExact(n) FROM live.kept")
        client.close()
        # The one that was under way is there or not: nobody promised it, and the next round writes it again.
        assert found - writing.acknowledged in (0, 1)


def test_a_folder_belongs_to_one_store(store: StoreProcess) -> None:
    other = StoreProcess(store.folder)
    with pytest.raises(AssertionError, match="Is another store running on it"):
        other.start()
    assert other.wait(20) != 0
    assert store.answers()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FatalError, match=f"native port 127.0.0.1:{port} cannot be opened"):
            StoreServer(tmp_path, PASSWORD, native_port=port)


def test_statements_of_clients_that_left_are_stopped(store: StoreProcess) -> None:
    driver = Client("127.0.0.1", store.native_port, user="live", password=PASSWORD)
    driver.connection.force_connect()
    driver.connection.send_query(ENDLESS)
    driver.connection.send_external_tables([])
    with socket.create_connection(("127.0.0.1", store.http_port)) as web:
        text = f"POST /?user=live&password={PASSWORD} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ENDLESS)}\r\n\r\n{ENDLESS}"
        web.sendall(text.encode())
        until(lambda: running(store) == 2)
        driver.disconnect()
        until(lambda: running(store) == 1)
    until(lambda: running(store) == 0)


def test_cancel_stops_a_statement(store: StoreProcess) -> None:
    driver = Client("127.0.0.1", store.native_port, user="live", password=PASSWORD)
    failures: list[int] = []

    def ask() -> None:
        try:
            driver.execute(ENDLESS)
        except ServerException as error:
            failures.append(error.code)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: running(store) == 1)
    driver.connection.send_cancel()
    asking.join(30)
    assert failures == [394]
    driver.disconnect()


def test_a_stop_does_not_wait_for_statements(store: StoreProcess) -> None:
    answers: list[int] = []

    def ask() -> None:
        url = f"http://127.0.0.1:{store.http_port}/"
        with suppress(httpx.HTTPError):
            answers.append(httpx.post(url, content=ENDLESS, auth=("live", PASSWORD), timeout=60, trust_env=False).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: running(store) == 1)
    store.stop()
    asking.join(30)
    assert not asking.is_alive()
    assert 200 not in answers


@pytest.mark.parametrize(
    "noise", [b"", b"\x00" * 64, b"\xff" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"\x00\x05hello" + b"\x80" * 40]
)
def test_noise_at_a_door_harms_nobody(store: StoreProcess, noise: bytes) -> None:
    for port in (store.native_port, store.http_port):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(noise)
            stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(30)
            while stranger.recv(4096):
                pass
    assert store.answers()


def test_nothing_listens_beyond_loopback(store: StoreProcess) -> None:
    import psutil

    listening = [c for c in psutil.Process(store.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.port for c in listening} == {store.native_port, store.http_port}
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def test_the_password_stays_out_of_sight(store: StoreProcess) -> None:
    with pytest.raises(FatalError):
        StoreClient(Address("127.0.0.1", store.native_port, "live", "wrong-but-secret")).execute("SELECT 1")
    httpx.get(f"http://127.0.0.1:{store.http_port}/?user=live&password={PASSWORD}&query=nonsense", trust_env=False)
    command = Path(f"/proc/{store.pid}/cmdline").read_bytes().decode()
    files = [path.read_bytes() for path in store.folder.rglob("*") if path.is_file()]
    for secret in (PASSWORD, "wrong-but-secret"):
        assert secret not in command
        assert not any(secret.encode() in content for content in files)


def test_the_process_says_when_it_is_ready_and_ends_on_sigterm(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path)
    native, http, health = free_port(), free_port(), free_port()
    environment = os.environ | {
        "LIVETIDE_DATA": str(tmp_path), "LIVETIDE_STORE_PORT": str(native), "LIVETIDE_STORE_HTTP_PORT": str(http),
        "LIVETIDE_HEALTH_PORT": str(health), "LIVETIDE_CLICKHOUSE": "",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "livetide", "run", "store"], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    try:

        def ready() -> bool:
            try:
                answer = httpx.get(
                    f"http://127.0.0.1:{health}/readyz",
                    headers={"Authorization": f"Bearer {secrets['operator_key']}"},
                    trust_env=False,
                )
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        until(ready)
        client = StoreClient(Address("127.0.0.1", native, "live", secrets["store_password"]))
        assert client.execute("SELECT 1") == [(1,)]
        client.close()
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert process.wait(30) == 0
        assert time.monotonic() - started < 30
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
