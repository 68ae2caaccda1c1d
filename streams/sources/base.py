"""What a source is: something that yields border events in the order in which they reach us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Event(NamedTuple):
    """One border event on its way to the gateway.

    ``at`` is when it reaches us on the recording's own clock (epoch ms) and paces the replay; ``line`` is the event as one line
    of JSON, exactly as it will be posted (a simulator may plant poison in it).
    """

    at: int
    line: bytes


class Source(Protocol):
    """A recording, a simulation or a stream, opened. ``dialect`` names what was recognised, for people."""

    dialect: str

    def events(self) -> Iterator[Event]:
        """Events in order of ``at``. Can be called again and then yields the same events (a file) or goes on (a stream)."""
        ...
