"""Signals and peaks."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks, peak_prominences

from analytics.signals import KEPT_S, Signal, Track, prominence
from analytics.state import Floats


@given(st.lists(st.integers(0, 40), min_size=5, max_size=120, unique=False), st.integers(3, 40))
def test_prominence_is_scipys(heights: list[int], reach: int) -> None:
    values = np.array(heights, dtype=float)
    track = Track(0, Floats(heights))
    peaks, _ = find_peaks(values)
    expected = peak_prominences(values, peaks, wlen=2 * reach + 1)[0]
    assert [prominence(track.at, int(peak), reach) for peak in peaks] == list(expected)


def test_what_is_unknown_is_no_peak() -> None:
    track = Track(100, Floats([1.0, 3.0, 1.0]))
    assert prominence(track.at, 50, 10) == 0
    assert prominence(track.at, 101, 10) == 2


def test_a_track_keeps_its_newest_values_in_place() -> None:
    track = Track(1_000)
    for value in range(2_000):
        track.append(float(value))
    assert track.next == 3_000
    assert track.at(2_999) == 1_999
    assert track.at(2_800) == 1_800
    assert track.at(1_000) is None
    assert len(track.values) <= KEPT_S


def test_a_steady_count_is_near_zero_and_a_jump_stands_out() -> None:
    rng = random.Random(1)
    signal = Signal(5, 180, Track(0))
    for _ in range(400):
        signal.push(sum(rng.random() < 0.2 for _ in range(50)))
    quiet = [signal.at(second) for second in range(200, 390)]
    assert all(value is not None and abs(value) < 5 for value in quiet)
    for _ in range(10):
        signal.push(40)
    loud = signal.at(405)
    assert loud is not None
    assert loud > 8


def test_a_storm_does_not_become_the_normal() -> None:
    signal = Signal(5, 180, Track(0))
    for count in [5] * 300 + [200] * 20:
        signal.push(count)
    assert signal.level == pytest.approx(2 * (5 + 3 / 8) ** 0.5, rel=0.3)


def test_a_signal_belongs_to_the_middle_of_its_seconds() -> None:
    signal = Signal(5, 180, Track(0))
    for second in range(200):
        signal.push(100 if second == 150 else 4)
    known = {second: signal.at(second) or 0.0 for second in range(100, 190)}
    assert max(known, key=lambda second: known[second]) in range(148, 153)
    assert known[148] == pytest.approx(max(known.values()))
