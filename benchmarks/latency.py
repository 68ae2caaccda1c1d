"""How old things are when people see them, on the whole real stack at a steady 1,000 messages a second.

    python -m benchmarks.latency [--seconds 45] [--rate 1000] [--rises 40]

Rows: chat is posted to the gateway, and a reader asks the store for new rows over the native protocol, again and again, as a
data team would. The age of a row is the time when an answer first held it, less its ``ingest_ts``, the gateway's.
Alerts: meanwhile complaints rise in rooms of their own, one after another, and a webhook on loopback takes what is delivered.
The delay of an alert is its arrival less the time when the gateway took the message that completed the evidence.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from clickhouse_driver import Client

from benchmarks import stages
from benchmarks.gauge import cpu_of, own_ports
from benchmarks.load import Load, run_load
from livetide.demo.receiver import Receiver
from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, statuses
from livetide.stack.state import load
from storage.server import READER, reader_password

LOOK_S = 0.05
PATIENCE_S = 60.0


@dataclass
class Ages:
    """What the reader saw: ages in ms with the number of rows, and how far it has read each partition."""

    found: list[tuple[int, int]] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    rows: int = 0
    offsets: dict[int, int] = field(default_factory=dict)
    newest_ms: int = 0

    def look(self, client: Client, from_ms: int) -> None:
        """Ask for what is new. Rows that were taken before ``from_ms`` are counted and not timed."""
        behind = " OR ".join(f"(log_partition = {number} AND log_offset > {at})" for number, at in self.offsets.items())
        known = ", ".join(map(str, self.offsets)) or "-1"
        since = max(0, self.newest_ms - int(PATIENCE_S * 1000))
        began = time.perf_counter()
        answer = client.execute(
            "SELECT log_partition, log_offset, any(toUnixTimestamp64Milli(ingest_ts)), count() FROM danmaku "
            f"WHERE ingest_ts >= fromUnixTimestamp64Milli({since}) AND (log_partition NOT IN ({known}) OR {behind or '0'}) "
            "GROUP BY log_partition, log_offset ORDER BY log_partition, log_offset"
        )
        now = time.time_ns() // 1_000_000
        self.looks.append(time.perf_counter() - began)
        for number, offset, taken_ms, count in answer:
            self.offsets[number], self.rows = offset, self.rows + count
            self.newest_ms = max(self.newest_ms, taken_ms)
            if taken_ms >= from_ms:
                self.found.append((now - taken_ms, count))

    def quantile(self, share: float) -> int:
        """Of all timed rows."""
        wanted, seen = share * sum(count for _, count in self.found), 0
        for age, count in sorted(self.found):
            seen += count
            if seen >= wanted:
                return age
        raise RuntimeError("no row was timed")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def start(data: Path, receiver: Receiver) -> tuple[Stack, Settings]:
    """The whole stack in a folder of its own, on ports that are free."""
    given: dict[str, Any] = {"data": data, "webhook_url": receiver.url, **own_ports()}
    given["webhook_secret"] = load_secrets(data)["webhook_secret"]
    stack = Stack(Settings(**given))
    return stack, stack.up().settings(stack.settings)


def reader(settings: Settings) -> Client:
    password = reader_password(load_secrets(settings.data)["store_password"])
    return Client("127.0.0.1", settings.store_port, user=READER, password=password, database="live")


def cpu_by_process(data: Path) -> dict[str, float]:
    """CPU seconds of every process of the stack, by name."""
    pids = {status.name: status.pid for status in statuses(data) if status.pid}
    found = {}
    for name, pid in pids.items():
        try:
            found[name] = cpu_of(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return found


def measure(load_: Load, warm_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        receiver = Receiver(load_secrets(data)["webhook_secret"])
        stack = None
        try:
            stack, settings = start(data, receiver)
            return _measure(load_, warm_s, settings, receiver)
        finally:
            receiver.stop()
            (stack or Stack(Settings(data=data))).down()


def _measure(wanted: Load, warm_s: float, settings: Settings, receiver: Receiver) -> dict[str, Any]:
    state = load(settings.data)
    assert state is not None
    ours, theirs = multiprocessing.Pipe()
    sender = multiprocessing.get_context("spawn").Process(
        target=run_load, args=(wanted, state.gateway, load_secrets(settings.data)["master"], theirs)
    )
    sender.start()
    theirs.close()
    ours.recv()  # everything is prepared, and the sheets of the rooms are in
    before, began, from_ms = cpu_by_process(settings.data), time.monotonic(), (time.time_ns() // 1_000_000) + int(warm_s * 1000)
    ages, sent = Ages(), _Sent(ours)
    client = reader(settings)
    while sent.answer is None or ages.rows < sent.accepted:
        ages.look(client, from_ms)
        if sent.answer is not None and time.monotonic() - sent.at > PATIENCE_S:
            break
        time.sleep(LOOK_S)
    seconds, after = time.monotonic() - began, cpu_by_process(settings.data)
    if not sent.answer:
        raise RuntimeError("the load broke off; why is said above")
    sender.join(10)
    answer = sent.answer
    _await_alerts(receiver, wanted.rises)
    cores = {name: round((after[name] - spent) / seconds, 3) for name, spent in before.items() if name in after}
    more = {"age_in_topic_ms": stages.ages(settings.cluster(), from_ms), "cores_used": cores}
    return _rows(ages, answer, wanted) | _alerts(receiver, answer, wanted, client) | more


class _Sent:
    """Waits for the sender's last word in the background."""

    def __init__(self, pipe: Connection) -> None:
        self.answer: Any = None
        self.at = 0.0
        threading.Thread(target=self._wait, args=(pipe,), daemon=True).start()

    @property
    def accepted(self) -> int:
        return int(self.answer.get("accepted", 0)) if self.answer else 0

    def _wait(self, pipe: Connection) -> None:
        try:
            answer = pipe.recv()
        except EOFError:
            answer = {}
        self.at, self.answer = time.monotonic(), answer


