"""What is planned to happen: one event before it has an id and before the network has touched it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass
class Planned:
    """One event at ``at`` milliseconds from the start of the room.

    ``kind`` and ``body`` are the border's; ``role`` says what it was planted as; a ``steady`` one is never late or out of
    order, because the truth counts on its moment. ``id`` is given when the room is put together.
    """

    at: int
    kind: str
    body: dict[str, Any]
    role: str = ""
    steady: bool = False
    id: str = field(default="", compare=False)


def arrivals(rng: Random, start: int, end: int, per_second: Callable[[int], float], peak: float) -> Iterator[int]:
    """Times of a Poisson process whose rate varies and never exceeds ``peak`` a second (thinning)."""
    clock = float(start)
    while peak > 0:
        clock += rng.expovariate(peak) * 1_000
        if clock >= end:
            return
        if rng.random() * peak < per_second(int(clock)):
            yield int(clock)


def bump(at: int, centre: float, width: float) -> float:
    """A bell of height 1."""
    distance = (at - centre) / width
    return math.exp(-0.5 * distance * distance)
