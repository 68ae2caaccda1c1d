"""Topics and lag: what a person or a start-up asks of the cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as TP
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # its public name is not in the type stubs
from confluent_kafka.cimpl import NewTopic

from streams.commits import group_commits
from streams.kafka import Cluster
from streams.reach import admin_client
from streams.records import FatalError, RetryError
from streams.shell.agent import Agent
from streams.topics import TOPICS, Topic

TIMEOUT_S = 15.0
PAUSE_S = 0.2
COMING_UP = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
}
"""What a broker says of a topic that was only just made, or that has only just come up itself."""
_spec: Any = OffsetSpec  # its methods carry no types
_EARLIEST: OffsetSpec = _spec.earliest()
_LATEST: OffsetSpec = _spec.latest()


class TopicState(NamedTuple):
    """A topic as it is on the cluster; ``records`` counts offsets between the first and the last, of all partitions."""

    name: str
    partitions: int
    records: int


class Lag(NamedTuple):
    """How far a group is behind in one partition. ``committed`` is -1 where it has not begun."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int

    @property
    def lag(self) -> int:
        return max(0, self.end - max(self.committed, 0))


def topics_for(agents: Iterable[Agent] = ()) -> list[Topic]:
    """Every topic of the map and the checkpoint topics of these agents."""
    return [*TOPICS.values(), *(agent.checkpoints for agent in agents)]


def create_topics(cluster: Cluster, topics: Iterable[Topic]) -> list[str]:
    """Create those that are missing; returns their names. Calling it again is harmless.

    Raises :class:`FatalError` when a topic exists with another partition count: a room would have different partition numbers
    in different topics, and joins would miss. Raises ``RetryError`` when Kafka does not answer.
    """
    admin, topics = admin_client(cluster, TIMEOUT_S), list(topics)
    known = _partitions(admin)
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
    known = _partitions(admin_client(cluster, TIMEOUT_S))
    if missing := sorted(wanted.keys() - known.keys()):
        raise FatalError(f"topics {', '.join(missing)} do not exist: create them with `livetide topics create`")
    _refuse_mismatch(cluster, known, [*TOPICS.values(), *wanted.values()])


def list_topics(cluster: Cluster) -> list[TopicState]:
    """Our topics on the cluster, with what they hold."""
    admin = admin_client(cluster, TIMEOUT_S)
    known = {name: count for name, count in _partitions(admin).items() if name.startswith(("live.", "host.", "livetide."))}
    places = [(name, partition) for name, count in known.items() for partition in range(count)]
    first, last = _offsets(admin, places, _EARLIEST), _offsets(admin, places, _LATEST)
    return [
        TopicState(name, count, sum(last[name, p] - first[name, p] for p in range(count)))
        for name, count in sorted(known.items())
    ]


def lag(cluster: Cluster, group: str, topics: Iterable[str]) -> list[Lag]:
    """How far ``group`` is behind in these topics, partition by partition."""
    admin = admin_client(cluster, TIMEOUT_S)
    known = _partitions(admin)
    places = [(name, partition) for name in topics for partition in range(known.get(name, 0))]
    ends = _offsets(admin, places, _LATEST)
    committed = group_commits(cluster, group)
    return [
        Lag(
            group,
            topic,
            partition,
            committed[topic, partition].offset if (topic, partition) in committed else -1,
            ends[topic, partition],
        )
        for topic, partition in places
    ]


def agent_lag(cluster: Cluster, agent: Agent) -> list[Lag]:
    return lag(cluster, agent.group, [topic.name for topic in agent.sources])


def _partitions(admin: AdminClient) -> dict[str, int]:
    try:
        found = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise RetryError(f"Kafka does not answer any more: {error.args[0].str()}") from error
    return {name: len(topic.partitions) for name, topic in found.items()}


def _visible(admin: AdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    """Partition counts, once all these topics have come up."""
    deadline = time.monotonic() + TIMEOUT_S
    while not {topic.name for topic in topics} <= (known := _partitions(admin)).keys():
        if time.monotonic() > deadline:
            raise RetryError("topics were created and do not show up: is the cluster healthy?")
        time.sleep(PAUSE_S)
    return known


def _offsets(admin: AdminClient, places: Sequence[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    """Offsets of the log; a partition whose leader has only just come up is asked for again."""
    found: dict[tuple[str, int], int] = {}
    deadline = time.monotonic() + TIMEOUT_S
    while left := [place for place in places if place not in found]:
        futures = admin.list_offsets({TP(*place): spec for place in left}, request_timeout=TIMEOUT_S)
        for tp, future in futures.items():
            try:
                found[tp.topic, tp.partition] = future.result(2 * TIMEOUT_S).offset
            except KafkaException as error:
                if error.args[0].code() not in COMING_UP or time.monotonic() > deadline:
                    raise RetryError(f"Kafka does not tell the offsets of {tp.topic}: {error.args[0].str()}") from error
                time.sleep(PAUSE_S)
    return found


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
