"""A Kafka cluster as others run one: TLS with an authority of its own, SASL by SCRAM and by PLAIN, users of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from livetide.settings import CACHE
from streams.broker import configuration, jars, java, warmth
from streams.broker.child import Child
from streams.broker.ports import free_port
from streams.kafka import Cluster
from streams.reach import admin_client

USER, PASSWORD = "outside", "a-password-of-the-outside-cluster"
JAAS = "org.apache.kafka.common.security"
STARTS_S = 60.0


class Authority(NamedTuple):
    """A certificate authority: its certificate, and a server's key and certificate in one file."""

    certificate: Path
    server: Path


def authority(folder: Path, name: str) -> Authority:
    """An authority made by openssl, and a certificate of it for 127.0.0.1; skips where there is no openssl."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("this machine has no openssl to make certificates with")
    folder.mkdir(parents=True)
    ca, ca_key, key, request, server = (folder / part for part in ("ca.pem", "ca.key", "key.pem", "server.csr", "server.crt"))
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    new_key = ("-newkey", "rsa:2048", "-nodes")
    for step in (
        ("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", f"/CN={name}"),
        ("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=broker"),
        ("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", server, "-days", "2",
         "-extfile", extensions),
    ):  # fmt: skip
        subprocess.run([openssl, *map(str, step)], check=True, capture_output=True)
    both = folder / "server.pem"
    both.write_text(key.read_text() + server.read_text())
    return Authority(ca, both)


class TlsBroker:
    """A broker with one door for clients: SASL_SSL. Between itself and its controller it speaks plainly, as it is alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = authority(folder / "authority", "the cluster's authority")
        self.port, self._inner_port = free_port(), free_port()
        self._controller_port = free_port({self.port, self._inner_port})
        self._child: Child | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def cluster(self, mechanism: str = "SCRAM-SHA-512") -> Cluster:
        return Cluster(self.servers, 4, 1, "SASL_SSL", mechanism, USER, PASSWORD, str(self.authority.certificate))

    def environment(self) -> dict[str, str]:
        """The settings with which Livetide reaches it."""
        return {
            "LIVETIDE_KAFKA": self.servers,
            "LIVETIDE_KAFKA_SECURITY": "SASL_SSL",
            "LIVETIDE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "LIVETIDE_KAFKA_SASL_USER": USER,
            "LIVETIDE_KAFKA_SASL_PASSWORD": PASSWORD,
            "LIVETIDE_KAFKA_CA": str(self.authority.certificate),
        }

    def start(self) -> None:
        program, properties, log4j = java.find(), self.folder / "server.properties", self.folder / "log4j2.xml"
        properties.write_text(self._properties())
        log4j.write_text(configuration.log4j2(self.folder))
        options = [
            *warmth.options(warmth.cache_file(jars.folder_in(CACHE), program)),
            *configuration.java_options(log4j, "512m"),
        ]
        command = [str(program), *options, "-cp", os.pathsep.join(map(str, jars.ensure(CACHE)))]
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(properties),
             "--add-scram", scram],
            check=True, capture_output=True, timeout=STARTS_S,
        )  # fmt: skip
        self._child = Child([*command, "kafka.Kafka", str(properties)])
        deadline = time.monotonic() + STARTS_S
        log = self.folder / "kafka.log"
        while not log.exists() or "Kafka Server started" not in log.read_text():
            assert self._child.alive, log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the broker does not start"
            time.sleep(0.1)
        admin_client(self.cluster(), STARTS_S)

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def _properties(self) -> str:
        plain = f'{JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        settings = {
            "listeners": f"CLIENTS://{self.servers},INNER://127.0.0.1:{self._inner_port},"
            f"CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"CLIENTS://{self.servers},INNER://127.0.0.1:{self._inner_port}",
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INNER",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
            "listener.name.clients.plain.sasl.jaas.config": plain,
            "listener.name.clients.ssl.keystore.type": "PEM",
            "listener.name.clients.ssl.keystore.location": str(self.authority.server),
        }
        own = configuration.server_properties(self.folder, self.port, self._controller_port, "")
        return own + "".join(f"{name}={value}\n" for name, value in settings.items())  # the last of a name counts
