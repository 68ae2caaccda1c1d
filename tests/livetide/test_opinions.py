"""A person's word on an alert, written above what the store shows, while the log may already hold more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from livetide.cli.alerts import _told
from livetide.opinions import hold
from streams.records import Alert, InvalidError, RetryError

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def row(revision: int, state: str = "firing", level: int = 1) -> dict[str, Any]:
    return {
        "room_id": "r", "id": "alert:r:x:1", "revision": revision, "topic": "counterfeit", "level": level, "state": state,
        "started_ts": WHEN, "ts": WHEN, "ingest_ts": WHEN, "evidence_ts": WHEN, "score": 4.0, "share": 0.08, "baseline": 0.01,
        "messages": 12, "users": 9, "examples": [], "words": [], "note": "", "changed_by": "",
    }  # fmt: skip


class World:
    """A log of one alert, and a store that has read its first ``read`` records. ``later`` happens at each look, in turn."""

    def __init__(self, *log: dict[str, Any], read: int) -> None:
        self.log = list(log)
        self.read = read
        self.later: list[Callable[[], None]] = []

    def write(self, alert: Alert) -> None:
        self.log.append(row(alert.revision, alert.state, alert.level) | {"changed_by": alert.by})

    def catch_up(self) -> None:
        self.read = len(self.log)

    def sleep(self, _: float) -> None:
        if self.later:
            self.later.pop(0)()

    def _rows(self) -> list[dict[str, Any]]:
        return [one | {"log_offset": offset} for offset, one in enumerate(self.log[: self.read])]

    def alert(self, identity: str) -> dict[str, Any] | None:
        assert identity == "alert:r:x:1"
        return max(self._rows(), key=lambda one: int(one["revision"]), default=None)

    def alert_at(self, identity: str, revision: int) -> dict[str, Any] | None:
        return next((one for one in self._rows() if (one["id"], one["revision"]) == (identity, revision)), None)

    def acknowledge(self) -> dict[str, Any] | None:
        seen = self.alert("alert:r:x:1")
        assert seen is not None
        return hold(seen, "acknowledged", "ann", write=self.write, shown=self, clock=lambda: 5, checks=20, sleep=self.sleep)


def revisions(world: World) -> list[tuple[int, str]]:
    return [(one["revision"], one["state"]) for one in world.log]


def test_a_word_holds_once_the_store_shows_it() -> None:
    world = World(row(8), read=1)
    world.later = [lambda: None, world.catch_up]
    now = world.acknowledge()
    assert now is not None
    assert (now["revision"], now["state"]) == (9, "acknowledged")
    assert _told("a", "acknowledged", now) == "a is acknowledged at level 1"


@pytest.mark.parametrize("both_at_once", [True, False])
def test_a_word_that_went_under_is_written_again(both_at_once: bool) -> None:
    world = World(row(8), row(12, level=2), read=1)  # a level is in the log, and the store does not show it yet
    world.later = [world.catch_up if both_at_once else lambda: setattr(world, "read", 2), world.catch_up, world.catch_up]
    now = world.acknowledge()
    assert revisions(world) == [(8, "firing"), (12, "firing"), (9, "acknowledged"), (13, "acknowledged")]
    assert now is not None
    assert (now["revision"], now["state"], now["level"]) == (13, "acknowledged", 2)


def test_what_the_agent_says_after_the_word_holds_and_is_told() -> None:
    world = World(row(8), read=1)
    world.later = [lambda: world.log.append(row(12, level=2)), world.catch_up]
    now = world.acknowledge()
    assert revisions(world) == [(8, "firing"), (9, "acknowledged"), (12, "firing")]
    assert now is not None
    told = _told("a", "acknowledged", now)
    assert told == "a was acknowledged, and is firing at level 2 by what came after it"


def test_one_that_is_over_meanwhile_is_told() -> None:
    world = World(row(8), row(12, "resolved"), read=1)
    world.later = [world.catch_up]
    with pytest.raises(InvalidError, match="is resolved already"):
        world.acknowledge()


def test_a_store_that_is_behind_or_away_is_told() -> None:
    world = World(row(8), read=1)
    assert world.acknowledge() is None
    assert revisions(world) == [(8, "firing"), (9, "acknowledged")]
    assert "does not show it yet" in _told("a", "acknowledged", None)

    class Away(World):
        def alert(self, identity: str) -> dict[str, Any] | None:
            if len(self.log) > 1:
                raise RetryError("the store does not answer")
            return super().alert(identity)

    assert Away(row(8), read=1).acknowledge() is None
