"""The files that a one-node broker is started with."""

from __future__ import annotations

from pathlib import Path

from streams.broker import access

MAX_RECORD = 16 * 1024 * 1024
"""The largest record that the broker takes: checkpoints of large states need more than Kafka's 1 MB."""


def server_properties(data: Path, port: int, controller_port: int, inner: str) -> str:
    """One node that is broker and controller (KRaft), on loopback only, with every internal topic on one replica.

    With an ``inner`` password (``access``) both listeners ask for one; without, neither does.
    """
    protocol = "SASL_PLAINTEXT" if inner else "PLAINTEXT"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": f"CLIENTS:{protocol},CONTROLLER:{protocol}",
        **(access.settings(inner) if inner else {}),
        "log.dirs": str(data / "log"),
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MAX_RECORD),
        "replica.fetch.max.bytes": str(MAX_RECORD),
        "group.initial.rebalance.delay.ms": "0",
        # a killed broker may come back when its own session has run out: 9 s by default, and nobody else waits for it here
        "broker.session.timeout.ms": "2500",
        "broker.heartbeat.interval.ms": "500",
        "offsets.topic.num.partitions": "8",
        "offsets.retention.minutes": str(60 * 24 * 60),  # longer than any topic: a group that was away must not begin anew
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # sized for one machine beside everything else
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.segment.bytes": str(128 * 1024 * 1024),
        "log.cleaner.threads": "1",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def log4j2(logs: Path) -> str:
    """The broker's log: ``kafka.log``, four files of 10 MB at most. Without a configuration it would say nothing."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN" shutdownHook="disable">
  <Appenders>
    <RollingFile name="file" fileName="{logs}/kafka.log" filePattern="{logs}/kafka.log.%i">
      <PatternLayout pattern="%d{{yyyy-MM-dd HH:mm:ss,SSS}} %p %m (%c)%n"/>
      <SizeBasedTriggeringPolicy size="10MB"/>
      <DefaultRolloverStrategy max="3" fileIndex="min"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.clients" level="WARN"/>
    <Logger name="state.change.logger" level="WARN"/>
    <Root level="INFO"><AppenderRef ref="file"/></Root>
  </Loggers>
</Configuration>
"""


def java_options(log4j_file: Path, heap: str) -> list[str]:
    """A small, quickly started machine: the serial collector and the first compiler are enough for a broker of one node."""
    return [
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={log4j_file.as_uri()}",
    ]
