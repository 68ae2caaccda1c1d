"""The byte budget of a process: never more than its rate, and nobody small waits for somebody large."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.shell.budget import Budget


class Process:
    """Partitions that write whenever they may, asked every ten milliseconds."""

    def __init__(self, rate: float, sizes: dict[str, int]) -> None:
        self.at, self.sizes = 0.0, sizes
        self.budget = Budget(rate, lambda: self.at)
        self.times: dict[str, list[float]] = {who: [] for who in sizes}

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            for who, size in self.sizes.items():
                if self.budget.free(who):
                    self.budget.spent(who, size)
                    self.times[who].append(self.at)
            self.at += 0.01

    def written(self) -> int:
        return sum(self.sizes[who] * len(times) for who, times in self.times.items())

    def longest_wait(self, who: str) -> float:
        times = self.times[who]
        return max(later - earlier for earlier, later in pairwise(times))


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 50_000_000), min_size=1, max_size=20))
def test_all_together_never_write_more_than_the_rate_and_one_checkpoint_each(sizes: dict[str, int]) -> None:
    process = Process(8e6, sizes)
    process.run(5)
    assert process.written() <= 8e6 * 5 + sum(sizes.values()) * (1 + 1e-6)


def test_a_small_state_does_not_wait_for_large_ones() -> None:
    process = Process(8e6, {f"large-{n}": 40_000_000 for n in range(8)} | {"small": 20_000})
    process.run(100)
    assert process.longest_wait("small") <= 0.05
    assert all(len(process.times[f"large-{n}"]) >= 2 for n in range(8))


def test_one_alone_has_the_whole_rate() -> None:
    process = Process(8e6, {"only": 4_000_000})
    process.run(10)
    assert len(process.times["only"]) in (20, 21)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="allows nothing"):
        Budget(0, lambda: 0.0)
