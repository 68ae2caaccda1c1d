"""Where a subscriber's reading stands, and what Kafka removed before it was read: counted and said, never passed over."""

from __future__ import annotations

import logging
from collections.abc import Set

from streams.records import Meter

log = logging.getLogger(__name__)
Place = tuple[str, int]


class Places:
    """The next offset of each partition. ``holes`` are the topics whose logs have holes (compaction), where none is a loss."""

    def __init__(self, group: str, meter: Meter, holes: Set[str]) -> None:
        self._group, self._meter, self._holes = group, meter, holes
        self._next: dict[Place, int] = {}

    def begin(self, place: Place, committed: int, low: int) -> None:
        """``place`` is ours: ``committed`` is where reading goes on, ``low`` the first record that is still there."""
        self._next[place] = committed
        self._reach(place, low)

    def came(self, place: Place, offset: int) -> None:
        """The record at ``offset`` came."""
        if place in self._next:
            self._reach(place, offset)
        self._next[place] = offset + 1

    def leave(self, place: Place) -> None:
        self._next.pop(place, None)

    def _reach(self, place: Place, offset: int) -> None:
        expected = self._next[place]
        if offset <= expected:
            return
        self._next[place] = offset
        if place[0] in self._holes:
            return
        self._meter.count("records_lost", offset - expected, topic=place[0])
        log.error(
            "group %s: %d records of %s-%d, from offset %d, were removed by Kafka before they were read; going on at %d. Give "
            "the topic a longer retention, or the reader more speed.",
            self._group, offset - expected, *place, expected, offset,
        )  # fmt: skip
