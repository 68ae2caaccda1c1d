"""The agent shell beside Faust as its tutorial writes it, Quix Streams, Bytewax and a plain confluent-kafka loop.

    python -m benchmarks.peers [--messages 600000] [--seconds 12]

The same chat lies in the log twice: one message a record as JSON, and in envelopes of 64. Each program forwards it to a topic
of its own, one after another on one broker; messages per CPU-second from the moment when it is loaded. Those of other systems
run in ``benchmarks/.peers``, which ``make bench`` sets up from ``requirements/peers.lock``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Producer

from benchmarks.gauge import Ends, fresh_broker, per_cpu_second
from benchmarks.peers.work import Given
from benchmarks.shell import TEXT, fill, shell_rate
from streams.admin import create_topics
from streams.kafka import Cluster
from streams.reach import QUIET
from streams.topics import DANMAKU, TOPICS

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "benchmarks" / ".peers" / "bin" / "python"
SINGLE = "bench.chat"
ENVELOPE = 64


class Peer(NamedTuple):
    """A program, and in which forms of a record it is natural."""

    name: str
    python: str
    arguments: tuple[str, ...]
    forms: tuple[str, ...] = ("single", "envelopes")


def peers() -> list[Peer]:
    other = str(PYTHON)
    here = "benchmarks.peers."
    return [
        Peer(
            "Faust, its tutorial", sys.executable, ("-m", f"{here}faust_tutorial", "worker", "--without-web", "-l", "error"),
            ("single",),
        ),
        Peer("Quix Streams", other, ("-m", f"{here}quix")),
        Peer("Bytewax", other, ("-m", "bytewax.run", f"{here}bytewax_flow:flow")),
        Peer("plain confluent-kafka", other, ("-m", f"{here}confluent_loop")),
    ]  # fmt: skip


def fill_single(cluster: Cluster, messages: int) -> None:
    """One message a record, as JSON."""
    producer = Producer(cluster.producer(linger_ms=20, queue_buffering_max_messages=1_000_000) | QUIET)
    for number in range(messages):
        room = f"room-{number % 40}"
        chat = {"id": f"{number}", "event_ts": 1_700_000_000_000 + number, "user": f"u{number % 900:016x}", "text": TEXT}
        value = json.dumps(chat | {"room": room}, ensure_ascii=False)
        producer.produce(SINGLE, value, room.encode(), number % cluster.partitions)
        producer.poll(0)
    producer.flush(120)


def run(peer: Peer, cluster: Cluster, form: str, records: int, seconds: float) -> float:
    """Records per CPU-second of one program."""
    target = f"bench.{peer.name.partition(',')[0].replace(' ', '-').lower()}.{form}"
    create_topics(cluster, [dataclasses.replace(DANMAKU, name=target)])
    ends = Ends(cluster, target)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said").open("w+b") as said:
        loaded = Path(folder) / "loaded"
        source = SINGLE if form == "single" else DANMAKU.name
        told = Given(cluster.servers, source, target, target, form, str(loaded))._asdict()
        environment = {f"PEER_{name.upper()}": value for name, value in told.items()}
        process = subprocess.Popen(
            [peer.python, *peer.arguments], cwd=folder, stdout=said, stderr=said,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        try:
            return per_cpu_second(
                psutil.Process(process.pid), ends, records, lambda: float(loaded.read_text()), longest_s=seconds
            )
        except RuntimeError as error:
            said.seek(0)
            raise RuntimeError(f"{peer.name}, {form}: {error}\n{said.read().decode(errors='replace')[-2000:]}") from error
        finally:
            ends.close()
            process.kill()
            process.wait(30)


def measure(messages: int, seconds: float) -> dict[str, Any]:
    """Messages per CPU-second by form and program, and how many times that the agent shell does."""
    with fresh_broker(password=None) as cluster:  # the others are as their tutorials have them
        create_topics(cluster, [*TOPICS.values(), dataclasses.replace(DANMAKU, name=SINGLE)])
        envelopes = fill(cluster, messages, ENVELOPE)
        fill_single(cluster, messages)
        rates = {"agent shell, envelopes": shell_rate(cluster, "peers", "direct", 0, DANMAKU, envelopes) * ENVELOPE}
        for peer in peers():
            for form in peer.forms:
                per_record, records = (1, messages) if form == "single" else (ENVELOPE, envelopes)
                rates[f"{peer.name}, {form}"] = run(peer, cluster, form, records, seconds) * per_record
                print(f"{peer.name}, {form}: {rates[f'{peer.name}, {form}']:,.0f}", file=sys.stderr)
    ours = rates["agent shell, envelopes"]
    return {
        "messages": messages,
        "envelope": ENVELOPE,
        "messages_per_cpu_second": {name: round(rate) for name, rate in rates.items()},
        "agent_shell_against": {name: float(f"{ours / rate:.3g}") for name, rate in rates.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=600_000)
    parser.add_argument("--seconds", type=float, default=12, help="how long a slow one is watched at most")
    given = parser.parse_args()
    if not PYTHON.exists():
        sys.exit("the environment of the other systems is missing: `make bench` sets it up")
    print(json.dumps(measure(given.messages, given.seconds), indent=1))


if __name__ == "__main__":
    main()
