"""The real broker as fixtures. A conftest uses them by ``from tests.support.kafka import broker, cluster, topic_maker``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from livetide.settings import CACHE
from streams.broker import EmbeddedBroker
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.records import RetryError
from streams.topics import Topic


def start_broker(folder: pytest.TempPathFactory) -> EmbeddedBroker:
    """A broker on ports of its own; another program may take a port first, then there are others."""
    for _ in range(4):
        port = free_port()
        broker = EmbeddedBroker(folder.mktemp("kafka"), CACHE, port, free_port({port}), password=None)
        try:
            broker.start()
        except RetryError as error:
            if "taken" not in str(error):
                raise
        else:
            return broker
    raise RuntimeError("no free port for a broker in four attempts")


_shared: list[EmbeddedBroker] = []


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedBroker:
    """One real broker for the whole run, however many conftest files import this fixture."""
    if not _shared:
        _shared.append(start_broker(tmp_path_factory))
        request.config.add_cleanup(lambda: _shared.pop().stop())
    return _shared[0]


@pytest.fixture(scope="session")
def cluster(broker: EmbeddedBroker) -> Cluster:
    """The broker as a cluster of four partitions a topic."""
    return broker.cluster(partitions=4)


def make_topics(cluster: Cluster, topics: Sequence[Topic]) -> None:
    """Create topics with the partitions of the cluster; those that exist stay as they are."""
    admin = AdminClient(cluster.client())
    known = admin.list_topics(timeout=10).topics
    new = [NewTopic(t.name, cluster.partitions, 1, config=t.config()) for t in topics if t.name not in known]
    for future in (admin.create_topics(new) if new else {}).values():
        future.result(30)


@pytest.fixture
def topic_maker(cluster: Cluster) -> Callable[..., str]:
    """``topic_maker("orders")`` makes a topic whose name nobody else has, and returns the name."""

    def make(stem: str = "topic", partitions: int | None = None, **config: str) -> str:
        name = f"{stem}.{uuid.uuid4().hex[:10]}"
        given = {key.replace("_", "."): value for key, value in config.items()}
        admin = AdminClient(cluster.client())
        for future in admin.create_topics([NewTopic(name, partitions or cluster.partitions, 1, config=given)]).values():
            future.result(30)
        return name

    return make
