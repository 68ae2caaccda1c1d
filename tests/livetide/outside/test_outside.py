"""The whole product on servers that are not its own: a Kafka cluster with SASL and TLS, and a ClickHouse server elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from streams.admin import create_topics, list_topics
from streams.commits import group_commits
from streams.gateway.auth import bearer_key
from streams.publisher import Publisher
from streams.records import FatalError
from streams.topics import SALES
from tests.faults.stack.rig import Rig
from tests.storage.support import PASSWORD as STORE_PASSWORD
from tests.storage.support import READER_PASSWORD, StoreProcess
from tests.support.kafka_tls import PASSWORD, TlsBroker, authority

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(300)]
ROOM = "outside-room"
WRONG = "not-the-password-of-the-cluster"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    broker = TlsBroker(tmp_path_factory.mktemp("outside"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A store of another installation: empty, without our schema, and it knows its own passwords only."""
    store = StoreProcess(tmp_path_factory.mktemp("elsewhere"))
    store.start()
    yield store
    store.stop()


@pytest.fixture(scope="module")
def rig(outside: TlsBroker, elsewhere: StoreProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack that is up, with both of them."""
    given = {"LIVETIDE_CLICKHOUSE": elsewhere.url, "LIVETIDE_CLICKHOUSE_HTTP_PORT": str(elsewhere.http_port)}
    rig = Rig(tmp_path_factory.mktemp("rig"), outside.environment() | given)
    try:
        rig.up()
        yield rig
    finally:
        rig.down()


def livetide(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
    return subprocess.run(
        [sys.executable, "-m", "livetide", *words], env=clean | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def until(what: Callable[[], bool], seconds: float, why: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, why()
        time.sleep(0.2)


def post(rig: Rig, *texts: str) -> None:
    now = time.time_ns() // 1_000_000
    events = [{"kind": "chat", "id": text, "ts": now, "user": "u", "text": text} for text in texts]
    key = {"authorization": f"Bearer {bearer_key(rig.secrets['master'], ROOM)}"}
    with httpx.Client(trust_env=False, timeout=30) as client:
        told = client.post(f"{rig.gateway}/v1/rooms/{ROOM}/events", headers=key, json={"events": events})
    assert (told.status_code, told.json()["accepted"]) == (202, len(events)), told.text


def query(rig: Rig, sql: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return livetide(rig.environment | settings, "query", sql, "-f", "TSV")


def test_chat_comes_through_a_cluster_with_tls_into_a_store_elsewhere(rig: Rig, outside: TlsBroker) -> None:
    """Gateway, a Faust worker and the sink: what is posted is comprehended, and lies in the other store."""
    names = {status["name"] for status in rig.report()["processes"]}
    assert not names & {"kafka", "store"}
    post(rig, "多少钱", "主播好")
    sql = f"SELECT text, intent != '' FROM danmaku WHERE room_id = '{ROOM}' ORDER BY text"
    until(lambda: len(query(rig, sql).stdout.splitlines()) == 2, 120, lambda: (query(rig, sql), rig.log("worker")[-2000:]))
    until(lambda: not rig.lags(), 60, rig.lags)
    report = rig.report()
    assert report["healthy"], report
    assert {row["group"] for row in report["lag"]} >= {"livetide-comprehension", "livetide-sink"}
    assert group_commits(outside.cluster(), "livetide-comprehension")


def test_the_secrets_of_others_stand_in_no_log_and_no_state(rig: Rig) -> None:
    read = [path for path in rig.data.rglob("*") if path.is_file()]
    assert any(path.name == "worker.log" for path in read)
    for path in read:
        content = path.read_bytes()
        assert PASSWORD.encode() not in content, path
        assert STORE_PASSWORD.encode() not in content, path


def test_whoever_reads_cannot_write(rig: Rig, elsewhere: StoreProcess) -> None:
    """With the writing account the session only reads; with a reading account it is that one."""
    insert = "INSERT INTO rooms (room_id) VALUES ('forged')"
    by_reader = {"LIVETIDE_CLICKHOUSE_READER": f"clickhouse://reader:{READER_PASSWORD}@127.0.0.1:{elsewhere.native_port}/live"}
    for user, settings in (("live", {}), ("reader", by_reader)):
        for forged in (insert, "DROP TABLE danmaku", "SELECT 1 SETTINGS readonly = 0"):
            done = query(rig, forged, **settings)
            assert done.returncode == 1, done
            assert "164" in done.stderr, done.stderr
        assert query(rig, "SELECT 1", **settings).stdout == "1\n", user
    assert query(rig, "EXISTS TABLE danmaku").stdout == "1\n"


def test_a_wrong_reading_account_is_told(rig: Rig, elsewhere: StoreProcess) -> None:
    wrong = {"LIVETIDE_CLICKHOUSE_READER": f"clickhouse://reader:{WRONG}@127.0.0.1:{elsewhere.native_port}/live"}
    done = query(rig, "SELECT 1", **wrong)
    assert done.returncode == 1
    assert "Authentication failed" in done.stderr
    told = livetide(rig.environment | wrong, "doctor", "--json").stdout
    [store] = [one for one in map(json.loads, told.splitlines()) if one["name"] == "store"]
    assert store["verdict"] == "problem"
    assert "LIVETIDE_CLICKHOUSE_READER" in store["advice"]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_either_mechanism_lets_us_in(outside: TlsBroker, mechanism: str) -> None:
    cluster = outside.cluster(mechanism)
    create_topics(cluster, [SALES])
    publisher = Publisher(cluster)
    publisher.put(SALES.name, 0, b"k", b"v", [])
    publisher.flush()
    assert next(state for state in list_topics(cluster) if state.name == SALES.name).records > 0
    assert group_commits(cluster, "nobody") == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"LIVETIDE_KAFKA_SASL_PASSWORD": WRONG}, "refuses us"),
        ({"LIVETIDE_KAFKA_SASL_USER": "somebody"}, "refuses us"),
        ({"LIVETIDE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "refuses us"),
        ({"LIVETIDE_KAFKA_CA": "other"}, "LIVETIDE_KAFKA_CA"),
        ({"LIVETIDE_KAFKA_CA": ""}, "LIVETIDE_KAFKA_CA"),
        ({"LIVETIDE_KAFKA_CA": "/nowhere/ca.pem"}, "/nowhere/ca.pem cannot be used"),
        ({"LIVETIDE_KAFKA_SECURITY": "SASL_PLAINTEXT"}, "LIVETIDE_KAFKA_SECURITY"),
        ({"LIVETIDE_KAFKA_SECURITY": "PLAINTEXT", "LIVETIDE_KAFKA_SASL_MECHANISM": ""}, "LIVETIDE_KAFKA_SECURITY"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told(outside: TlsBroker, tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    if wrong.get("LIVETIDE_KAFKA_CA") == "other":
        wrong = {"LIVETIDE_KAFKA_CA": str(authority(tmp_path / "other", "another authority").certificate)}
    done = livetide(outside.environment() | {"LIVETIDE_DATA": str(tmp_path)} | wrong, "topics", "list")
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert outside.servers in done.stderr or "/nowhere" in done.stderr
    assert WRONG not in done.stderr
    assert PASSWORD not in done.stderr


def test_a_name_that_the_certificate_does_not_bear_is_refused(outside: TlsBroker) -> None:
    with pytest.raises(FatalError, match="the names in LIVETIDE_KAFKA"):
        list_topics(replace(outside.cluster(), servers=f"localhost:{outside.port}"))
