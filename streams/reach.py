"""An admin client that has been let in, or a clear word about why not."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka import Cluster, Refusal
from streams.records import FatalError, RetryError

QUIET = {"log_level": 0}  # what goes wrong is raised; librdkafka would say it on stderr as well
SLICE_S = 1.0


def admin_client(cluster: Cluster, timeout_s: float = 15.0) -> AdminClient:
    """An admin client to which the cluster has answered.

    Raises :class:`FatalError` as soon as the cluster refuses us (a wrong password, a certificate that is not trusted), and
    :class:`RetryError` when nobody has answered within ``timeout_s``. librdkafka itself would try for ever in both cases.
    """
    refusal = Refusal(cluster, loud=False)
    admin = AdminClient(cluster.client() | QUIET | {"error_cb": refusal})
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            admin.list_topics(timeout=min(SLICE_S, timeout_s))
        except KafkaException as error:
            admin.poll(0)  # the refusal is told here only
            if refusal.reason:
                raise FatalError(refusal.reason) from error
            if time.monotonic() > deadline:
                said = error.args[0].str()
                raise RetryError(f"Kafka at {cluster.servers} does not answer: {said}. {cluster.silence}") from error
            time.sleep(0.05)
        else:
            return admin
