"""The contract with the insides of Faust, aiokafka and confluent-kafka that ``streams/faust_private.py`` names."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.transport.consumer import Consumer, ConsumerThread, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver

from streams import faust_private
from streams.commits import Committed
from streams.faust_private import Batch, FaustApp, Limits
from streams.kafka import Cluster
from streams.shell.faust_settings import faust_settings

ROOT = Path(__file__).parents[3]


def test_the_pinned_versions_are_installed() -> None:
    faust_private.check_versions()
    assert {name: version(name) for name in faust_private.PINNED} == faust_private.PINNED


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (driver.Transport, "Consumer"),
        (driver.Transport, "Producer"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "_ensure_consumer"),
        (driver.Consumer, "_new_consumer_thread"),
        (driver.Producer, "_settings_extra"),
        (Consumer, "getmany"),
        (Consumer, "_wait_next_records"),
        (Consumer, "perform_seek"),
        (Consumer, "on_partitions_revoked"),
        (Consumer, "on_partitions_assigned"),
        (ThreadDelegateConsumer, "_getmany"),
        (ConsumerThread, "thread_loop"),
        (faust.App, "_create_directories"),
        (GroupCoordinator, "ensure_coordinator_known"),
        (GroupCoordinator, "coordinator_dead"),
        (GroupCoordinator, "_send_req"),
        (AIOKafkaConsumer, "last_poll_timestamp"),
        (AIOKafkaConsumer, "highwater"),
    ],
)
def test_what_is_overridden_or_called_exists(owner: type, name: str) -> None:
    assert hasattr(owner, name) or name in inspect.getsource(owner) or name in inspect.getsource(owner.__mro__[2])


def test_pyproject_pins_the_same_versions() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    pins = dict(re.sub(r"\[.*?\]", "", one).split("==") for one in given if "==" in one)
    assert pins.items() <= faust_private.PINNED.items()
    assert faust_private.PINNED.keys() - pins.keys() == {"mode-streaming"}  # Faust's own, pinned by the lock


def private_imports() -> dict[str, set[str]]:
    """Which of our files import a part of a pinned client that has no public name."""
    found: dict[str, set[str]] = {}
    for folder in ("streams", "storage", "livetide", "analytics", "clipper", "realtime_host"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and re.match(PRIVATE, module := node.module or ""):
                    found.setdefault(module, set()).add(str(path.relative_to(ROOT)))
    return found


PRIVATE = r"confluent_kafka\.(.*\.)?_|aiokafka\.(?!errors$|structs$)|faust\.|mode\."


def test_every_file_that_imports_an_inside_is_named() -> None:
    told = inspect.getdoc(faust_private) or ""
    elsewhere = {file for files in private_imports().values() for file in files} - {"streams/faust_private.py"}
    assert elsewhere == set(re.findall(r"``(\w+/[\w/]+\.py)``", told)) - {"tests/streams/shell/test_faust_contract.py"}


def test_aiokafkas_messages_are_what_we_build_and_read() -> None:
    from aiokafka.client import AIOKafkaClient, CoordinationType
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
    from aiokafka.protocol.commit import OffsetFetchRequest

    assert CoordinationType.GROUP == 0
    assert {"bootstrap", "coordinator_lookup", "send", "close"} <= set(dir(AIOKafkaClient))
    assert list(inspect.signature(OffsetFetchRequest.__init__).parameters)[1:3] == ["consumer_group", "partitions"]
    share = ConsumerProtocolMemberAssignment(1, [("t", [0, 2])], b"")
    assert ConsumerProtocolMemberAssignment.decode(share.encode()).assignment == [("t", [0, 2])]
    member = ConsumerProtocolMemberMetadata.decode(ConsumerProtocolMemberMetadata(1, ["t"], b"worker-1").encode())
    assert (list(member.subscription), member.user_data) == (["t"], b"worker-1")


def test_confluents_private_names_are_its_public_ones() -> None:
    from confluent_kafka import admin
    from confluent_kafka.admin import _listoffsets, _scram

    assert vars(admin)["OffsetSpec"] is _listoffsets.OffsetSpec
    for name in ("ScramCredentialInfo", "ScramMechanism", "UserScramCredentialUpsertion"):
        assert vars(admin)[name] is getattr(_scram, name)


def assigned_attributes(function: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    targets = [t for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign) for t in targets_of(node)]
    return {t.attr for t in targets if isinstance(t, ast.Attribute)}


def targets_of(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (AIOKafkaConsumer.__init__, {"_fetch_max_wait_ms", "_partition_assignment_strategy", "_subscription", "_coordinator"}),
        (GroupCoordinator.__init__, {"_commit_lock", "group_id", "generation", "member_id"}),
        (Consumer.__init__, {"_read_offset"}),
    ],
)
def test_what_is_read_or_set_is_set_there(function: Any, names: set[str]) -> None:
    source = textwrap.dedent(inspect.getsource(inspect.getmodule(function) or function))
    assert names - assigned_attributes(function) - {name for name in names if f"self.{name} = " in source} == set()


def test_a_commit_request_is_built_in_the_step_in_which_it_is_called() -> None:
    """Between our look at generation and member id and the request nothing may wait."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(GroupCoordinator._do_commit_offsets)))
    waits = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Await)]
    built = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "OffsetCommitRequest"
    ]
    assert len(built) == 1
    assert min(waits) > built[0]


