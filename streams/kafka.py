"""How everything here reaches Kafka: one description of the cluster, and the client settings that follow from it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

FATAL = -150  # librdkafka's code for a client that has ended


def has_ended(error: Any) -> bool:
    """Whether a ``KafkaError`` says that its client can never work again and must be made anew.

    librdkafka says so in two ways, of which ``error.fatal()`` knows one: what a call raises, and not what a consumer returns.
    """
    return bool(error.fatal()) or error.code() == FATAL


@dataclass(frozen=True)
class Cluster:
    """A Kafka cluster: ``servers`` as ``host:port,host:port``, and how to be let in. The password never shows in ``repr``."""

    servers: str
    partitions: int = 4
    replication: int = 1
    security: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_user: str = ""
    sasl_password: str = ""
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"Cluster({self.servers}, {self.security})"

    def client(self, **settings: Any) -> dict[str, Any]:
        """Settings of a confluent-kafka client (librdkafka's names; give them with ``_`` for ``.``)."""
        given: dict[str, Any] = {"bootstrap.servers": self.servers, "security.protocol": self.security}
        if self.sasl_mechanism:
            given |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_user,
                "sasl.password": self.sasl_password,
            }
        if self.ca_file:
            given["ssl.ca.location"] = self.ca_file
        return given | {name.replace("_", "."): value for name, value in settings.items()}

    def producer(self, **settings: Any) -> dict[str, Any]:
        """Settings of a producer that loses and doubles nothing and places keys where Faust does."""
        return self.client(acks="all", enable_idempotence=True, partitioner="murmur2_random") | {
            name.replace("_", "."): value for name, value in settings.items()
        }

    def ssl_context(self) -> ssl.SSLContext | None:
        """What aiokafka and Faust need for TLS; None for a plain connection."""
        return ssl.create_default_context(cafile=self.ca_file or None) if self.security.endswith("SSL") else None

    def aiokafka(self) -> dict[str, Any]:
        """Settings of a client of aiokafka."""
        given: dict[str, Any] = {"bootstrap_servers": self.servers.split(","), "security_protocol": self.security}
        if context := self.ssl_context():
            given["ssl_context"] = context
        if self.sasl_mechanism:
            given |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_user,
                "sasl_plain_password": self.sasl_password,
            }
        return given
