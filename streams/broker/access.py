"""Who is let in by the embedded broker: one user, by SCRAM (RFC 5802), which shows the password to nobody who listens instead.

The broker keeps its users in its own log (KRaft), where a folder of an older version has none. So at each start the starter
itself puts the user there, under the broker's inner account: PLAIN, a password of this one start, which the broker and its
controller also use between themselves. It stands in ``server.properties``, for its owner only; the user's stands nowhere.
"""

from __future__ import annotations

import secrets
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (  # their public names are not in the type stubs
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.kafka import EMBEDDED_MECHANISM, EMBEDDED_USER, Cluster
from streams.reach import QUIET
from streams.records import RetryError

INNER = "inner"
ITERATIONS = 4096
"""The least that Kafka takes: what is guessed at is 24 random bytes, and each connection costs this much work."""
TIMEOUT_S = 2.0


def inner_password() -> str:
    """A password of one start of the broker."""
    return secrets.token_urlsafe(24)


def settings(inner: str) -> dict[str, str]:
    """What ``server.properties`` says about passwords, for the listeners CLIENTS and CONTROLLER."""
    module = "org.apache.kafka.common.security"
    plain = f'{module}.plain.PlainLoginModule required username="{INNER}" password="{inner}" user_{INNER}="{inner}";'
    return {
        "listener.name.clients.sasl.enabled.mechanisms": f"{EMBEDDED_MECHANISM},PLAIN",
        f"listener.name.clients.{EMBEDDED_MECHANISM.lower()}.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.clients.plain.sasl.jaas.config": plain,
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "sasl.mechanism.controller.protocol": "PLAIN",
    }


def admit(servers: str, inner: str, password: str, deadline: float) -> None:
    """Let the user in with ``password``, and with no other. Raises :class:`RetryError` when that cannot be done in time."""
    admin = AdminClient(Cluster(servers, 1, 1, "SASL_PLAINTEXT", "PLAIN", INNER, inner).client() | QUIET)
    user = UserScramCredentialUpsertion(
        EMBEDDED_USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, ITERATIONS), password.encode(), secrets.token_bytes(24)
    )
    while True:
        try:
            for done in admin.alter_user_scram_credentials([user], request_timeout=TIMEOUT_S).values():
                done.result(2 * TIMEOUT_S)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise RetryError(f"the Kafka broker does not take its user's password: {error.args[0].str()}") from error
            time.sleep(0.1)
        else:
            return
