"""How everything here reaches Kafka: one description of the cluster, and the client settings that follow from it."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams.records import FatalError

log = logging.getLogger(__name__)

FATAL = -150  # librdkafka's code for a client that has ended
NOT_LET_IN = {-169: "refuses us", -181: "cannot be spoken to by TLS"}  # _AUTHENTICATION, _SSL
TOLD_EVERY_S = 60.0

EMBEDDED_USER = "livetide"
EMBEDDED_MECHANISM = "SCRAM-SHA-256"


def has_ended(error: Any) -> bool:
    """Whether a ``KafkaError`` says that its client can never work again and must be made anew.

    librdkafka says so in two ways, of which ``error.fatal()`` knows one: what a call raises, and not what a consumer returns.
    """
    return bool(error.fatal()) or error.code() == FATAL


class Refusal:
    """Why a cluster does not let a client in: its ``error_cb``, since librdkafka says it there only, and tries for ever.

    ``reason`` is empty or says what, where and what to do. Unless it is raised by somebody (``loud`` is false), it is logged
    once a minute as long as it goes on.
    """

    def __init__(self, cluster: Cluster, *, loud: bool = True, now: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._loud, self._now = cluster, loud, now
        self._told = -TOLD_EVERY_S
        self.reason = ""

    def __call__(self, error: Any) -> None:
        if (how := NOT_LET_IN.get(error.code())) is None:
            return
        text = error.str().partition("(after ")[0].strip()
        self.reason = f"Kafka at {self._cluster.servers} {how}: {text}. {self._cluster.refusal(tls=error.code() == -181)}"
        if self._loud and self._now() - self._told >= TOLD_EVERY_S:
            self._told = self._now()
            log.warning("%s", self.reason)


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

    @classmethod
    def embedded(cls, port: int, password: str, partitions: int = 4, replication: int = 1) -> Cluster:
        """The embedded broker, as its one user."""
        given = ("SASL_PLAINTEXT", EMBEDDED_MECHANISM, EMBEDDED_USER, password)
        return cls(f"127.0.0.1:{port}", partitions, replication, *given)

    @property
    def silence(self) -> str:
        """What to look at when this cluster does not answer: one that wants TLS or a password just closes the connection."""
        return f"Is it running, is LIVETIDE_KAFKA right, and is {self.security} what it wants (LIVETIDE_KAFKA_SECURITY)?"

    def refusal(self, *, tls: bool = False) -> str:
        """What to look at when this cluster answers and does not let us in."""
        if tls:
            return (
                "Check LIVETIDE_KAFKA_CA (the authority that signed the servers' certificates) and the names in LIVETIDE_KAFKA"
            )
        return (
            f"Check the user {self.sasl_user!r}, the password and the mechanism {self.sasl_mechanism} "
            "(LIVETIDE_KAFKA_SASL_…; `livetide status --secrets` shows the embedded broker's password)"
        )

    def client(self, **settings: Any) -> dict[str, Any]:
        """Settings of a confluent-kafka client (librdkafka's names; give them with ``_`` for ``.``)."""
        given: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "security.protocol": self.security,
            "error_cb": Refusal(self),
        }
        if self.sasl_mechanism:
            given |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_user,
                "sasl.password": self.sasl_password,
            }
        if self.ca_file:
            self.ssl_context()  # says clearly what is wrong with the file
            given["ssl.ca.location"] = self.ca_file
        return given | {name.replace("_", "."): value for name, value in settings.items()}

    def producer(self, **settings: Any) -> dict[str, Any]:
        """Settings of a producer that loses and doubles nothing and places keys where Faust does."""
        return self.client(acks="all", enable_idempotence=True, partitioner="murmur2_random") | {
            name.replace("_", "."): value for name, value in settings.items()
        }

    def ssl_context(self) -> ssl.SSLContext | None:
        """What aiokafka and Faust need for TLS; None for a plain connection. Raises :class:`FatalError` for a bad CA file."""
        if not self.security.endswith("SSL"):
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:  # ssl.SSLError is one
            raise FatalError(
                f"{self.ca_file} cannot be used as the certificate authority of Kafka ({error.strerror or error}): "
                "LIVETIDE_KAFKA_CA names a file with certificates in PEM form"
            ) from error

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
