from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.recent import Hashes, Recent

NOW = 1_700_000_000_000


def test_the_newest_are_known_and_the_oldest_forgotten() -> None:
    recent = Recent(size=10)
    for n in range(100):
        assert not recent.repeated(f"k{n}", NOW)
    assert all(recent.repeated(f"k{n}", NOW) for n in range(90, 100))
    assert not recent.repeated("k0", NOW)


def test_what_was_stored_is_known() -> None:
    recent = Recent(["a", "b"])
    assert recent.repeated("a", NOW)
    assert not recent.repeated("c", NOW)


def test_time_forgets() -> None:
    recent = Recent(span_ms=1000)
    recent.repeated("old", NOW)
    for later in (1000, 2000):
        recent.repeated(f"at {later}", NOW + later)
    assert not recent.repeated("old", NOW + 2000)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400) | st.integers(1, 2**64 - 1), max_size=300))
def test_hashes_are_a_set(numbers: list[int]) -> None:
    hashes = Hashes()
    for number in numbers:
        hashes.add(number)
    assert len(hashes) == len(set(numbers))
    assert all(number in hashes for number in numbers)
    assert all((number in hashes) == (number in set(numbers)) for number in range(1, 401))


def test_a_full_partition_takes_no_more_than_its_share_of_memory() -> None:
    """Strings of this size would take 15 MB."""
    tracemalloc.start()
    recent = Recent()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(100_000):
        recent.repeated(f"room-with-a-name\0shop:{n:032d}", NOW)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 3_000_000
    assert recent.repeated(f"room-with-a-name\0shop:{99_999:032d}", NOW)
