"""Whom the embedded broker lets in, by both its doors."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from livetide.settings import CACHE
from streams.admin import create_topics, list_topics
from streams.broker import EmbeddedBroker
from streams.broker.access import INNER
from streams.broker.ports import free_port
from streams.commits import group_commits
from streams.gateway.log import KafkaLog
from streams.kafka import Cluster
from streams.lag import group_lags
from streams.publisher import Publisher
from streams.reach import admin_client
from streams.records import FatalError, LivetideError, RetryError
from streams.topics import SALES
from tests.streams.broker.test_embedded_broker import read, write
from tests.support.kafka import make_topics
from tests.support.kafka_wire import answered

pytestmark = pytest.mark.kafka
PASSWORD = "the-right-password-of-this-test"
WRONG = "a-wrong-password-of-this-test"


def closed(folder: Path, password: str | None = PASSWORD) -> EmbeddedBroker:
    port = free_port()
    return EmbeddedBroker(folder, CACHE, port, free_port({port}), password=password)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    broker = closed(tmp_path_factory.mktemp("guarded") / "kafka")
    try:
        broker.start()
        make_topics(broker.cluster(), [SALES])
        yield broker
    finally:
        broker.stop()


def inner_password(broker: EmbeddedBroker) -> str:
    properties = (broker.data / "server.properties").read_text()
    return properties.split(f'user_{INNER}="')[1].split('"')[0]


async def enters(port: int, mechanism: str, user: str, password: str) -> bool:
    """Whether a listener lets this user in."""
    try:
        connection = await create_conn(
            "127.0.0.1", port, request_timeout_ms=10_000, security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism,
            sasl_plain_username=user, sasl_plain_password=password,
        )  # fmt: skip
    except KafkaError:
        return False
    connection.close()
    return True


def test_who_has_the_password_writes_and_reads(guarded: EmbeddedBroker) -> None:
    write(guarded.cluster(), SALES.name, [b"1", b"2"])
    assert read(guarded.cluster(), SALES.name, 2) == [b"1", b"2"]
    assert [state.name for state in list_topics(guarded.cluster())] == [SALES.name]
    assert group_commits(guarded.cluster(), "nobody") == {}


@pytest.mark.parametrize("door", ["port", "controller_port"])
def test_without_a_password_nothing_is_answered_but_which_versions_there_are(guarded: EmbeddedBroker, door: str) -> None:
    assert answered(getattr(guarded, door)) == []


async def test_each_door_takes_its_own_users_only(guarded: EmbeddedBroker) -> None:
    cluster, inner = guarded.cluster(), inner_password(guarded)
    user, mechanism = cluster.sasl_user, cluster.sasl_mechanism
    let_in = [
        (door, kind, who)
        for door in (guarded.port, guarded.controller_port)
        for kind in (mechanism, "PLAIN")
        for who in ((user, PASSWORD), (user, WRONG), (user, ""), (INNER, inner), (INNER, PASSWORD), ("admin", "admin"))
        if await enters(door, kind, *who)
    ]
    assert let_in == [
        (guarded.port, mechanism, (user, PASSWORD)),
        (guarded.port, "PLAIN", (INNER, inner)),
        (guarded.controller_port, "PLAIN", (INNER, inner)),
    ]


@pytest.mark.parametrize("ask", [admin_client, list_topics, group_lags, lambda it: create_topics(it, [SALES])])
def test_a_wrong_password_is_told_at_once(guarded: EmbeddedBroker, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(FatalError) as refused:
        ask(replace(guarded.cluster(), sasl_password=WRONG))
    told = str(refused.value)
    assert f"Kafka at 127.0.0.1:{guarded.port} refuses us" in told
    assert "invalid credentials" in told
    assert "LIVETIDE_KAFKA_SASL_" in told
    assert WRONG not in told


@pytest.mark.slow
def test_no_password_at_all_is_told(guarded: EmbeddedBroker) -> None:
    with pytest.raises(RetryError, match="is PLAINTEXT what it wants"):
        admin_client(Cluster(guarded.cluster().servers), 2.0)


@pytest.mark.slow
async def test_those_who_write_say_why_they_cannot(guarded: EmbeddedBroker) -> None:
    wrong = replace(guarded.cluster(), sasl_password=WRONG)
    publisher = Publisher(wrong, timeout_s=2)
    publisher.put(SALES.name, 0, None, b"", [])
    with pytest.raises(RetryError, match="refuses us"):
        publisher.flush()
    log = KafkaLog(wrong, SALES.name)
    await log.open()
    try:
        with pytest.raises(LivetideError, match="refuses us"):
            await log.check()
    finally:
        await log.close(0.1)


def test_the_password_stands_nowhere(guarded: EmbeddedBroker) -> None:
    """Neither the user's, in any form, nor the inner one but in the file that is its owner's."""
    inner = inner_password(guarded)
    holders = {
        secret: [
            path.name
            for path in guarded.data.rglob("*")
            if path.is_file() and path.suffix not in (".index", ".timeindex") and secret.encode() in path.read_bytes()
        ]
        for secret in (PASSWORD, inner)
    }
    assert holders == {PASSWORD: [], inner: ["server.properties"]}
    assert stat.S_IMODE((guarded.data / "server.properties").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (guarded.data, guarded.logs)} == {0o700}
    assert guarded.pid is not None
    line = " ".join(psutil.Process(guarded.pid).cmdline())
    assert "server.properties" in line
    assert PASSWORD not in line
    assert inner not in line
    assert PASSWORD not in repr(guarded.cluster())


@pytest.mark.slow
async def test_a_folder_of_an_older_version_is_taken_over_and_a_password_can_be_changed(tmp_path: Path) -> None:
    older = closed(tmp_path / "kafka", None)
    older.start()
    assert answered(older.port)  # what the other tests look for would be seen
    make_topics(older.cluster(), [SALES])
    write(older.cluster(), SALES.name, [b"kept"])
    older.stop()
    (older.data / "server.properties").chmod(0o644)
    older.data.chmod(0o755)
    for password, former in ((PASSWORD, ""), ("another-password-of-this-test", PASSWORD)):
        broker = closed(tmp_path / "kafka", password)
        broker.start()
        try:
            assert read(broker.cluster(), SALES.name, 1) == [b"kept"]
            assert answered(broker.port) == []
            assert not await enters(broker.port, broker.cluster().sasl_mechanism, broker.cluster().sasl_user, former)
            assert stat.S_IMODE((broker.data / "server.properties").stat().st_mode) == 0o600
            assert stat.S_IMODE(broker.data.stat().st_mode) == 0o700
        finally:
            broker.stop()
