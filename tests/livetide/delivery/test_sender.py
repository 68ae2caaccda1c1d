from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from livetide.delivery.outbox import Outbox, Waiting
from livetide.delivery.sender import BACKOFF_MS, Sender
from streams.records import Alert, InvalidError, RetryError
from tests.support.full_disk import SmallDisk, disk

__all__ = ["disk"]


def alert(identity: str = "a", revision: int = 2, state: str = "firing") -> Alert:
    return Alert(
        room="r", event_ts=1, ingest_ts=1, id=identity, revision=revision, topic="quality", level=1,
        state=state,  # type: ignore[arg-type]  # one of Alert's states
        started_ts=1, evidence_ts=1, score=3.0, share=0.1, baseline=0.01, messages=4, users=4, examples=[],
    )  # fmt: skip


class Channel:
    """A receiver in memory that fails for chosen alerts."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.buried: list[tuple[str, str]] = []
        self.away: set[str] = set()
        self.refused: set[str] = set()

    def send(self, one: Alert) -> None:
        if one.id in self.away:
            raise RetryError(f"{one.id} later")
        if one.id in self.refused:
            raise InvalidError(f"{one.id} never")
        self.taken.append((one.id, one.revision))

    def bury(self, one: Waiting, reason: str) -> None:
        self.buried.append((one.alert.id, reason))


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "webhook.db")


@pytest.fixture
def now() -> list[int]:
    return [1_000_000]


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def pass_once(outbox: Outbox, channel: Channel, now: list[int]) -> Callable[[], None]:
    sender = Sender(outbox, channel.send, channel.bury, lambda: now[0])

    def once() -> None:
        for one in outbox.due(now[0], 100):
            sender.deliver(one)

    return once


def test_one_that_is_not_taken_holds_up_no_other(
    outbox: Outbox, channel: Channel, now: list[int], pass_once: Callable[[], None]
) -> None:
    channel.away.add("stuck")
    for number in range(10):
        outbox.put(alert("stuck" if number == 0 else f"a{number}"), 0, number)
    pass_once()
    assert sorted(channel.taken) == [(f"a{number}", 2) for number in range(1, 10)]
    assert outbox.due(now[0], 100) == [], "it waits for its own time"
    channel.away.clear()
    now[0] += BACKOFF_MS[0]
    pass_once()
    assert channel.taken[-1] == ("stuck", 2)
    now[0] += 10**9
    assert outbox.due(now[0], 100) == []


def test_a_newer_change_replaces_the_one_that_waits(
    outbox: Outbox, channel: Channel, now: list[int], pass_once: Callable[[], None]
) -> None:
    channel.away.add("a")
    outbox.put(alert(revision=2), 0, 1)
    pass_once()
    outbox.put(alert(revision=6, state="resolved"), 0, 9)
    outbox.put(alert(revision=4), 0, 5)
    channel.away.clear()
    pass_once()
    assert channel.taken == [("a", 6)], "how things stand, once; an older word that comes again changes nothing"


def test_a_change_that_comes_while_one_is_on_its_way_is_sent_too(outbox: Outbox, now: list[int]) -> None:
    taken: list[int] = []

    def send(one: Alert) -> None:
        taken.append(one.revision)
        if one.revision == 2:
            outbox.put(alert(revision=4, state="resolved"), 0, 2)

    sender = Sender(outbox, send, lambda one, reason: None, lambda: now[0])
    outbox.put(alert(revision=2), 0, 1)
    for _ in range(2):
        for one in outbox.due(now[0], 10):
            sender.deliver(one)
    assert taken == [2, 4]


def test_a_crash_forgets_nothing(tmp_path: Path, channel: Channel) -> None:
    Outbox(tmp_path / "webhook.db").put(alert(), 3, 7)
    (one,) = Outbox(tmp_path / "webhook.db").due(0, 10)
    assert (one.alert, one.partition, one.offset) == (alert(), 3, 7)


def test_what_is_refused_is_buried_with_its_reason(outbox: Outbox, channel: Channel, pass_once: Callable[[], None]) -> None:
    channel.refused.add("a")
    outbox.put(alert(), 0, 1)
    pass_once()
    pass_once()
    assert channel.buried == [("a", "a never")]


def test_the_pause_grows_to_its_limit(outbox: Outbox, channel: Channel, now: list[int], pass_once: Callable[[], None]) -> None:
    channel.away.add("a")
    outbox.put(alert(), 0, 1)
    for tries in range(12):
        pass_once()
        assert outbox.due(now[0] + min(BACKOFF_MS[0] << tries, BACKOFF_MS[1]) - 1, 1) == []
        now[0] += BACKOFF_MS[1]


def test_the_loop_sends_at_once_and_ends_when_told(outbox: Outbox, channel: Channel, now: list[int]) -> None:
    stop = Event()
    thread = Thread(target=Sender(outbox, channel.send, channel.bury, lambda: now[0]).run, args=(stop,))
    thread.start()
    outbox.put(alert(), 0, 1)
    until = time.monotonic() + 10
    while not channel.taken and time.monotonic() < until:
        time.sleep(0.005)
    stop.set()
    thread.join(10)
    assert channel.taken == [("a", 2)]
    assert not thread.is_alive()


def test_a_full_disk_is_waited_for(disk: SmallDisk, channel: Channel, now: list[int]) -> None:
    outbox = Outbox(disk.folder / "webhook.db")
    outbox.put(alert("first"), 0, 1)
    disk.fill()
    with pytest.raises(RetryError, match="the disk is full"):
        outbox.put(alert("second"), 0, 2)
    stop = Event()
    thread = Thread(target=Sender(outbox, channel.send, channel.bury, lambda: now[0]).run, args=(stop,))
    thread.start()
    until = time.monotonic() + 30
    while not channel.taken and time.monotonic() < until:
        time.sleep(0.005)
    disk.free()
    while outbox.due(now[0], 1) and time.monotonic() < until:
        time.sleep(0.005)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert outbox.due(now[0], 1) == [], "it was noted as soon as there was room"
    assert channel.taken == [("first", 2)]
    outbox.close()
