"""A stage for fault tests of the agent shell: its own topics, a feeder, workers as processes, a verifier that trusts nobody.

The verifier reads the inputs and the outputs from Kafka and recomputes; it knows nothing of checkpoints.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams import topics
from streams.admin import create_topics
from streams.kafka import Cluster
from streams.lag import agent_lag
from streams.records import Answer, DeadLetter, Mood, encode, read_sequence, sequence_header
from tests.faults.support.shellworker import agent_of
from tests.streams.shell.operators import sale, speech

POISON = (b"\xc1", b"", b"\x93\x01", b'{"kind":"sale.1"}', b"\x81\xa4kind\xa6sale.9", b"x" * 900_000)
ROOT = Path(__file__).parents[3]


class Raw(NamedTuple):
    partition: int
    writer: str
    number: int
    value: bytes


def until(what: Callable[[], bool], seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not in time: {why}"
        time.sleep(0.1)


class Stage:
    """Two agents on topics of their own: ``echo`` (direct) reads the sales, ``tally`` (outbox) the sales and the speech."""

    def __init__(self, cluster: Cluster, folder: Path, seed: int = 0) -> None:
        self.cluster, self.folder, self.rng = cluster, folder, random.Random(seed)
        self.tag = uuid.uuid4().hex[:8]
        self.sales, self.speech = f"sales.{self.tag}", f"speech.{self.tag}"
        self.specs = [
            {"name": f"echo-{self.tag}", "operator": "echo", "sources": {"sales": self.sales}},
            {"name": f"tally-{self.tag}", "operator": "tally", "sources": {"sales": self.sales, "speech": self.speech}},
        ]
        self.agents = [agent_of(spec) for spec in self.specs]
        admin = AdminClient(cluster.client())
        new = [NewTopic(name, cluster.partitions, 1) for name in (self.sales, self.speech)]
        for future in admin.create_topics(new).values():
            future.result(30)
        create_topics(cluster, [*topics.TOPICS.values(), *(agent.checkpoints for agent in self.agents)])
        self.workers: list[Worker] = []
        self._sent = Counter[tuple[str, int]]()

    # what goes in

    def feed(self, count: int, *, per_s: float = 0, poison: float = 0.0, repeats: bool = False) -> None:
        """``count`` records into each source, numbered; some are poison; with ``repeats`` each comes one to three times."""
        producer = Producer(self.cluster.producer(linger_ms=5, message_timeout_ms=0))
        began = time.monotonic()
        for done in range(count):
            for topic, kind in ((self.sales, sale), (self.speech, speech)):
                partition = self.rng.randrange(self.cluster.partitions)
                number = self._sent[topic, partition] = self._sent[topic, partition] + 1
                good = encode(kind(number * self.cluster.partitions + partition))
                value = self.rng.choice(POISON) if self.rng.random() < poison else good
                header = sequence_header("feeder", number)
                for _ in range(self.rng.randrange(1, 4) if repeats else 1):
                    producer.produce(topic, value, b"room-1", partition, headers=[header])
            producer.poll(0)
            if per_s and (ahead := done / per_s - (time.monotonic() - began)) > 0.01:
                time.sleep(ahead)
        assert producer.flush(120) == 0

    @contextmanager
    def feeding(self, count: int, **how: Any) -> Iterator[threading.Thread]:
        """Feed in the background; the block may kill whom it likes."""
        thread = threading.Thread(target=self.feed, args=(count,), kwargs=how)
        thread.start()
        yield thread
        thread.join(240)
        assert not thread.is_alive()

    # who works

    def start(self, instance: str = "1", *, poison_share: float = 0.5) -> Worker:
        worker = Worker(self, instance, poison_share)
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()

    def drained(self, seconds: float = 90) -> None:
        """Wait until both agents have committed everything."""
        until(
            lambda: sum(place.lag for agent in self.agents for place in agent_lag(self.cluster, agent)) == 0, seconds, "lag 0"
        )
        time.sleep(0.5)  # an outbox is said after its commit; the verifier would see a missing record if this were too short

    # what came out

    def read(self, topic: str, writer: str = "") -> list[Raw]:
        """Everything in a topic, raw, whose writer begins with ``writer``."""
        consumer = Consumer(self.cluster.client(group_id="verifier", enable_auto_commit=False))
        found = []
        for partition in range(self.cluster.partitions):
            place = TopicPartition(topic, partition, 0)
            at, end = consumer.get_watermark_offsets(place, timeout=20)
            place.offset = at
            consumer.assign([place])
            while at < end:
                for message in consumer.consume(min(500, end - at), 5):
                    assert message.error() is None, message.error()
                    at = (message.offset() or 0) + 1
                    name, number = read_sequence(message.headers()) or ("", 0)  # type: ignore[arg-type]  # ours are lists
                    if name.startswith(writer):
                        found.append(Raw(partition, name, number, bytes(message.value() or b"")))
        consumer.close()
        return found

    def verify(self) -> Verdict:
        """Recompute from the inputs and compare: nothing lost, doubled, out of order, or said twice differently."""
        sales, speeches = _once(self.read(self.sales)), _once(self.read(self.speech))
        verdict = Verdict()
        for agent in self.agents:
            raw = {name: self.read(name, agent.name + "@") for name in ("live.answers", "live.mood", "live.deadletter")}
            verdict.conflicts += _conflicts(raw)
            said = {name: _once(found) for name, found in raw.items()}
            verdict.repeats += sum(map(len, raw.values())) - sum(map(len, said.values()))
            inputs = sales if agent.mode == "direct" else sales + speeches
            (_verify_echo if agent.mode == "direct" else _verify_tally)(verdict, inputs, said, self.cluster.partitions)
        return verdict


class Verdict:
    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.conflicts: list[str] = []
        self.repeats = 0
        self.checked = 0

    @property
    def faults(self) -> list[str]:
        return self.wrong[:10] + self.conflicts[:10]

    def expect(self, got: list[Any], wanted: list[Any], what: str) -> None:
        self.checked += len(wanted)
        if got != wanted:
            lost, extra = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
            self.wrong.append(
                f"{what}: lost {list(lost)[:5]} of {len(lost)}, extra {list(extra)[:5]} of {len(extra)}, or out of order"
            )


def _once(raw: list[Raw]) -> list[Raw]:
    highest: dict[tuple[int, str], int] = {}
    taken = []
    for record in raw:
        if record.number > highest.get((record.partition, record.writer), 0):
            highest[record.partition, record.writer] = record.number
            taken.append(record)
    return taken


def _conflicts(raw: dict[str, list[Raw]]) -> list[str]:
    by_number: dict[tuple[int, str, int], tuple[str, bytes]] = {}
    by_revision: dict[tuple[int, str, int], bytes] = {}
    found = []
    for topic, records in raw.items():
        for partition, writer, number, value in records:
            if by_number.setdefault((partition, writer, number), (topic, value)) != (topic, value):
                found.append(f"{topic}-{partition}: {writer} number {number} with two contents")
            record = topics.TOPICS[topic].decode(value)
            if isinstance(record, Answer | Mood):
                identity = (partition, record.id, record.revision)
                if by_revision.setdefault(identity, value) != value:
                    found.append(f"{topic}-{partition}: {record.id} revision {record.revision} with two contents")
    return found


def _good(record: Raw) -> Any | None:
    for topic in (topics.SALES, topics.SPEECH):
        try:
            return topic.decode(record.value)
        except Exception:
            continue
    return None


def _verify_echo(verdict: Verdict, inputs: list[Raw], said: dict[str, list[Raw]], partitions: int) -> None:
    for partition in range(partitions):
        mine = [(record, _good(record)) for record in inputs if record.partition == partition]
        copies = {7: 0, 5: 2}
        wanted = [f"answer/{s.id}/{copy}" for _, s in mine if s for copy in range(copies.get(s.event_ts % 10, 1))]
        got = [topics.ANSWERS.decode(r.value).id for r in said["live.answers"] if r.partition == partition]
        verdict.expect(got, wanted, f"echo, partition {partition}, answers")
        letters = [topics.DEADLETTER.decode(r.value).value for r in said["live.deadletter"] if r.partition == partition]
        verdict.expect(
            letters,
            [record.value[: topics.LETTER_VALUE_BYTES] for record, good in mine if good is None],
            f"echo, partition {partition}, letters",
        )


def _verify_tally(verdict: Verdict, inputs: list[Raw], said: dict[str, list[Raw]], partitions: int) -> None:
    for partition in range(partitions):
        mine = [(record, _good(record)) for record in inputs if record.partition == partition]
        good = sorted(r.id for _, r in mine if r and not r.id.endswith("13"))
        answers: list[Answer] = [topics.ANSWERS.decode(r.value) for r in said["live.answers"] if r.partition == partition]
        verdict.expect(sorted(a.source_id for a in answers), good, f"tally, partition {partition}, answers")
        verdict.expect(
            [a.score for a in answers], [float(n) for n in range(1, len(good) + 1)], f"tally, partition {partition}, counts"
        )
        letters: list[DeadLetter] = [
            topics.DEADLETTER.decode(r.value) for r in said["live.deadletter"] if r.partition == partition
        ]
        bad = [record.value[: topics.LETTER_VALUE_BYTES] for record, r in mine if r is None or r.id.endswith("13")]
        verdict.expect(sorted(x.value for x in letters), sorted(bad), f"tally, partition {partition}, letters")
        counts = {
            m.revision: m.messages for m in (topics.MOOD.decode(r.value) for r in said["live.mood"] if r.partition == partition)
        }
        for revision, count in counts.items():
            before = sum(1 for a in answers if a.revision < revision)
            if before != count:
                verdict.wrong.append(
                    f"tally, partition {partition}: a tick at {revision} counts {count}, {before} were said before"
                )


class Worker:
    """A worker process."""

    def __init__(self, stage: Stage, instance: str, poison_share: float) -> None:
        given = {
            "servers": stage.cluster.servers, "partitions": stage.cluster.partitions, "agents": stage.specs,
            "instance": instance, "log": "INFO", "poison_share": poison_share,
        }  # fmt: skip
        self.log = stage.folder / f"worker-{stage.tag}-{len(stage.workers)}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.support.shellworker", json.dumps(given)],
                stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def ready(self) -> None:
        """Wait until it says so, or has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == b"ready\n", self.log.read_text()[-3000:]

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        if self.code is None:
            self._process.kill()
        self._process.wait(30)
        if self._process.stdout:
            self._process.stdout.close()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = 60) -> int:
        code = self._process.wait(seconds)
        if self._process.stdout:
            self._process.stdout.close()
        return code
