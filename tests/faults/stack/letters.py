"""Dead letters: every bad line and every bad record, once per stage that should have read it, byte for byte as far as one holds
them; and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from clickhouse_driver import Client

from streams.shell.agent import Agent
from streams.topics import LETTER_VALUE_BYTES
from tests.faults.stack.load import Told
from tests.faults.stack.reading import Log
from tests.faults.stack.scenes import Scene
from tests.faults.stack.verdict import Verdict

SUBSCRIBERS = {"live.frames": "recorder", "live.highlights": "clipper", "host.commands": "host"}
NOT_STORED = {"live.danmaku", "live.deadletter"}


def stages(topic: str, agents: Iterable[Agent]) -> set[str]:
    """Who must bury a bad record of a topic: all of its readers."""
    readers = {agent.name for agent in agents if topic in {source.name for source in agent.sources}}
    readers |= {SUBSCRIBERS[topic]} if topic in SUBSCRIBERS else set()
    return readers | (set() if topic in NOT_STORED else {"sink"})


def check_letters(verdict: Verdict, log: Log, store: Client, agents: Iterable[Agent], scene: Scene, told: Told) -> None:
    expected: dict[Any, Any] = {}
    for entry in log.bad():
        for stage in stages(entry.topic, agents):
            expected[entry.topic, entry.partition, entry.offset, stage] = entry.value[:LETTER_VALUE_BYTES].hex()
    for room, line in scene.poison:
        expected[room, _digest(line)] = line.hex()
    found: list[tuple[Any, Any]] = []
    columns = "room_id, topic, partition, offset, stage, lower(hex(value))"
    for room, topic, partition, offset, stage, value in store.execute(f"SELECT {columns} FROM live.deadletters"):
        key = (topic, partition, offset, stage) if offset >= 0 else (room, _digest(bytes.fromhex(value)))
        if stage != "replay":
            found.append((key, value))
    verdict.compare("dead letters", expected, found)
    verdict.expect(set(scene.poison) == told.refused.keys(), "not all poison was refused, or something good was")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
