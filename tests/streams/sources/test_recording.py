"""Order, ids and numbers that every file dialect shares."""

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.base import Tally
from streams.sources.recording import Draft, Recording, chat, epoch_ms, identified, in_order, whole

T = 1_764_000_000_000
ROWS = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab"), st.sampled_from(["", "x", "好"])), max_size=60)


def drafts(rows: list[tuple[int, str, str]]) -> list[Draft]:
    return [chat(T + at, row, user, text) for row, (at, user, text) in enumerate(rows, start=1)]


def ids(rows: list[tuple[int, str, str]], ahead: int = 1000) -> list[str]:
    tally = Tally()
    return [draft.fields["id"] for draft in identified(in_order(iter(drafts(rows)), ahead, tally), tally)]


@given(ROWS)
def test_one_event_a_row_with_an_id_of_its_own(rows: list[tuple[int, str, str]]) -> None:
    found = ids(rows)
    assert len(found) == len(rows) == len(set(found))


@given(ROWS, st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_order_of_the_file(rows: list[tuple[int, str, str]], random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert sorted(ids(rows)) == sorted(ids(mixed))


@given(ROWS, ROWS)
def test_overlapping_recordings_agree_on_what_they_share(
    one: list[tuple[int, str, str]], other: list[tuple[int, str, str]]
) -> None:
    """A recorder that starts a new file repeats the last messages: they must be the same messages."""
    later = [(at + 21, user, text) for at, user, text in other]
    assert set(ids(one)) < set(ids(one + later)) or not later


@given(ROWS, st.integers(1, 10))
def test_looking_ahead_too_little_loses_nothing(rows: list[tuple[int, str, str]], ahead: int) -> None:
    tally = Tally()
    found = list(identified(in_order(iter(drafts(rows)), ahead, tally), tally))
    ats = [draft.at for draft in found]
    assert ats == sorted(ats)
    assert len({draft.fields["id"] for draft in found}) == len(rows)
    assert sorted(draft.fields["ts"] for draft in found) == sorted(T + at for at, _, _ in rows)
    late = sum(draft.fields["ts"] < draft.at for draft in found)
    assert tally.late == late


def test_rows_of_one_time_keep_the_order_of_the_file() -> None:
    rows = [(5, "a", str(n)) for n in range(50)]
    assert [draft.fields["text"] for draft in in_order(iter(drafts(rows)), 10, Tally())] == [str(n) for n in range(50)]


def test_a_platform_id_again_is_dropped_only_with_the_same_content() -> None:
    tally = Tally()
    rows = [
        chat(T, 1, "a", "x", "id1"),
        chat(T, 2, "a", "x", "id1"),
        chat(T, 3, "a", "y", "id1"),
        chat(T, 4, "a", "z", "n" * 129),
    ]
    found = [draft.fields["id"] for draft in identified(iter(rows), tally)]
    assert found[0] == "id1"
    assert len(set(found)) == len(found) == 3
    assert all(len(id) <= 128 for id in found)
    assert tally.ignored.total() == 1


def test_a_tally_is_bounded() -> None:
    tally = Tally()
    for number in range(1000):
        tally.damage(f"reason {number}", f"line {number}")
    assert tally.damaged.total() == 1000
    assert len(tally.damaged) <= Tally.REASONS + 1
    assert len(tally.examples) == Tally.EXAMPLES


def test_each_pass_counts_for_itself(tmp_path: Path) -> None:
    def rows(tally: Tally) -> Any:
        tally.ignore("a gift")
        return iter([chat(T, 1, "a", "x")])

    source = Recording("test", tmp_path, rows)
    for _ in range(2):
        assert len(list(source.events())) == 1
        assert source.tally.ignored == {"a gift": 1}


@pytest.mark.parametrize(
    ("number", "ms"),
    [
        (1_764_000_000, 1_764_000_000_000),
        (1_764_000_000.5, 1_764_000_000_500),
        (1_764_000_000_123, 1_764_000_000_123),
        (1_764_000_000_123_456, 1_764_000_000_123),
        (1_764_000_000_123_456_789, 1_764_000_000_123),
    ],
)
def test_magnitude_tells_the_unit(number: float, ms: int) -> None:
    assert epoch_ms(number) == ms


@given(st.text(st.characters(), max_size=8), st.sampled_from(["\ud83d", "\ude02", "\ud83d\ude02", ""]))
def test_whole_text_can_be_written(text: str, halves: str) -> None:
    mended = whole(text + halves)
    msgspec.json.encode(mended)
    assert ("😂" in mended) or halves != "\ud83d\ude02"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        def drafts(tally: Tally) -> Any:
            return (chat(T + n * 7, n, f"u{n % 100}", f"text {n}") for n in range(rows))

        source = Recording("test", tmp_path, drafts, ahead=2000)
        tracemalloc.start()
        assert sum(1 for _ in source.events()) == rows
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(40_000) < 1.2 * peak(10_000)
