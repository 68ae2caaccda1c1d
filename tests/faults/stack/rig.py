"""The whole one-machine stack under a test's hands: started for it, killed by process id, watched until nothing waits."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil
from clickhouse_driver import Client
from confluent_kafka import Consumer, KafkaException

from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, connected, statuses
from livetide.stack.state import load
from storage.rows import TABLE_OF
from streams import topics
from streams.agents import chosen
from streams.broker.ports import HIGHEST, free_port, is_free
from streams.kafka import Cluster
from streams.lag import lag
from streams.records import RetryError
from tests.faults.stack.load import Told, send
from tests.faults.stack.scenes import Scene
from tests.faults.stack.verdict import Verdict
from tests.faults.stack.verifier import verify

PLAIN = {"clipper": topics.HIGHLIGHTS, "recorder": topics.FRAMES, "host": topics.HOST_COMMANDS}
"""Groups of processes that are no agents, and what they read."""
PORTS = tuple(f"LIVETIDE_{name}_PORT" for name in ("KAFKA", "KAFKA_CONTROLLER", "STORE", "STORE_HTTP", "GATEWAY", "CONSOLE"))
HEALTH_PORTS = 16
CLOSED_S = 18
"""Silence after which the last mood is told (12 s) and the last highlight closed (15 s)."""


class Feed(Protocol):
    """What comes into Kafka beside the gateway, by the scene's clock."""

    def publish_until(self, at: int) -> None: ...
    def finish(self) -> None: ...


class Kill(NamedTuple):
    """One kill: whom, when (seconds from the start of the load), and seconds until it was ready again."""

    name: str
    at_s: float
    back_s: float


