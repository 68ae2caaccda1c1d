"""Whole rooms as records: the simulator's, as gateway and comprehension would hand them on, and real recordings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from analytics.comprehension import Comprehender
from streams.records import (
    Chat,
    ComprehendedEnvelope,
    InvalidError,
    Product,
    Question,
    Record,
    Sale,
    Speech,
    UnderstoodChat,
    fen,
)
from streams.sources.simulator.room import Simulation, open_simulation
from tests.analytics.talk import START, pack

TWITCH = Path(__file__).resolve().parents[3] / "shared/data/danmaku/twitch_zh"  # beside the repository, where it is at hand


_COMPREHENDER = Comprehender()


def understood(id: str, ts: int, user: str, text: str) -> UnderstoodChat:
    """One message as the comprehension agent understands it."""
    return _COMPREHENDER.understand(text).of(Chat(id, ts, user, text))


def simulated(seed: int, minutes: float = 6, rate: float = 15) -> tuple[Simulation, list[Record]]:
    """A simulated room: its plan, and its good records in order of arrival, each event once."""
    simulation = open_simulation(seed, minutes=minutes, base_ts=START, rate=rate)
    seen: set[tuple[str, str]] = set()
    records: list[Record] = []
    messages: list[tuple[int, UnderstoodChat]] = []
    for event in simulation.events():
        try:
            body = json.loads(event.line)
            key = body["kind"], body["id"]
            if key in seen:
                continue
            seen.add(key)
            if body["kind"] == "chat" and "\ud800" not in body["text"]:
                messages.append((event.at, understood(body["id"], int(body["ts"]), body["user"], body["text"])))
            else:
                records += _record(body, event.at)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidError):
            continue  # the simulator's poison, which the gateway would refuse
    records += pack(messages)
    return simulation, sorted(records, key=lambda record: record.ingest_ts)


def _record(body: dict[str, Any], at: int) -> Iterator[Record]:
    if body["kind"] == "sale" and body.get("quantity", 0) >= 0:
        rest = {name: body[name] for name in ("sku", "quantity", "order", "user") if name in body}
        yield Sale(
            room="r", event_ts=int(body["ts"]), ingest_ts=at, id=body["id"], source="sim", type=body["type"],
            amount=fen(body.get("amount", "0")), **rest,
        )  # fmt: skip
    elif body["kind"] == "speech" and body["end"] >= body["ts"]:
        yield Speech(
            room="r", event_ts=body["ts"], ingest_ts=at, id=body["id"], source="sim", end_ts=body["end"], text=body["text"]
        )
    elif body["kind"] == "product":
        faq = [Question(**pair) for pair in body["faq"]]
        yield Product(
            room="r", event_ts=body["ts"], ingest_ts=at, id=body["id"], source="sim", sku=body["sku"], type=body["type"],
            name=body["name"], price=fen(body["price"]), attributes=body["attributes"], faq=faq,
        )  # fmt: skip


def chat_only(records: Iterable[Record]) -> list[ComprehendedEnvelope]:
    return [record for record in records if isinstance(record, ComprehendedEnvelope)]


def recordings() -> list[Path]:
    """The real recordings, where they are at hand."""
    return sorted(TWITCH.glob("*.jsonl.gz")) if TWITCH.is_dir() else []


def recorded(path: Path) -> list[ComprehendedEnvelope]:
    """One real stream, understood."""
    messages = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            messages.append((row["ts_ms"], understood(str(number), row["ts_ms"], row["user"], row["text"])))
    return pack(messages, path.stem.split(".")[0])
