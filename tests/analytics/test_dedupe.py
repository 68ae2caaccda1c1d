"""The de-duplicator against a plain model of its promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.dedupe import Deduplicator
from analytics.state import dump_state
from streams.records import FatalError

HORIZON = 100
STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(-20, 40)), max_size=200)


class Model:
    """The promise in the plainest words: a list of (key, time), searched from the front."""

    def __init__(self, horizon: int, limit: int) -> None:
        self.horizon, self.limit = horizon, limit
        self.held: list[tuple[str, int]] = []
        self.now = 0

    def first(self, key: str, ts: int) -> bool:
        self.now = max(self.now, ts)
        self.held = [(k, t) for k, t in self.held if t >= self.now - self.horizon]
        if any(k == key for k, _ in self.held):
            return False
        self.held = [*self.held, (key, self.now)][-self.limit :]
        return True


@given(STEPS, st.integers(1, 40), st.sets(st.integers(0, 200), max_size=4))
def test_agrees_with_the_model_across_dumps(steps: list[tuple[int, int]], limit: int, crashes: set[int]) -> None:
    subject, model, ts = Deduplicator(HORIZON, limit), Model(HORIZON, limit), 1000
    for index, (key, step) in enumerate(steps):
        if index in crashes:
            again = Deduplicator(HORIZON, limit)
            again.load(subject.dump())
            assert again.dump() == subject.dump()
            subject = again
        ts += step
        assert subject.first(f"room/{key}", ts) == model.first(f"room/{key}", ts)
        assert len(subject) == len(model.held)


def test_a_repeat_within_the_horizon_is_known_and_after_it_is_new() -> None:
    subject = Deduplicator(HORIZON, 10)
    assert subject.first("a", 1000)
    assert not subject.first("a", 1000 + HORIZON)
    assert subject.first("a", 1001 + HORIZON)


def test_the_limit_shortens_the_horizon_and_says_so() -> None:
    subject = Deduplicator(HORIZON, 3)
    assert [subject.first(key, 1000) for key in "abcd"] == [True] * 4
    assert subject.shortened == 1
    assert not subject.first("b", 1000)
    assert subject.first("a", 1000)


def test_memory_stays_bounded_and_a_dump_costs_eight_bytes_a_key() -> None:
    subject = Deduplicator(10_000, 5_000)
    for index in range(60_000):
        assert subject.first(f"taobao/room/{index}", 1_700_000_000_000 + index)
    assert len(subject) == 5_000
    times = 5_000 * 11  # one run of (time, count) a millisecond is the worst case
    assert len(subject.dump()) < 5_000 * 8 + times + 64
    assert len(subject._order) < 3 * 5_000


def test_a_key_with_lone_surrogates_is_a_key() -> None:
    assert Deduplicator().first("\ud800", 1)


def test_a_state_of_another_version_stops_the_operator() -> None:
    subject = Deduplicator()
    with pytest.raises(FatalError, match="'dedupe' version 9 where 'dedupe' version 1 belongs"):
        subject.load(dump_state("dedupe", 9, (0, 0, b"", [])))
    with pytest.raises(FatalError, match="damaged"):
        subject.load(dump_state("dedupe", 1, "nothing of the kind"))
    with pytest.raises(FatalError, match="damaged"):
        subject.load(b"\xc1")


@pytest.mark.parametrize(("horizon", "limit"), [(0, 1), (1, 0)])
def test_a_senseless_horizon_or_limit_is_refused(horizon: int, limit: int) -> None:
    with pytest.raises(ValueError, match="positive horizon and limit"):
        Deduplicator(horizon, limit)
