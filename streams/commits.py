"""What a group has committed, asked in a way that cannot mistake "I do not know yet" for "nothing".

Two clients fail here. aiokafka 0.14 overlooks the group-level error of an answer (a coordinator that is loading, or has moved),
and returns an empty result: an agent would begin anew, and say everything twice. librdkafka 2.16 crashes on the same answer
(``list_consumer_group_offsets``: a segmentation fault) and returns metadata with bytes behind its end. So the answer is read
here, and anything but a complete one is an error.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError, NotCoordinatorForGroupError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

from streams.kafka import Cluster
from streams.records import RetryError

log = logging.getLogger(__name__)

PAUSE_S = 0.3
Place = tuple[str, int]


class Committed(NamedTuple):
    offset: int
    metadata: str


def request(group: str, places: Iterable[Place] | None) -> OffsetFetchRequest:
    """Ask for these partitions, or for all that the group has committed."""
    if places is None:
        return OffsetFetchRequest(group, None)
    topics: dict[str, list[int]] = {}
    for topic, partition in places:
        topics.setdefault(topic, []).append(partition)
    return OffsetFetchRequest(group, list(topics.items()))


def read(response: Any, places: Iterable[Place] | None) -> dict[Place, Committed]:
    """Commits by partition; those without one are missing. Raises aiokafka's ``KafkaError`` for anything but a full answer."""
    if code := getattr(response, "error_code", 0):
        raise for_code(code)()
    found: dict[Place, Committed] = {}
    answered: set[Place] = set()
    for topic, partitions in response.topics:
        for partition, offset, metadata, code in partitions:
            error = for_code(code)
            if code and error is not UnknownTopicOrPartitionError:
                raise error()
            answered.add((topic, partition))
            if offset >= 0:
                found[topic, partition] = Committed(offset, metadata or "")
    if missing := set(places or ()) - answered:
        raise NotCoordinatorForGroupError(f"no answer for {sorted(missing)}")
    return found


def group_commits(
    cluster: Cluster, group: str, places: Iterable[Place] | None = None, patience_s: float = 15.0
) -> Mapping[Place, Committed]:
    """The commits of a group, asked on a connection of its own. Raises :class:`RetryError` when no full answer comes."""
    wanted = None if places is None else list(places)
    with ThreadPoolExecutor(1) as thread:  # so that it works inside a running loop, too
        return thread.submit(lambda: asyncio.run(_group_commits(cluster, group, wanted, patience_s))).result()


async def _group_commits(cluster: Cluster, group: str, places: list[Place] | None, patience_s: float) -> dict[Place, Committed]:
    deadline = time.monotonic() + patience_s
    while True:
        client = AIOKafkaClient(**cluster.aiokafka(), request_timeout_ms=5_000)
        try:
            await client.bootstrap()
            node = await client.coordinator_lookup(CoordinationType.GROUP, group)
            return read(await client.send(node, request(group, places)), places)
        except (KafkaError, OSError) as error:
            if time.monotonic() > deadline:
                raise RetryError(
                    f"Kafka at {cluster.servers} does not tell what group {group} has committed: {error!r}. {cluster.silence}"
                ) from error
            log.info("group %s: asking again for its commits: %r", group, error)
            await asyncio.sleep(PAUSE_S)
        finally:
            await client.close()
