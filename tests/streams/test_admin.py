"""Topics and lag on a real broker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from streams import admin
from streams.kafka import Cluster
from streams.records import FatalError, RetryError
from streams.shell.agent import Agent
from streams.topics import SALES, TOPICS, checkpoint_topic
from tests.streams.shell.operators import Echo

pytestmark = pytest.mark.kafka
AGENT = Agent("admin-test", (SALES,), Echo, "direct")


def test_topics_are_created_once_with_their_settings(cluster: Cluster) -> None:
    wanted = admin.topics_for([AGENT])
    admin.create_topics(cluster, wanted)
    assert admin.create_topics(cluster, wanted) == []
    states = {state.name: state for state in admin.list_topics(cluster)}
    assert states.keys() >= {*TOPICS, "livetide.checkpoint.admin-test"}
    assert all(state.partitions == 4 for name, state in states.items() if name in TOPICS)
    resource = ConfigResource(ResourceType.TOPIC, "livetide.checkpoint.admin-test")
    client = AdminClient(cluster.client())  # held: what is collected does not answer
    config = client.describe_configs([resource])[resource].result(20)
    assert config["cleanup.policy"].value == "compact"
    assert int(config["max.message.bytes"].value) >= 64_000_000
    admin.require_topics(cluster, [AGENT])


def test_another_partition_count_is_refused_with_what_to_do(cluster: Cluster, topic_maker: Callable[..., str]) -> None:
    wrong = dataclasses.replace(SALES, name=topic_maker("wrong", partitions=2))
    with pytest.raises(FatalError, match=r"wrong\.\w+ has 2\. Set LIVETIDE_PARTITIONS"):
        admin.create_topics(cluster, [wrong])
    with pytest.raises(FatalError, match="has 2"):
        admin.require_topics(cluster, [dataclasses.replace(AGENT, sources=(wrong,))])


def test_agents_without_their_topics_do_not_start(cluster: Cluster) -> None:
    with pytest.raises(FatalError, match=r"livetide\.checkpoint\.nobody-made-it do not exist: create them"):
        admin.require_topics(cluster, [Agent("nobody-made-it", (SALES,), Echo, "direct")])


def test_no_broker_is_said_so() -> None:
    nowhere = Cluster("127.0.0.1:1")
    with pytest.raises(RetryError, match="does not answer"):
        admin.list_topics(nowhere)


def test_checkpoint_topics_are_named_after_their_agent() -> None:
    assert checkpoint_topic("mood").name == AGENT.checkpoints.name.replace("admin-test", "mood")
