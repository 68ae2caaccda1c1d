"""How far consumer groups are behind: one of them by partition, or all of the product by group and topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaException

from streams.commits import group_commits
from streams.kafka import Cluster
from streams.offsets import LATEST, TIMEOUT_S, log_offsets, partition_counts
from streams.reach import admin_client
from streams.records import RetryError
from streams.shell.agent import Agent

PREFIX = "livetide"
SOON_S = 5.0


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


def lag(cluster: Cluster, group: str, topics: Iterable[str]) -> list[Lag]:
    """How far ``group`` is behind in these topics, partition by partition."""
    admin = admin_client(cluster, TIMEOUT_S)
    known = partition_counts(admin)
    places = [(name, partition) for name in topics for partition in range(known.get(name, 0))]
    ends = log_offsets(admin, places, LATEST)
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


def group_lags(cluster: Cluster, prefix: str = PREFIX) -> dict[tuple[str, str], int]:
    """Records between what a group has committed and the end of the log, for each group whose name starts with ``prefix``.

    Raises ``RetryError`` when Kafka does not answer, ``FatalError`` when it does not let us in.
    """
    admin = admin_client(cluster, SOON_S)
    try:
        listed = admin.list_consumer_groups(request_timeout=SOON_S).result(2 * SOON_S)
        if listed.errors:
            raise RetryError(f"Kafka does not tell the lag: {listed.errors[0]}")
        committed = {
            (name, topic, partition): at.offset
            for name in sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
            for (topic, partition), at in group_commits(cluster, name).items()
        }
        ends = log_offsets(admin, {(topic, partition) for _, topic, partition in committed}, LATEST, timeout_s=SOON_S)
    except KafkaException as error:
        raise RetryError(f"Kafka does not tell the lag: {error.args[0].str()}") from error
    lags: dict[tuple[str, str], int] = {}
    for (name, topic, partition), offset in committed.items():
        behind = max(0, ends.get((topic, partition), offset) - offset)
        lags[name, topic] = lags.get((name, topic), 0) + behind
    return lags
