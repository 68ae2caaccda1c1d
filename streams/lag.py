"""How far every consumer group of the product is behind: by group and topic, over all partitions."""

from __future__ import annotations

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # its public name is not in the type stubs

from streams.commits import group_commits
from streams.kafka import Cluster
from streams.reach import admin_client
from streams.records import RetryError

PREFIX = "livetide"
TIMEOUT_S = 5.0


def group_lags(cluster: Cluster, prefix: str = PREFIX) -> dict[tuple[str, str], int]:
    """Records between what a group has committed and the end of the log, for each group whose name starts with ``prefix``.

    Raises ``RetryError`` when Kafka does not answer, ``FatalError`` when it does not let us in.
    """
    admin = admin_client(cluster, TIMEOUT_S)
    try:
        listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result(2 * TIMEOUT_S)
        if listed.errors:
            raise RetryError(f"Kafka does not tell the lag: {listed.errors[0]}")
        committed = {
            (name, topic, partition): at.offset
            for name in sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
            for (topic, partition), at in group_commits(cluster, name).items()
        }
        ends = _ends(admin, {(topic, partition) for _, topic, partition in committed})
    except KafkaException as error:
        raise RetryError(f"Kafka does not tell the lag: {error.args[0].str()}") from error
    lags: dict[tuple[str, str], int] = {}
    for (name, topic, partition), offset in committed.items():
        behind = max(0, ends.get((topic, partition), offset) - offset)
        lags[name, topic] = lags.get((name, topic), 0) + behind
    return lags


def _ends(admin: AdminClient, places: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    if not places:
        return {}
    latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call] # its methods carry no types
    futures = admin.list_offsets({TopicPartition(*place): latest for place in places}, request_timeout=TIMEOUT_S)
    return {(tp.topic, tp.partition): future.result(2 * TIMEOUT_S).offset for tp, future in futures.items()}
