"""What the way to us does to events: latency, disorder, lateness, repeats, a wrong clock; and lines that no event can be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from streams.sources.base import Event
from streams.sources.simulator.plan import Planned
from streams.sources.simulator.truth import Poison

DISORDER_SHARE, DISORDER_MS = 0.05, 3_000
LATE_SHARE, LATE_MS = 0.005, 60_000
DUPLICATE_SHARE, DUPLICATE_MS = 0.02, 20_000
_SUFFERING = ("chat", "sale", "viewer")  # speech and sheets come over a wire of their own


@dataclass
class Delivery:
    """The lines in order of their arrival, and what was done to them."""

    lines: list[Event] = field(default_factory=list)
    duplicates: dict[str, int] = field(default_factory=dict)
    disordered: int = 0
    late: int = 0
    poison: list[Poison] = field(default_factory=list)


def deliver(rng: Random, planned: list[Planned], base_ts: int, end: int, skew_ms: int) -> Delivery:
    """Send every planned event once or more. ``skew_ms`` is added to time-stamps, not to arrival."""
    delivery = Delivery()
    sent: list[tuple[int, int, bytes]] = []
    for event in planned:
        line = _line(event, base_ts + skew_ms)
        at = event.at + _delay(rng, delivery, event, end)
        sent.append((at, len(sent), line))
        if event.kind in _SUFFERING and rng.random() < DUPLICATE_SHARE:
            again = at + rng.randrange(100, DUPLICATE_MS)
            if again < end:
                sent.append((again, len(sent), line))
                delivery.duplicates[event.kind] = delivery.duplicates.get(event.kind, 0) + 1
    for why, line in poisons(base_ts, [event.id for event in planned[:1]]):
        sent.append((rng.randrange(min(5_000, end // 4), end), len(sent), line))
        delivery.poison.append(Poison(why=why, sha256=hashlib.sha256(line).hexdigest()))
    sent.sort()
    delivery.lines = [Event(base_ts + at, line) for at, _, line in sent]
    return delivery


def _line(event: Planned, zero: int) -> bytes:
    body: dict[str, Any] = {"kind": event.kind, "id": event.id, "ts": zero + event.at, **event.body}
    if "end" in body:
        body["end"] += zero
    return msgspec.json.encode(body)


def _delay(rng: Random, delivery: Delivery, event: Planned, end: int) -> int:
    """How long after it happened an event arrives; a sentence arrives after it has been said."""
    usual = rng.randrange(40, 260)
    if event.kind == "speech":
        return int(event.body["end"]) - event.at + usual
    if event.steady or event.kind not in _SUFFERING:
        return usual
    chance = rng.random()
    if chance < LATE_SHARE and event.at + LATE_MS < end:
        delivery.late += 1
        return rng.randrange(5_000, LATE_MS)
    if chance < LATE_SHARE + DISORDER_SHARE and event.at + DISORDER_MS < end:
        delivery.disordered += 1
        return rng.randrange(260, DISORDER_MS)
    return usual


def poisons(ts: int, ids: list[str]) -> list[tuple[str, bytes]]:
    """Lines that the border must refuse, each by itself, and why."""
    taken = ids[0] if ids else "x"

    def line(**body: Any) -> bytes:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    return [
        ("broken JSON", b'{"kind":"chat","id":"poison-1","ts":' + str(ts).encode() + b',"user":"u","text":"cut of'),
        ("a time that is a word", line(kind="chat", id="poison-2", ts="soon", user="u", text="时间不对")),
        ("a lone surrogate", b'{"kind":"chat","id":"poison-3","ts":' + str(ts).encode() + b',"user":"u","text":"\\ud800"}'),
        ("an unknown kind", line(kind="gossip", id="poison-4", ts=ts, user="u", text="没有这一种")),
        ("no id", line(kind="chat", ts=ts, user="u", text="没有编号")),
        ("null", b"null"),
        ("a list", b'["chat","poison-7"]'),
        (
            "a negative quantity",
            line(kind="sale", id="poison-8", ts=ts, type="order", sku="SKU-101", quantity=-2, amount="1.00"),
        ),
        ("money finer than a fen", line(kind="sale", id="poison-9", ts=ts, type="pay", sku="SKU-101", amount="12.345")),
        (
            "bytes that are no UTF-8",
            b'{"kind":"chat","id":"poison-10","ts":' + str(ts).encode() + b',"user":"u","text":"\xff\xfe"}',
        ),
        ("a text of 100,000 characters", line(kind="chat", id="poison-11", ts=ts, user="u", text="长" * 100_000)),
        ("speech that ends before it begins", line(kind="speech", id="poison-12", ts=ts, end=ts - 5_000, text="倒着说")),
        ("a taken id with a wrong type", line(kind="viewer", id=taken, ts=ts, user=7, type="enter")),
    ]
