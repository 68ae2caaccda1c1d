"""Windows against a batch recomputation, under disorder, duplication, crashes and timers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.dedupe import Deduplicator
from analytics.windows import Fired, Hopping, Session, Windows, tumbling
from streams.records import FatalError

BOUND, ALLOWED = 20, 30
SHAPES: list[Hopping | Session] = [tumbling(10), Hopping(30, 10), Hopping(25, 10), Session(12)]


class Bag(msgspec.Struct, array_like=True):
    count: int = 0
    total: int = 0
    ids: list[int] = []


class Collect:
    """A fold that keeps every value, so that a value lost, doubled or misplaced shows."""

    def new(self) -> Bag:
        return Bag()

    def add(self, state: Bag, value: int) -> Bag:
        return self.merge(state, Bag(1, value, [value]))

    def merge(self, state: Bag, other: Bag) -> Bag:
        return Bag(state.count + other.count, state.total + other.total, sorted([*state.ids, *other.ids]))

    def result(self, state: Bag) -> tuple[int, ...]:
        assert state.count == len(state.ids)
        assert state.total == sum(state.ids)
        return tuple(state.ids)


class Item(NamedTuple):
    id: int
    ts: int


class Job:
    """What an operator does with windows, in small: de-duplicate, add, advance; state out and in."""

    def __init__(self, shape: Hopping | Session, bound: int = BOUND, allowed: int = ALLOWED) -> None:
        self.windows: Windows[Bag, int, tuple[int, ...]] = Windows(
            shape, Collect(), Bag, bound_ms=bound, allowed_ms=allowed, idle_ms=5, forget_ms=1 << 60
        )
        self.seen = Deduplicator(1 << 40, 1 << 20)
        self.late: list[int] = []

    def feed(self, record: Sequence[Item], revision: int) -> list[Fired[tuple[int, ...]]]:
        for item in record:
            if self.seen.first(str(item.id), revision) and not self.windows.add("room", item.ts, item.id, revision, revision):
                self.late.append(item.id)
        return self.windows.advance("room", revision)

    def dump(self) -> tuple[bytes, bytes, list[int]]:
        return self.windows.dump(), self.seen.dump(), list(self.late)

    def load(self, state: tuple[bytes, bytes, list[int]]) -> None:
        self.windows.load(state[0])
        self.seen.load(state[1])
        self.late = list(state[2])


def batch(shape: Hopping | Session, items: Sequence[Item]) -> dict[int, tuple[int, ...]]:
    """All windows of all items at once, in the plainest words."""
    content: dict[int, list[int]] = {}
    if isinstance(shape, Hopping):
        for item in items:
            for start in range(item.ts // shape.hop_ms * shape.hop_ms, item.ts - shape.size_ms, -shape.hop_ms):
                content.setdefault(start, []).append(item.id)
    else:
        start = last = -(1 << 40)
        for item in sorted(items, key=lambda item: item.ts):
            if item.ts - last >= shape.gap_ms:
                start = item.ts
            last = item.ts
            content.setdefault(start, []).append(item.id)
    return {start: tuple(sorted(ids)) for start, ids in content.items()}


def expected_late(records: Sequence[Sequence[Item]], bound: int, allowed: int) -> list[int]:
    """The definition of late, by itself: older than the newest event so far by more than bound and allowance."""
    newest, late, seen = -(1 << 40), [], set()
    for record in records:
        for item in record:
            if item.id not in seen:
                seen.add(item.id)
                if item.ts < newest - bound - allowed:
                    late.append(item.id)
                newest = max(newest, item.ts)
    return late


def run(
    job: Job, records: Sequence[Sequence[Item]], crashes: Sequence[tuple[int, int]], rng: random.Random
) -> tuple[Job, list[Fired[tuple[int, ...]]]]:
    """Feed all records; at each crash ``(at, back)`` fall back to the state of ``back`` records ago and replay, with timers
    that tick at other moments than the first time. What was told before a crash stays told."""
    told: list[Fired[tuple[int, ...]]] = []
    states = [job.dump()]
    pending = sorted(crashes)
    revision = 0
    while revision < len(records):
        told += job.feed(records[revision], revision)
        if rng.random() < 0.2:
            told += job.windows.tick(revision + rng.randrange(40))
        revision += 1
        del states[revision:]
        states.append(job.dump())
        if pending and pending[0][0] <= revision:
            _, back = pending.pop(0)
            revision = max(0, revision - back)
            job = Job(job.windows.shape, job.windows.bound_ms, job.windows.allowed_ms)
            job.load(states[revision])
    told += job.windows.tick(1 << 50)
    return job, told


def newest(told: Sequence[Fired[tuple[int, ...]]]) -> dict[int, tuple[int, ...]]:
    """The newest revision of each window; checks on the way that no revision has two contents."""
    contents: dict[tuple[int, int], tuple[int, tuple[int, ...] | None]] = {}
    for fired in told:
        content = fired.end, fired.result
        assert contents.setdefault((fired.start, fired.revision), content) == content, f"two contents: {fired}"
    best: dict[int, tuple[int, tuple[int, ...] | None]] = {}
    for (start, revision), (_, result) in contents.items():
        if start not in best or best[start][0] < revision:
            best[start] = revision, result
    return {start: result for start, (_, result) in best.items() if result is not None}


@st.composite
def histories(draw: st.DrawFn, jitter: int) -> tuple[list[list[Item]], list[tuple[int, int]], int]:
    """Records of items out of order by up to ``jitter``, some sent again; crashes; a seed for the timers."""
    steps = draw(st.lists(st.tuples(st.sampled_from([0, 1, 3, 9, 14, 40]), st.integers(0, jitter)), min_size=1, max_size=60))
    items, ts = [], 1000
    for index, (step, delay) in enumerate(steps):
        ts += step
        items.append((ts + delay, Item(index, ts)))
    for index in draw(st.lists(st.integers(0, len(items) - 1), max_size=8)):
        arrival, item = items[index]
        items.append((arrival + draw(st.integers(0, 50)), item))
    order = [item for _, item in sorted(items, key=lambda pair: (pair[0], pair[1].id))]
    sizes = draw(st.lists(st.integers(1, 5), min_size=len(order), max_size=len(order)))
    records: list[list[Item]] = []
    while order:
        records.append([order.pop(0) for _ in range(min(sizes[len(records)], len(order)))])
    crashes = draw(st.lists(st.tuples(st.integers(1, len(records)), st.integers(0, 6)), max_size=4))
    return records, crashes, draw(st.integers(0, 1 << 30))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@given(data=st.data())
@settings(max_examples=80)
def test_disorder_within_the_bound_gives_the_batch(shape: Hopping | Session, data: st.DataObject) -> None:
    records, crashes, seed = data.draw(histories(BOUND + ALLOWED))
    job, told = run(Job(shape), records, crashes, random.Random(seed))
    unique = {item.id: item for record in records for item in record}
    assert newest(told) == batch(shape, list(unique.values()))
    assert job.late == []
    assert job.windows.late("room") == 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@given(data=st.data())
@settings(max_examples=80)
def test_late_values_are_counted_exactly_and_the_rest_gives_the_batch(shape: Hopping | Session, data: st.DataObject) -> None:
    records, crashes, seed = data.draw(histories(150))
    job, told = run(Job(shape, 5, 10), records, crashes, random.Random(seed))
    late = expected_late(records, 5, 10)
    unique = {item.id: item for record in records for item in record if item.id not in late}
    assert newest(told) == batch(shape, list(unique.values()))
    assert job.late == late
    assert job.windows.late("room") == len(late)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_memory_is_bounded(shape: Hopping | Session) -> None:
    windows: Windows[Bag, int, tuple[int, ...]] = Windows(shape, Collect(), Bag, bound_ms=BOUND, allowed_ms=ALLOWED)
    sizes = []
    for revision in range(3000):
        windows.add("room", 1_000_000 + 15 * revision, 1, revision, revision)
        windows.advance("room", revision)
        sizes.append(len(windows.dump()))
    assert max(sizes[100:]) <= 2 * max(sizes[:100])


def one(shape: Hopping | Session, **more: int) -> Windows[Bag, int, tuple[int, ...]]:
    return Windows(shape, Collect(), Bag, **{"bound_ms": 0, **more})


def test_a_window_is_told_when_its_end_is_at_the_watermark_and_again_when_corrected() -> None:
    windows = one(tumbling(10), allowed_ms=10)
    assert windows.add("a", 5, 1, 0, 0)
    assert windows.advance("a", 0) == []
    windows.add("a", 10, 2, 1, 0)
    assert windows.advance("a", 1) == [Fired("a", 0, 10, 0, (1,), True)]
    assert windows.advance("a", 2) == []
    assert windows.add("a", 0, 3, 3, 0)
    assert windows.advance("a", 3) == [Fired("a", 0, 10, 3, (1, 3), False)]
    assert not windows.add("a", -1, 4, 4, 0)
    assert windows.late("a") == 1
    assert windows.watermark("a") == 10


def test_keys_have_clocks_of_their_own() -> None:
    windows = one(tumbling(10))
    windows.add("new", 10_000, 1, 0, 0)
    windows.advance("new", 0)
    assert windows.add("old", 5, 2, 1, 0)
    assert windows.advance("old", 1) == []
    assert windows.watermark("old") == 5
    assert windows.watermark("unknown") is None


def test_a_silent_key_is_moved_on_by_a_tick_and_drops_nothing_by_it() -> None:
    windows = one(tumbling(10), idle_ms=100, allowed_ms=5)
    windows.add("a", 5, 1, 0, 1000)
    windows.advance("a", 0)
    assert windows.tick(1099) == []
    assert windows.tick(1100) == [Fired("a", 0, 10, 0, (1,), True)]
    assert windows.tick(999_999) == []
    assert windows.add("a", 0, 2, 1, 1_000_000)  # no later than allowed by the data, whatever the clock says
    assert windows.advance("a", 1) == [Fired("a", 0, 10, 1, (1, 2), False)]


def test_a_long_silent_key_is_told_to_the_end_and_forgotten() -> None:
    windows = one(tumbling(10), bound_ms=1000, forget_ms=60_000)
    windows.add("a", 5, 1, 0, 0)
    windows.advance("a", 0)
    assert windows.tick(60_000) == [Fired("a", 0, 10, 0, (1,), True)]
    assert len(windows) == 0


def test_sessions_that_merge_withdraw_the_absorbed_one() -> None:
    windows = one(Session(10), allowed_ms=50)
    for revision, ts in enumerate([0, 15, 40]):
        windows.add("a", ts, ts, revision, 0)
    told = windows.advance("a", 2)
    assert [(f.start, f.end, f.result) for f in told] == [(0, 10, (0,)), (15, 25, (15,))]
    windows.add("a", 8, 8, 3, 0)
    assert windows.advance("a", 3) == [Fired("a", 15, 25, 3, None, False), Fired("a", 0, 25, 3, (0, 8, 15), False)]


def test_a_session_that_only_a_lost_life_has_told_is_withdrawn_too() -> None:
    windows = one(Session(10), allowed_ms=50, idle_ms=100)
    windows.add("a", 15, 15, 0, 0)
    windows.advance("a", 0)
    checkpoint = windows.dump()
    assert windows.tick(1_000) == [Fired("a", 15, 25, 0, (15,), True)]  # told, and then the process dies
    again = one(Session(10), allowed_ms=50, idle_ms=100)
    again.load(checkpoint)
    again.add("a", 8, 8, 1, 0)
    assert Fired("a", 15, 25, 1, None, False) in again.advance("a", 1)


def test_adding_to_a_revision_that_was_told_is_an_error() -> None:
    windows = one(tumbling(10))
    windows.add("a", 5, 1, 7, 0)
    windows.advance("a", 7)
    with pytest.raises(ValueError, match="revision 7 of 'a' was told already"):
        windows.add("a", 6, 1, 7, 0)


def test_senseless_shapes_and_foreign_states_are_refused() -> None:
    for senseless in (
        lambda: Hopping(10, 20),
        lambda: Hopping(10, 0),
        lambda: Session(0),
        lambda: one(tumbling(1), bound_ms=-1),
    ):
        with pytest.raises(ValueError, match=r"needs|never negative"):
            senseless()
    with pytest.raises(FatalError, match="'dedupe'"):
        one(tumbling(10)).load(Deduplicator().dump())
