"""One simulated room for all tests of it, and a short one with its video."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.records import MediaSegment, Record
from streams.segments import SegmentStore
from streams.sources.simulator import Simulation, Truth, open_simulation

BASE = 1_700_000_000_000


@pytest.fixture(scope="session")
def room() -> Simulation:
    """The demo's room."""
    return open_simulation(7, base_ts=BASE)


@pytest.fixture(scope="session")
def truth(room: Simulation) -> Truth:
    return room.truth()


class Rendered:
    """A room of 24 seconds in a store, with what was published of it and the progress that was told."""

    def __init__(self, folder: Path) -> None:
        self.store = SegmentStore(folder)
        self.room = open_simulation(7, base_ts=BASE, minutes=0.4)
        self.progress: list[tuple[int, int]] = []
        self.sent: list[MediaSegment] = []
        feed = self.room.media(self.store, self, "room", lambda done, of: self.progress.append((done, of)))
        assert feed.end_ms is not None
        self.first = feed.publish_until(BASE + 3_999)
        feed.publish_until(feed.end_ms)

    def send(self, record: Record) -> None:
        assert isinstance(record, MediaSegment)
        self.sent.append(record)

    def path(self, number: int) -> Path:
        return self.store.path(self.sent[number].uri)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return Rendered(tmp_path_factory.mktemp("simulated") / "store")
