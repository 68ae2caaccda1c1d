"""Every setting of the product: an environment variable ``LIVETIDE_…``, a default that works on one machine, a sentence.

``docs/reference/settings.md`` is made from this file; a test checks that they agree.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.kafka import Cluster

PRODUCTS = Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "livetide"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "livetide"
Port = Annotated[int, Field(ge=1, le=65_535)]
Count = Annotated[int, Field(ge=1)]


def _web_address(given: str) -> str:
    """A URL that something can be posted to, or nothing."""
    try:
        parts = urlsplit(given)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if given and not fits:
        raise ValueError("it must read http://host/path or https://host/path")
    return given


WebAddress = Annotated[str, AfterValidator(_web_address)]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Settings(BaseSettings):
    """What can be set. A secret given here wins over the one made at first start and kept in the data folder."""

    model_config = SettingsConfigDict(env_prefix="LIVETIDE_", extra="ignore")

    data: Path = Field(
        PRODUCTS, description="The one folder that holds everything that lasts: log, store, video, clips, secrets."
    )
    cache: Path = Field(CACHE, description="Downloads shared between installations (the broker's jars).")
    maven: str = Field("", description="URL of a Maven repository to fetch the broker's jars from. Empty: Maven Central.")
    host: str = Field(
        "127.0.0.1", description="The address that gateway, console and health listen on. Loopback unless you say otherwise."
    )
    log_level: Annotated[LogLevel, BeforeValidator(lambda given: str(given).upper())] = Field(
        "INFO", description="How much the processes write to their logs."
    )

    kafka: str = Field("", description="Servers of a Kafka cluster, `host:port,…`. Empty: the embedded broker.")
    kafka_security: str = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    kafka_sasl_mechanism: str = Field("", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    kafka_sasl_user: str = Field("", description="User name at the Kafka cluster.")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="Password at the Kafka cluster.")
    kafka_ca: str = Field("", description="File with the certificate authority of the Kafka cluster.")
    kafka_port: Port = Field(19092, description="Port of the embedded broker; below 32768, or an outage can lose it.")
    kafka_controller_port: Port = Field(19093, description="Port of the embedded broker's controller.")
    partitions: Count = Field(
        4, description="Partitions of the room-keyed topics. Fixed when the topics are made: 64-128 on a cluster."
    )
    replication: Count = Field(1, description="Replicas of the topics: 3 on a cluster.")

    clickhouse: SecretStr = Field(
        SecretStr(""),
        description="`clickhouse://user:password@host:port/live` of a ClickHouse server. Empty: the embedded store.",
    )
    clickhouse_reader: SecretStr = Field(
        SecretStr(""),
        description="The same with an account that may only read, for the console and `livetide query`. "
        "Empty: the account of `LIVETIDE_CLICKHOUSE`, with `readonly=2`.",
    )
    clickhouse_http_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        0, description="HTTP port of that server, for `livetide query`. 0: 8123, or 8443 with TLS."
    )
    store_host: str = Field(
        "127.0.0.1", description="The address that the embedded store listens on. Loopback unless you say otherwise."
    )
    store_port: Port = Field(19000, description="Port of the embedded store's native protocol.")
    store_http_port: Port = Field(18123, description="Port of the embedded store's HTTP protocol.")
    store_cluster: str = Field("", description="Name of a ClickHouse cluster: tables become Replicated and Distributed.")

    gateway_port: Port = Field(18080, description="Port of the gateway.")
    console_port: Port = Field(18081, description="Port of the web console.")
    health_port: int = Field(
        18090,
        ge=1,
        le=65_000,
        description="Port of the health and metrics server of a process that has no other port. "
        "On one machine the first of them: the stack gives each process the next one.",
    )
    workers: int = Field(1, ge=1, le=64, description="How many workers the one-machine stack runs; they share the partitions.")
    keep_names: bool = Field(False, description="Keep viewers' names instead of dropping them. Ids are hashed either way.")
    room_rate: Count = Field(2000, description="Chat messages a second a room may send, on average, before 429.")

    webhook_url: WebAddress = Field(
        "", description="Where opinion alerts are sent, signed in the Standard Webhooks form. Empty: the console only."
    )
    webhook_secret: SecretStr = Field(SecretStr(""), description="`whsec_…` of that webhook. Empty: made at first start.")
    segments: str = Field("", description="Where video segments are kept: a folder. Empty: `segments` in the data folder.")
    segment_hours: float = Field(6.0, gt=0, le=100_000, description="How long recorded video is kept.")
    poison_limit: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of dead letters among the newest records beyond which an agent, the sink or another reader stops. "
        "1: never, to work off what a broken writer has left in the log.",
    )
    agents: str = Field("all", description="The agents a worker runs: names with commas between, or `all`.")
    instance: str = Field(
        "1", description="Name of this worker among its peers: static membership, so a restart takes over its own partitions."
    )

    def cluster(self) -> Cluster:
        """The Kafka cluster that these settings name; by default the embedded broker, with this installation's password."""
        if not self.kafka:
            password = load_secrets(self.data)["kafka_password"]
            return Cluster.embedded(self.kafka_port, password, self.partitions, self.replication)
        return Cluster(
            self.kafka,
            self.partitions,
            self.replication,
            self.kafka_security,
            self.kafka_sasl_mechanism,
            self.kafka_sasl_user,
            self.kafka_sasl_password.get_secret_value(),
            self.kafka_ca,
        )

    def secret_values(self) -> list[str]:
        """Every secret that was given as a setting, and the password inside a URL: what no log may show."""
        given = [value.get_secret_value() for value in dict(self).values() if isinstance(value, SecretStr)]
        return [part for value in given if value for part in (value, urlsplit(value).password or "") if part]

    @property
    def segment_folder(self) -> Path:
        return Path(self.segments) if self.segments else self.data / "segments"


SECRETS = ("master", "user_hash", "store_password", "kafka_password", "console_password", "operator_key", "webhook_secret")


def load_secrets(data: Path) -> dict[str, str]:
    """The installation's own secrets, made at first start and kept readable by their owner only in ``secrets.json``.

    One that a newer version needs is added to those that are there.
    ``master`` is what room keys are derived from, ``user_hash`` hashes viewers' ids, ``operator_key`` opens health and metrics.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / "secrets.json"
    with (data / "secrets.lock").open("w") as lock:  # two processes at first start must not each make their own
        fcntl.flock(lock, fcntl.LOCK_EX)
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if missing := [name for name in SECRETS if name not in known]:
            known |= {name: _new_secret(name) for name in missing}
            part = path.with_suffix(".part")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known, file, indent=1)
            part.replace(path)
    return known


def _new_secret(name: str) -> str:
    if name == "webhook_secret":
        return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()  # the form of Standard Webhooks
    return secrets.token_urlsafe(24)
