from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.skew import Skews

NOW = 1_795_550_000_000
MINUTE = 60_000


def play(skews: Skews, stamps: list[int], step_ms: int = 1000) -> list[int]:
    """One event a second; the offset of each corrected stamp from our clock."""
    placed = []
    for number, off in enumerate(stamps):
        now = NOW + number * step_ms
        shift = skews.shift("r", "s", now + off, now)
        placed.append(skews.place(now + off, shift, now) - now)
    return placed


def test_a_clock_that_is_right_is_left_alone() -> None:
    assert play(Skews(), [-300, 0, -2000, 4000, -90_000]) == [-300, 0, -2000, 4000, -90_000]


def test_a_clock_that_is_minutes_ahead_or_behind_is_corrected_from_the_first_event() -> None:
    for wrong in (5 * MINUTE, -5 * MINUTE, 6000, -121_000):
        assert play(Skews(), [wrong] * 20) == [0] * 20


def test_order_within_a_wrong_source_is_kept() -> None:
    jitter = [0, -400, -100, -900, 0, -2500, -30, -700] * 5
    skews, shifts = Skews(), set()
    for number, delay in enumerate(jitter):
        now = NOW + number * 1000
        shifts.add(skews.shift("r", "s", now + 5 * MINUTE + delay, now))
    assert shifts == {-5 * MINUTE}


def test_late_events_of_a_right_source_are_late_and_not_moved() -> None:
    placed = play(Skews(), [0] * 10 + [-10 * MINUTE] * 5 + [0] * 10)
    assert placed == [0] * 10 + [-10 * MINUTE] * 5 + [0] * 10


def test_one_stamp_out_of_the_future_is_brought_to_now_alone() -> None:
    assert play(Skews(), [0, 0, 0, 60 * MINUTE, 0, 0]) == [0] * 6


def test_a_clock_that_is_set_right_is_trusted_again() -> None:
    for wrong in (5 * MINUTE, -5 * MINUTE):
        assert play(Skews(), [wrong] * 20 + [0] * 30 + [wrong] * 5) == [0] * 50 + ([0] * 5 if wrong > 0 else [wrong] * 5)


def test_a_delayed_event_of_a_wrong_source_disturbs_nobody_else() -> None:
    assert play(Skews(), [5 * MINUTE] * 8 + [0] + [5 * MINUTE] * 8) == [0] * 17


def test_a_first_late_batch_does_not_stick() -> None:
    placed = play(Skews(), [-10 * MINUTE] + [0] * 10)
    assert placed[0] == 0
    assert placed[1:] == [0] * 10


def test_a_delay_about_the_limit_does_not_flap() -> None:
    skews, shifts = Skews(), []
    for number in range(40):
        now = NOW + number * 1000
        shifts.append(skews.shift("r", "s", now - 120_000 + (1000 if number % 2 else -1000), now))
    assert len(set(shifts[2:])) == 1


def test_sources_and_rooms_are_apart() -> None:
    skews = Skews()
    assert skews.shift("r", "wrong", NOW + 5 * MINUTE, NOW) == -5 * MINUTE
    assert skews.shift("r", "right", NOW, NOW) == 0
    assert skews.shift("r2", "wrong", NOW, NOW) == 0


def test_memory_is_bounded_and_the_sources_heard_last_are_kept() -> None:
    skews = Skews(sources=2)
    for source, off in (("a", 5 * MINUTE), ("b", 0), ("a", 5 * MINUTE), ("c", 0)):
        for _ in range(3):
            skews.shift("r", source, NOW + off, NOW)
    # whoever is remembered goes on with what was known of it, whoever is not starts with this sample
    assert skews.shift("r", "a", NOW + 7 * MINUTE, NOW) == -5 * MINUTE
    assert skews.shift("r", "b", NOW + 7 * MINUTE, NOW) == -7 * MINUTE


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60))
def test_nothing_leaves_with_a_stamp_in_the_future(stamps: list[int]) -> None:
    assert all(off <= 5000 for off in play(Skews(), stamps))


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60), st.lists(st.integers(0, 3600_000), min_size=2, max_size=9)
)
def test_one_request_keeps_its_order(before: list[int], gaps: list[int]) -> None:
    skews = Skews()
    play(skews, before)
    now = NOW + 10**6
    stamps = [now - sum(gaps[:i]) for i in range(len(gaps))]
    shift = skews.shift("r", "s", max(stamps), now)
    placed = [skews.place(ts, shift, now) for ts in stamps]
    if max(stamps) + shift <= now + skews.ahead_ms:
        assert [a - b for a, b in zip(placed, stamps, strict=True)] == [shift] * len(stamps)
