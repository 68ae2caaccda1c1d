"""Clients that send a scene to the gateway: bearer key, NDJSON, and the same lines again until they are answered for.

A lost connection, a time-out, 429 and 5xx all mean the same to a client: it does not know, so it sends the same lines again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import httpx

from streams.gateway.auth import bearer_key
from tests.faults.stack.scenes import Event, Scene, Sending

LINES = 300
PAUSE_S = 0.2
PATIENCE_S = 240
SOURCE = "scene"
Identity = tuple[str, str, str]


def identity(event: Event) -> Identity:
    return event.kind, event.room, event.id


@dataclass
class Told:
    """What the gateway has told the clients."""

    taken: set[Identity] = field(default_factory=set)
    refused: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    wrongly: list[str] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    sent: int = 0
    sent_again: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0
    longest_s: float = 0.0

    def add(self, more: Told) -> None:
        """What was told later."""
        self.taken |= more.taken
        self.refused += more.refused
        self.wrongly += more.wrongly
        self.answers += more.answers
        for name in ("accepted", "duplicates", "sent", "sent_again", "took_s"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.longest_s = max(self.longest_s, more.longest_s)


def send(scene: Scene, gateway: str, master: str, per_s: float, reached: Callable[[int], None] = lambda _: None) -> Told:
    """Send all of ``scene`` at about ``per_s`` lines a second and return when everything is answered for.

    ``reached`` is told how far the scene's clock has come.
    """
    return asyncio.run(_send(scene, gateway, master, per_s, reached))


async def _send(scene: Scene, gateway: str, master: str, per_s: float, reached: Callable[[int], None]) -> Told:
    told, began = Told(), time.monotonic()
    queues: dict[str, asyncio.Queue[list[Sending] | None]] = {room: asyncio.Queue() for room in scene.rooms}
    async with httpx.AsyncClient(base_url=gateway, timeout=httpx.Timeout(30, connect=5), trust_env=False) as http:
        clients = [asyncio.create_task(_client(http, room, master, queue, told)) for room, queue in queues.items()]
        done = 0
        while done < len(scene.sendings):
            due = min(len(scene.sendings), int((time.monotonic() - began) * per_s) + 1)
            for room, mine in groupby(sorted(scene.sendings[done:due], key=lambda s: s.room), key=lambda s: s.room):
                queues[room].put_nowait(list(mine))  # the sort is stable: within a room the order of arrival stays
            reached(scene.sendings[due - 1].at)
            done = due
            if any(client.done() for client in clients):
                break
            await asyncio.sleep(0.1)
        for queue in queues.values():
            queue.put_nowait(None)
        await asyncio.gather(*clients)
    told.took_s = time.monotonic() - began
    return told


async def _client(
    http: httpx.AsyncClient, room: str, master: str, queue: asyncio.Queue[list[Sending] | None], told: Told
) -> None:
    """One room's client: what has come together meanwhile goes out in one request, and nothing overtakes it."""
    more = True
    while more:
        batch: list[Sending] = []
        while more and (not batch or not queue.empty()):
            found = await queue.get()
            more = found is not None
            batch += found or []
        for start in range(0, len(batch), LINES):
            await _until_answered(http, room, master, batch[start : start + LINES], told)


async def _until_answered(http: httpx.AsyncClient, room: str, master: str, lines: list[Sending], told: Told) -> None:
    headers = {"Authorization": f"Bearer {bearer_key(master, room)}", "Content-Type": "application/x-ndjson"}
    content = b"\n".join(line.line for line in lines)
    began = time.monotonic()
    told.sent += len(lines)
    while True:
        try:
            response = await http.post(
                f"/v1/rooms/{room}/events", params={"source": SOURCE, "clock": "replay"}, headers=headers, content=content
            )
        except httpx.TransportError as error:
            outcome, wait = type(error).__name__, PAUSE_S
        else:
            outcome = str(response.status_code)
            if response.status_code in (202, 422):
                told.answers[outcome] += 1
                told.longest_s = max(told.longest_s, time.monotonic() - began)
                _note(lines, response.json(), told)
                return
            assert response.status_code in (429, 500, 503), f"{response.status_code}: {response.text[:300]}"
            wait = float(response.headers.get("Retry-After", PAUSE_S))
        told.answers[outcome] += 1
        told.sent_again += len(lines)
        assert time.monotonic() - began < PATIENCE_S, f"the gateway has not taken a request for {PATIENCE_S} s ({outcome})"
        await asyncio.sleep(wait)


def _note(lines: list[Sending], answer: dict[str, Any], told: Told) -> None:
    refused = {one["index"]: one["reason"] for one in answer["rejected"]}
    told.accepted += answer["accepted"]
    told.duplicates += answer["duplicates"]
    if answer["accepted"] + answer["duplicates"] + len(refused) != len(lines):
        told.wrongly.append(f"an answer for another number of lines: {answer}")
    for index, line in enumerate(lines):
        if (line.event is None) != (index in refused):
            told.wrongly.append(f"{line.line[:200]!r} was {'refused: ' + refused[index] if index in refused else 'taken'}")
        elif line.event is None:
            told.refused[line.room, line.line] += 1
        else:
            told.taken.add(identity(line.event))
