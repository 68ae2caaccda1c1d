"""Topics: what a person or a start-up asks of the cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka import Cluster
from streams.offsets import EARLIEST, LATEST, PAUSE_S, TIMEOUT_S, log_offsets, partition_counts
from streams.reach import admin_client
from streams.records import FatalError, RetryError
from streams.shell.agent import Agent
from streams.topics import TOPICS, Topic


class TopicState(NamedTuple):
    """A topic as it is on the cluster; ``records`` counts offsets between the first and the last, of all partitions."""

    name: str
    partitions: int
    records: int


def topics_for(agents: Iterable[Agent] = ()) -> list[Topic]:
    """Every topic of the map and the checkpoint topics of these agents."""
    return [*TOPICS.values(), *(agent.checkpoints for agent in agents)]


def create_topics(cluster: Cluster, topics: Iterable[Topic]) -> list[str]:
    """Create those that are missing; returns their names. Calling it again is harmless.

    Raises :class:`FatalError` when a topic exists with another partition count: a room would have different partition numbers
    in different topics, and joins would miss. Raises ``RetryError`` when Kafka does not answer.
    """
    admin, topics = admin_client(cluster, TIMEOUT_S), list(topics)
    known = partition_counts(admin)
    _refuse_mismatch(cluster, known, topics)
    new = [
        NewTopic(topic.name, cluster.partitions, cluster.replication, config=topic.config())
        for topic in topics
        if topic.name not in known
    ]
    created = []
    for name, future in (admin.create_topics(new, request_timeout=TIMEOUT_S) if new else {}).items():
        try:
            future.result(2 * TIMEOUT_S)
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(f"topic {name} cannot be created: {error.args[0].str()}") from error
    if new:  # one that somebody else made meanwhile may be another
        _refuse_mismatch(cluster, _visible(admin, topics), topics)
    return created


def require_topics(cluster: Cluster, agents: Iterable[Agent]) -> None:
    """Refuse to start agents whose topics are missing or have differing partition counts."""
    agents = list(agents)
    wanted = {topic.name: topic for agent in agents for topic in (*agent.sources, agent.checkpoints)}
    known = partition_counts(admin_client(cluster, TIMEOUT_S))
    if missing := sorted(wanted.keys() - known.keys()):
        raise FatalError(f"topics {', '.join(missing)} do not exist: create them with `livetide topics create`")
    _refuse_mismatch(cluster, known, [*TOPICS.values(), *wanted.values()])


def list_topics(cluster: Cluster) -> list[TopicState]:
    """Our topics on the cluster, with what they hold."""
    admin = admin_client(cluster, TIMEOUT_S)
    known = {name: count for name, count in partition_counts(admin).items() if name.startswith(("live.", "host.", "livetide."))}
    places = [(name, partition) for name, count in known.items() for partition in range(count)]
    first, last = log_offsets(admin, places, EARLIEST), log_offsets(admin, places, LATEST)
    return [
        TopicState(name, count, sum(last[name, p] - first[name, p] for p in range(count)))
        for name, count in sorted(known.items())
    ]


def _visible(admin: AdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    """Partition counts, once all these topics have come up."""
    deadline = time.monotonic() + TIMEOUT_S
    while not {topic.name for topic in topics} <= (known := partition_counts(admin)).keys():
        if time.monotonic() > deadline:
            raise RetryError("topics were created and do not show up: is the cluster healthy?")
        time.sleep(PAUSE_S)
    return known


def _refuse_mismatch(cluster: Cluster, known: dict[str, int], topics: Sequence[Topic]) -> None:
    wrong = {
        topic.name: known[topic.name] for topic in topics if known.get(topic.name, cluster.partitions) != cluster.partitions
    }
    if wrong:
        found = ", ".join(f"{name} has {count}" for name, count in sorted(wrong.items()))
        raise FatalError(
            f"all topics need {cluster.partitions} partitions, so that a room has one partition number everywhere, "
            f"but {found}. Set LIVETIDE_PARTITIONS to the number that exists, or make new topics and replay into them."
        )
