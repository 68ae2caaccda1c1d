"""How Faust is set: every choice here was measured or has cost somebody records."""

from __future__ import annotations

from typing import Any

import faust

from streams.kafka import Cluster


def faust_settings(cluster: Cluster, instance: str, group: str, session_s: float) -> dict[str, Any]:
    """Settings of one Faust app. With an ``instance`` its membership is static: a restart takes over its own partitions."""
    credentials: Any = None
    if cluster.sasl_mechanism:
        credentials = faust.SASLCredentials(
            username=cluster.sasl_user, password=cluster.sasl_password, mechanism=cluster.sasl_mechanism,
            ssl_context=cluster.ssl_context(),
        )  # fmt: skip
    elif context := cluster.ssl_context():
        credentials = faust.SSLCredentials(context=context)
    return {
        "broker": "kafka://" + ";kafka://".join(cluster.servers.split(",")),
        "broker_credentials": credentials,
        "store": "memory://",
        "autodiscover": False,
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "processing_guarantee": "at_least_once",
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": f"{group}-{instance}" if instance else None,
        "consumer_max_fetch_size": 4 * 2**20,
        "broker_max_poll_records": 500,
        "broker_commit_interval": 3600.0,
        "broker_session_timeout": session_s,
        "broker_heartbeat_interval": session_s / 3,
        "broker_rebalance_timeout": 2 * session_s,
        "producer_acks": -1,
        "producer_linger": 0.01,
        "producer_max_batch_size": 262_144,
        "producer_max_request_size": 96 * 2**20,
        "stream_buffer_maxsize": 4096,
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "cython_optimizations": True,
    }