def test_the_consumer_uses_the_fetch_wait_that_is_set_before_it_starts() -> None:
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer)
    assert "self._in_flight" in inspect.getsource(Fetcher._get_actions_per_node)


def test_an_idempotent_producer_never_gives_a_batch_up() -> None:
    from aiokafka.producer.sender import SendProduceReqHandler

    assert "self._sender._txn_manager is None and batch.expired()" in inspect.getsource(SendProduceReqHandler._can_retry)
    assert "enable_idempotence" in inspect.signature(AIOKafkaProducer.__init__).parameters


def test_no_setting_is_unknown_to_faust() -> None:
    app = faust.App("settings", **faust_settings(Cluster("a:1,b:2"), "7", "livetide-mood", 10.0))
    assert [str(url) for url in app.conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert app.conf.consumer_group_instance_id == "livetide-mood-7"
    assert app.conf.web_enabled is False
    assert not app.conf.stream_wait_empty


def test_sasl_and_tls_reach_faust() -> None:
    secured = Cluster("a:1", security="SASL_SSL", sasl_mechanism="PLAIN", sasl_user="u", sasl_password="p")
    credentials = faust_settings(secured, "", "g", 6.0)["broker_credentials"]
    auth = driver.credentials_to_aiokafka_auth(credentials)
    assert (auth["security_protocol"], auth["sasl_mechanism"], auth["sasl_plain_password"]) == ("SASL_SSL", "PLAIN", "p")
    assert auth["ssl_context"] is not None
    tls = faust_settings(Cluster("a:1", security="SSL"), "", "g", 6.0)["broker_credentials"]
    assert driver.credentials_to_aiokafka_auth(tls)["security_protocol"] == "SSL"


class Group:
    """A member of a group on the real broker."""

    def __init__(self, cluster: Cluster, group: str, topics: list[str], instance: str = "") -> None:
        self.batches: list[Batch] = []
        self.partitions: set[int] | None = None
        self.app = FaustApp("agent", group, topics, cluster, self, self.take, instance=instance, session_s=6, limits=Limits())

    def assigned(self, epoch: int, partitions: set[int]) -> None:
        self.partitions = partitions

    def revoked(self) -> None:
        self.partitions = None

    async def take(self, batch: Batch) -> None:
        self.batches.append(batch)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.05)


@pytest.mark.kafka
async def test_batches_commits_and_assignment_on_a_real_broker(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    first, second = topic_maker("first"), topic_maker("second")
    group = Group(cluster, f"group-{first}", [first, second])
    await group.app.start()
    await until(lambda: group.partitions == {0, 1, 2, 3})

    for number in range(300):
        await group.app.send(first, number % 4, b"k", b"%d" % number, [("h", b"v")])
    await until(lambda: sum(len(batch.records) for batch in group.batches) == 300)
    assert len(group.batches) < 150, "records come in batches, not one by one"
    for partition in range(4):
        offsets = [r.offset for batch in group.batches if batch.partition == partition for r in batch.records]
        assert offsets == list(range(75))
    assert list(group.batches[0].records[0].headers) == [("h", b"v")]

    identity = group.app.identity()
    places = [(first, 1), (second, 1)]
    assert await group.app.committed(places) == {}
    assert await group.app.commit(identity, dict.fromkeys(places, (40, "ck:17")))
    assert await group.app.committed(places) == dict.fromkeys(places, Committed(40, "ck:17"))
    generation, member = identity
    assert not await group.app.commit((generation - 1, member), {places[0]: (50, "ck:18")})
    assert not await group.app.commit((generation, "somebody-else"), {places[0]: (50, "ck:18")})
    assert await group.app.committed(places) == dict.fromkeys(places, Committed(40, "ck:17"))

    group.batches.clear()
    await group.app.seek(first, 1, 40)
    await until(lambda: sum(len(batch.records) for batch in group.batches) >= 35)
    assert group.batches[0].records[0].offset == 40
    await until(lambda: group.app.end(first, 1, 3_000, 0) == 75)
    assert group.app.end("unknown", 1, 3_000, 0) is None
    await group.app.stop()
    assert not list(Path.cwd().glob(f"*{first}*")), "Faust makes no folder where it was started"


@pytest.mark.kafka
@pytest.mark.slow
async def test_partition_p_of_both_topics_goes_to_one_of_two_members(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    topics = [topic_maker("first"), topic_maker("second")]
    one, two = (Group(cluster, f"group-{topics[0]}", topics, instance) for instance in ("1", "2"))
    await one.app.start()
    await two.app.start()
    await until(lambda: one.partitions == {0, 2} and two.partitions == {1, 3})
    for topic in topics:
        for partition in range(4):
            await one.app.send(topic, partition, b"k", b"v", [])
    await until(lambda: len(one.batches) + len(two.batches) == 8)
    for member, mine in ((one, {0, 2}), (two, {1, 3})):
        assert {(b.topic, b.partition) for b in member.batches} == {(t, p) for t in topics for p in mine}
    await one.app.stop()
    await two.app.stop()