def until(what: Callable[[], bool], seconds: float, why: Callable[[], str] | str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {why if isinstance(why, str) else why()}"
        time.sleep(0.1)


class Rig:
    """A stack in a folder of its own; ``environment`` holds its settings."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.data = folder
        given = {name: value for name, value in os.environ.items() if name.startswith("LIVETIDE_")}
        self.environment = {**given, **environment, "LIVETIDE_DATA": str(folder)}
        self._choose_ports()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: list[Kill] = []
        self.up_s = 0.0

    def set(self, **environment: str) -> None:
        """Change settings; they count from the next :meth:`up`."""
        self.environment |= environment
        named: dict[str, Any] = {name.removeprefix("LIVETIDE_").lower(): value for name, value in self.environment.items()}
        self.settings = Settings(**named)
        self.stack = Stack(self.settings)

    def up(self) -> None:
        """Start the stack, on ports of its own: those of an installation may be in use."""
        began = time.monotonic()
        for again in (True, True, False):
            try:
                self.stack.up(timeout=150)
            except RetryError as error:
                if not again or ("taken" not in str(error) and "in use" not in str(error)):
                    raise
                self.stack.down()  # somebody took a port after we had chosen it
                self._choose_ports()
            else:
                break
        self.up_s = time.monotonic() - began

    def _choose_ports(self) -> None:
        """A free one for each server, and a row of free ones for the health of the others."""
        chosen_ports: set[int] = set()
        for name in PORTS:
            chosen_ports.add(port := free_port(chosen_ports))
            self.environment[name] = str(port)
        row: Sequence[int] = ()
        while not row or chosen_ports.intersection(row) or not all(map(is_free, row)):
            first = free_port()
            row = range(first, min(first + HEALTH_PORTS, HIGHEST))
        self.set(LIVETIDE_HEALTH_PORT=str(row[0]))

    def down(self) -> None:
        for process in self.workers.values():
            if process.poll() is None:
                process.kill()
            process.wait(30)
        self.stack.down()

    @property
    def here(self) -> Settings:
        """The settings that reach the running stack."""
        return connected(self.settings)

    @property
    def cluster(self) -> Cluster:
        return self.here.cluster()

    @property
    def gateway(self) -> str:
        state = load(self.data)
        assert state is not None
        return state.gateway

    @property
    def secrets(self) -> dict[str, str]:
        return load_secrets(self.data)

    def store(self) -> Client:
        """The store, as itself: rows as they lie there, not as FINAL shows them."""
        return Client(
            "127.0.0.1", self.here.store_port, user="live", password=self.secrets["store_password"], database="live",
            settings={"final": 0}, send_receive_timeout=120,
        )  # fmt: skip

    def keep_every_row(self) -> None:
        """Let the store merge no rows: what was written twice must not vanish before it was counted."""
        with self.store() as store:
            for table in sorted({table.name for table in TABLE_OF.values()}):
                store.execute(f"ALTER TABLE live.{table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1")

    def send(self, played: Scene, per_s: float, *feeds: Feed) -> Told:
        """Play a scene through the gateway, with what else comes in meanwhile."""

        def reached(at: int) -> None:
            for feed in feeds:
                feed.publish_until(at)

        told = send(played, self.gateway, self.secrets["master"], per_s, reached)
        for feed in feeds:
            feed.finish()
        return told

    def verify(self, played: Scene, told: Told) -> Verdict:
        """Judge everything, and say what was found."""
        agents = chosen(self.settings.agents)
        with self.store() as store:
            verdict = verify(self.cluster, store, self.data / "clips", agents, played, told)
        kills = ", ".join(f"{kill.name} at {kill.at_s:.1f} s" for kill in self.kills)
        print(f"seed {played.seed}, up {self.up_s:.1f} s, kill -9: {kills or 'none'}")
        print(f"sent {told.sent} lines in {told.took_s:.1f} s and {told.sent_again} again, answers {dict(told.answers)}")
        print(verdict.told())
        return verdict

    # whom to kill

    def pid(self, name: str) -> int | None:
        return next((status.pid for status in statuses(self.data) if status.name == name), None)

    def state(self, name: str) -> str:
        return next((status.state for status in statuses(self.data) if status.name == name), "unknown")

    def states(self) -> str:
        return ", ".join(f"{s.name} is {s.state} after {s.restarts} restarts ({s.reason})" for s in statuses(self.data))

    def restarts(self, name: str) -> int:
        return next((status.restarts for status in statuses(self.data) if status.name == name), 0)

    def kill(self, name: str, *, child: bool = False) -> int:
        """Kill -9 a process of the stack as it is now, or its first child (the broker's Java). Returns the process id."""
        until(lambda: self.pid(name) is not None, 60, lambda: f"{name} has no process to kill: {self.state(name)}")
        pid = self.pid(name)
        assert pid is not None
        children = psutil.Process(pid).children() if child else []
        victim = children[0].pid if children else pid
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself: dead is dead
            os.kill(victim, signal.SIGKILL)
        return victim

    def ready(self, *names: str, within_s: float = 90) -> None:
        """Wait until these processes are ready (all of the stack when none is named)."""

        def missing() -> list[str]:
            return [
                f"{s.name} is {s.state} ({s.reason})"
                for s in statuses(self.data)
                if s.state not in ("ready", "done") and (not names or s.name in names)
            ]

        until(lambda: not missing(), within_s, lambda: ", ".join(missing()))

    @contextlib.contextmanager
    def killing(self, plan: list[str], seed: int, within_s: float) -> Iterator[None]:
        """Kill the processes of ``plan`` at random points of the block, most of them after the last one has come back."""
        over, failure = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                self._kill_all(plan, random.Random(seed), within_s, over)
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(180)
        assert not thread.is_alive()
        if failure:
            raise failure[0]

    def _kill_all(self, plan: list[str], rng: random.Random, within_s: float, over: threading.Event) -> None:
        began, order = time.monotonic(), list(plan)
        rng.shuffle(order)
        moments = sorted(rng.uniform(2, within_s) for _ in order)
        for name, at in zip(order, moments, strict=True):
            while (ahead := at - (time.monotonic() - began)) > 0 and not over.is_set():
                time.sleep(min(ahead, 0.2))
            killed = time.monotonic()
            before = self.restarts(name)
            self.kill(name, child=name == "kafka" and rng.random() < 0.5)
            # kills that overlap are wanted, kills of what has just been killed are not
            until(lambda name=name, before=before: self.restarts(name) > before, 30, f"{name} is started again")  # type: ignore[misc] # mypy cannot type a lambda's defaults
            if rng.random() < 0.6:
                self.ready(name)
            self.kills.append(Kill(name, killed - began, time.monotonic() - killed))

    def fence(self, group: str, instance: str, topics: list[str]) -> None:
        """Take over a static member's name for a moment, as a second of its kind does, or a group that forgot it in a crash."""
        given = self.cluster.client(
            group_id=group, group_instance_id=instance, partition_assignment_strategy="range", session_timeout_ms=10_000,
            enable_auto_commit=False,
        )  # fmt: skip
        double = Consumer(given | {"log_level": 0})
        double.subscribe(topics)

        def is_it() -> bool:
            double.poll(0.2)
            return bool(double.assignment())

        until(is_it, 60, f"the double of {instance} is let in")
        double.close()  # a static member does not leave when it closes

    # workers beside the stack's own

    def join(self, instance: str) -> subprocess.Popen[bytes]:
        """Start a worker by hand, as on another machine: the same cluster, another name."""
        state = load(self.data)
        assert state is not None
        own = {"LIVETIDE_INSTANCE": instance, "LIVETIDE_HEALTH_PORT": str(free_port())}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
        with (self.data / "logs" / f"joined-{instance}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "livetide", "run", "worker"], env=inherited | self.environment | state.environment | own,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.workers[instance] = process
        return process

    def leave(self, instance: str) -> None:
        """Kill -9 a worker that joined."""
        self.workers[instance].kill()
        self.workers[instance].wait(30)

    # what waits

    def lags(self) -> dict[str, int]:
        """Records that wait, by group; groups that have nothing to do are missing."""
        cluster, found = self.cluster, dict[str, int]()
        for agent in chosen(self.settings.agents):
            found[agent.name] = sum(place.lag for place in lag(cluster, agent.group, [t.name for t in agent.sources]))
        found["sink"] = sum(place.lag for place in lag(cluster, "livetide-sink", list(TABLE_OF)))
        plain = PLAIN | ({"delivery-webhook": topics.ALERTS} if self.settings.webhook_url else {})
        for name, topic in plain.items():
            found[name] = sum(place.lag for place in lag(cluster, f"livetide-{name}", [topic.name]))
        return {name: count for name, count in found.items() if count}

    def drained(self, within_s: float) -> float:
        """Wait until no group is behind and timers have closed what silence closes (:data:`CLOSED_S`).

        Returns after how many seconds nothing waited any more.
        """
        began, waiting = time.monotonic(), {"everything": 1}
        while waiting:
            try:
                waiting = self.lags()
            except (RetryError, KafkaException) as error:
                waiting = {str(error): 1}
            assert time.monotonic() - began < within_s, f"after {within_s:g} s there still waits {waiting}"
            time.sleep(0.3)
        took = time.monotonic() - began
        time.sleep(max(0.0, CLOSED_S - took))
        until(lambda: not self.lags(), 30, lambda: f"what timers said still waits: {self.lags()}")
        return took

    def report(self) -> dict[str, Any]:
        """What ``livetide status --json`` says."""
        found: dict[str, Any] = json.loads(self.command("status", "--json"))
        return found

    def command(self, *words: str) -> str:
        """What ``livetide WORDS`` writes."""
        done = subprocess.run(
            [sys.executable, "-m", "livetide", *words], env={**os.environ, **self.environment},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr[-1000:]
        return done.stdout

    def log(self, name: str) -> str:
        return (self.data / "logs" / f"{name}.log").read_text(errors="replace")
