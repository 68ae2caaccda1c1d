"""What a source is: something that yields border events in the order in which they reach us."""

from __future__ import annotations

from collections import Counter
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


class MediaFeed(Protocol):
    """The video of a source, published as the replay's clock passes it: the bytes stored first, then the reference sent.

    ``start_ms`` and ``end_ms`` are on the clock of :attr:`Event.at`; ``end_ms`` is None for a stream that has no end.
    """

    start_ms: int
    end_ms: int | None

    def publish_until(self, at_ms: int) -> int:
        """Publish every segment that ends before ``at_ms`` and was not published yet; returns how many."""
        ...

    def close(self) -> None: ...


class Tally:
    """What a source left out, so that nothing is left out in silence.

    ``ignored`` counts what has no place at the border (a gift is no sale); ``damaged`` counts what should have been an event
    and cannot be read. ``examples`` says where the first few damages are. ``late`` counts events that were kept, but come
    later than their time-stamp says because the file is further out of order than the reader looks ahead.
    """

    EXAMPLES = 10
    REASONS = 100

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self.damaged: Counter[str] = Counter()
        self.examples: list[str] = []
        self.late = 0

    def ignore(self, reason: str) -> None:
        _count(self.ignored, reason)

    def damage(self, reason: str, where: str) -> None:
        _count(self.damaged, reason)
        if len(self.examples) < self.EXAMPLES:
            self.examples.append(f"{where}: {reason}")


def _count(counter: Counter[str], reason: str) -> None:
    """Some reasons quote the file, so that their number must be bounded."""
    counter[reason if reason in counter or len(counter) < Tally.REASONS else "other reasons"] += 1