def _await_alerts(receiver: Receiver, rises: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and len({one.id for one in receiver.delivered.values() if one.level >= 2}) < rises:
        time.sleep(0.1)


def _rows(ages: Ages, answer: dict[str, Any], wanted: Load) -> dict[str, Any]:
    return {
        "messages_per_second": wanted.rate,
        "rooms": wanted.rooms,
        "rows": ages.rows,
        "rows_missing": answer["accepted"] - ages.rows,
        "rows_timed": sum(count for _, count in ages.found),
        "row_p50_ms": ages.quantile(0.5),
        "row_p99_ms": ages.quantile(0.99),
        "row_max_ms": ages.quantile(1),
        "ack_p50_ms": round(quantile(answer["waits"], 0.5) * 1000, 1),
        "ack_p99_ms": round(quantile(answer["waits"], 0.99) * 1000, 1),
        "look_p50_ms": round(quantile(ages.looks, 0.5) * 1000, 1),
        "sent_late_ms": round(answer["late"] * 1000),
    }


def _alerts(receiver: Receiver, answer: dict[str, Any], wanted: Load, client: Client) -> dict[str, Any]:
    firing = [one for one in receiver.delivered.values() if one.state == "firing"]
    rooms = {room for room in answer["rises"] if any(f":{room}:" in one.id for one in firing)}
    delays = [float(one.delay_ms) for one in firing if any(f":{room}:" in one.id for room in rooms)]
    if not delays:
        raise RuntimeError("no alert came")
    _check_evidence(client, answer["rises"])
    return {
        "rises": wanted.rises,
        "rises_missed": wanted.rises - len(rooms),
        "alerts": len(delays),
        "alert_p50_ms": quantile(delays, 0.5),
        "alert_p99_ms": quantile(delays, 0.99),
        "alert_max_ms": max(delays),
    }


def _check_evidence(client: Client, rises: dict[str, tuple[int, int]]) -> None:
    """What the alerts call evidence must have been taken while the complaints came: a clock that is wrong would flatter."""
    for room, evidence in client.execute("SELECT room_id, toUnixTimestamp64Milli(evidence_ts) FROM alerts"):
        if room in rises and not rises[room][0] - 50 <= evidence <= rises[room][1] + 50:
            raise RuntimeError(
                f"{room}: evidence at {evidence}, but its complaints came from {rises[room][0]} to {rises[room][1]}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--rises", type=int, default=40)
    parser.add_argument("--warm", type=float, default=5, help="seconds at the start that are not timed")
    given = parser.parse_args()
    wanted = Load(seconds=given.warm + given.seconds, rate=given.rate, rises=given.rises)
    print(json.dumps(measure(wanted, given.warm), indent=1))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
