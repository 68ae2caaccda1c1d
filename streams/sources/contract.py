"""What every source must keep, as one battery of checks: :func:`check_source`. For our own sources and for those of others.

It needs no test framework; a broken promise is an ``AssertionError`` that says which event broke it.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec

from streams.sources.base import Event, Source

REQUIRED: dict[str, dict[str, type]] = {
    "chat": {"user": str, "text": str},
    "sale": {"type": str},
    "viewer": {"user": str, "type": str},
    "speech": {"end": int, "text": str},
    "product": {"sku": str, "type": str},
}
TYPES = {
    "sale": {"order", "pay", "refund", "cart", "click", "stock"},
    "viewer": {"enter", "leave", "follow", "like", "share"},
    "product": {"show", "pin", "withdraw"},
}
YEARS_MS = (946_684_800_000, 4_102_444_800_000)


def check_source(
    opened: Callable[[], Source], *, faults: bool = False, kinds: set[str] | None = None, most_bytes: int = 64 << 20
) -> list[Event]:
    """Check the source that ``opened`` opens, and return its events.

    * it names its dialect;
    * it is deterministic: opened twice it yields the same bytes, and so does the same object a second time, also after a pass
      that was broken off;
    * events are in order of ``at``;
    * each line is one line, and a valid border event of one of ``kinds`` (all, if None) with an id that no other event of its
      kind has. A source that plants faults on purpose (``faults``) may repeat ids and carry lines that are no events;
    * reading it holds at most ``most_bytes`` beyond what opening it took.
    """
    source = opened()
    assert source.dialect.strip(), "a source names its dialect"
    first = list(source.events())
    _same(first, list(opened().events()), "opened again")
    broken_off = source.events()
    next(broken_off, None)
    del broken_off
    _same(first, list(source.events()), "read again")
    _in_order(first)
    _valid(first, faults, kinds)
    _bounded(opened(), most_bytes)
    return first


def problem(line: bytes, kinds: set[str] | None = None) -> str:
    """Why ``line`` is no border event; empty if it is one."""
    if b"\n" in line or not line.strip():
        return "is not one line"
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"is no JSON: {error}"
    if not isinstance(event, dict) or event.get("kind") not in REQUIRED:
        return f"has no kind out of {', '.join(REQUIRED)}"
    return _field_problem(event, kinds)


def _field_problem(event: dict[str, Any], kinds: set[str] | None) -> str:
    kind = event["kind"]
    if kinds is not None and kind not in kinds:
        return f"is of kind {kind}, not {' or '.join(sorted(kinds))}"
    if not isinstance(event.get("id"), str) or not 0 < len(event["id"]) <= 128:
        return "has no id of 1 to 128 characters"
    for name in ("ts", "end") if kind == "speech" else ("ts",):
        if type(event.get(name)) is not int or not YEARS_MS[0] <= event[name] < YEARS_MS[1]:
            return f"has no {name} in epoch milliseconds"
    for name, wanted in REQUIRED[kind].items():
        if type(event.get(name)) is not wanted:
            return f"has no {name} of type {wanted.__name__}"
    if kind in TYPES and event["type"] not in TYPES[kind]:
        return f"has type {event['type']!r}"
    return ""


def _same(first: list[Event], again: list[Event], how: str) -> None:
    for number, (one, other) in enumerate(zip(first, again, strict=False)):
        assert one == other, f"{how}, event {number} is {other} and was {one}"
    assert len(first) == len(again), f"{how}, it has {len(again)} events and had {len(first)}"


def _in_order(events: list[Event]) -> None:
    for number, (before, after) in enumerate(zip(events, islice(events, 1, None), strict=False), start=1):
        assert before.at <= after.at, f"event {number} comes at {after.at}, after one at {before.at}"


def _valid(events: list[Event], faults: bool, kinds: set[str] | None) -> None:
    seen: set[tuple[str, str]] = set()
    good = 0
    for number, event in enumerate(events):
        wrong = problem(event.line, kinds)
        if not wrong:
            good += 1
            fields = msgspec.json.decode(event.line)
            name = (fields["kind"], fields["id"])
            assert faults or name not in seen, f"event {number} has the id of an earlier one: {event.line[:200]!r}"
            seen.add(name)
        else:
            assert faults, f"event {number} {wrong}: {event.line[:200]!r}"
    assert not events or good > len(events) // 2, "most of the events are no events"


def _bounded(source: Source, most_bytes: int) -> None:
    tracemalloc.start()
    try:
        _drain(source.events())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most_bytes, f"reading it took {peak} bytes of memory, more than {most_bytes}"


def _drain(events: Iterator[Event]) -> None:
    for _ in events:
        pass
