"""How long a room is silent after ``kill -9`` of a worker of the real stack: restarted by its supervisor, or replaced.

    python -m benchmarks.recovery [--rounds 3]

Chat is posted to the gateway all the time, into a room of each partition. The silence of a partition is the longest gap between
two outputs from the kill on; the worst partition counts, for comprehension (said at once) and for mood (said every second,
after a commit). *restarted*: the stack's only worker is killed, and the supervisor starts it anew. *taken over*: of two
workers that one is killed that nobody restarts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, StackState, connected, statuses
from streams.broker.ports import free_port
from streams.gateway.auth import bearer_key
from streams.kafka import Cluster
from streams.topics import COMPREHENDED, MOOD, partition_of

EVERY_S = 0.2
SETTLED_S = 6.0
PATIENCE_S = 120.0
WATCHED = (COMPREHENDED.name, MOOD.name)
Place = tuple[str, int]


class Talk(threading.Thread):
    """Posts a message into one room of each partition, again and again. What is not taken now is not sent again."""

    def __init__(self, gateway: str, master: str, partitions: int) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self._gateway, self._master = gateway, master
        names = (f"room-{number}" for number in range(10_000))
        self._rooms = {partition_of(name, partitions): name for name in reversed(list(names))}

    def run(self) -> None:
        number = 0
        with httpx.Client(base_url=self._gateway, trust_env=False, timeout=5) as http:
            while not self.over.wait(EVERY_S):
                number += 1
                for room in self._rooms.values():
                    event = {"kind": "chat", "id": f"{number}", "ts": _now(), "user": f"u{number % 50}", "text": "有蓝色的吗"}
                    key = {"Authorization": f"Bearer {bearer_key(self._master, room)}"}
                    http.post(f"/v1/rooms/{room}/events", json={"events": [event]}, headers=key)


class Watch:
    """When outputs came, by topic and partition; read from now on."""

    def __init__(self, cluster: Cluster) -> None:
        self._places = [(topic, number) for topic in WATCHED for number in range(cluster.partitions)]
        self._consumer = Consumer(cluster.client(group_id="recovery", enable_auto_commit=False))
        ends = {place: self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=20)[1] for place in self._places}
        self._consumer.assign([TopicPartition(*place, end) for place, end in ends.items()])
        self.times: dict[Place, list[int]] = {place: [] for place in self._places}

    def look(self) -> None:
        for message in self._consumer.consume(1_000, 0.2):
            if message.error() is None:
                self.times[str(message.topic()), message.partition() or 0].append(message.timestamp()[1])

    def until_all_have_spoken(self, since_ms: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not all(times and times[-1] > since_ms for times in self.times.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no output for {PATIENCE_S} s after {since_ms}: {self.times}")
            self.look()

    def silence(self, topic: str, killed_ms: int) -> float:
        """Seconds of the longest gap around the kill, in the partition that waited longest."""
        return max(_gap(times, killed_ms) for (name, _), times in self.times.items() if name == topic)

    def close(self) -> None:
        self._consumer.close()


def _gap(times: list[int], killed_ms: int) -> float:
    ordered = sorted(times)
    before = max((at for at in ordered if at <= killed_ms), default=killed_ms)
    after = [at for at in ordered if at > killed_ms]
    return max(later - earlier for earlier, later in zip([before, *after], after, strict=False)) / 1000


def _now() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def second_worker(stack: Stack, state: StackState) -> Iterator[subprocess.Popen[bytes]]:
    """A worker beside the stack's own, which nobody restarts."""
    own = {"LIVETIDE_DATA": str(stack.data), "LIVETIDE_INSTANCE": "beside", "LIVETIDE_HEALTH_PORT": str(free_port())}
    with (stack.data / "logs" / "beside.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "livetide", "run", "worker"],
            env=os.environ | state.environment | own,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _worker(stack: Stack) -> int:
    pid = next((status.pid for status in statuses(stack.data) if status.name == "worker"), None)
    if pid is None:
        raise RuntimeError("the stack's worker does not run")
    return pid


def _round(stack: Stack, cluster: Cluster, victim: int) -> dict[str, float]:
    watch = Watch(cluster)
    try:
        watch.until_all_have_spoken(_now())
        killed = _now()
        os.kill(victim, signal.SIGKILL)
        watch.until_all_have_spoken(killed)
        settled = time.monotonic() + SETTLED_S
        while time.monotonic() < settled:
            watch.look()
        return {topic: watch.silence(topic, killed) for topic in WATCHED}
    finally:
        watch.close()


def measure(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Settings(data=Path(folder)))
        state = stack.up()
        settings = connected(stack.settings)
        cluster = settings.cluster()
        talk = Talk(state.gateway, load_secrets(stack.data)["master"], cluster.partitions)
        talk.start()
        found: dict[str, list[dict[str, float]]] = {"restarted": [], "taken over": []}
        try:
            for _ in range(rounds):
                found["restarted"].append(_round(stack, cluster, _worker(stack)))
                print(f"restarted: {found['restarted'][-1]}", file=sys.stderr)
            for _ in range(rounds):
                with second_worker(stack, state) as second:
                    time.sleep(2 * SETTLED_S)  # it has its share of the partitions by then
                    found["taken over"].append(_round(stack, cluster, second.pid))
                print(f"taken over: {found['taken over'][-1]}", file=sys.stderr)
        finally:
            talk.over.set()
            talk.join(10)
            stack.down()
    return {what: _summary(figures) for what, figures in found.items()}


def _summary(figures: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    seconds = {topic: [one[topic] for one in figures] for topic in WATCHED}
    return {
        topic: {"median_s": round(median(all_of), 2), "worst_s": round(max(all_of), 2)} for topic, all_of in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(measure(parser.parse_args().rounds), indent=1))


if __name__ == "__main__":
    main()
