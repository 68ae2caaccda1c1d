"""Thresholds from judged answers: the bound is Clopper and Pearson's, and what stands keeps its word."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from analytics.calibration import LEAST, MOST, Calibrator, lower_bound


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_clopper_and_pearsons(counts: tuple[int, int], confidence: float) -> None:
    right, count = counts
    expected = beta.ppf(1 - confidence, right, count - right + 1) if right else 0.0
    assert lower_bound(right, count, confidence) == pytest.approx(expected, abs=1e-9)


def test_counts_that_are_none_bound_nothing() -> None:
    assert lower_bound(0, 0) == lower_bound(3, 2) == lower_bound(-1, 5) == 0.0


def judged(pairs: list[tuple[float, bool]]) -> Calibrator:
    calibrator = Calibrator()
    for score, right in pairs:
        calibrator.add(score, right=right)
    return calibrator


def test_with_too_few_answers_the_shops_threshold_holds() -> None:
    assert Calibrator().threshold(0.95, 0.9) == 0.9
    assert judged([(0.99, True)] * (LEAST - 1)).threshold(0.95, 0.9) == 0.9
    assert judged([(0.99, False)] * 10).threshold(0.95, 0.9) == 0.9
    assert judged([(0.99, True)] * 60).threshold(0.95, 0.9) == 0.9, "60 of 60 do not prove 95 % among several thresholds"


def test_a_room_that_is_right_lower_down_gets_a_lower_threshold() -> None:
    found = judged([(0.5 + n / 600, True) for n in range(250)] + [(0.4, False)] * 40).threshold(0.95, 0.9)
    assert 0.4 < found < 0.55


def test_a_room_that_is_wrong_at_the_shops_threshold_gets_a_higher_one() -> None:
    found = judged([(0.99, True)] * 150 + [(0.92, n % 2 == 0) for n in range(60)]).threshold(0.95, 0.9)
    assert 0.92 < found <= 0.99


def test_a_room_whose_answers_are_mostly_wrong_gives_none() -> None:
    assert judged([(0.99, n % 3 > 0) for n in range(200)]).threshold(0.95, 0.9) > 1.0


def test_a_room_that_does_not_contradict_the_shop_keeps_its_threshold() -> None:
    pairs = [(0.95, True)] * 50 + [(0.3, False)] * 100
    assert judged(pairs).threshold(0.95, 0.9) == 0.9, "what is given was right so far, and 50 do not prove more"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_equals_stand_or_fall_together(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.choice((0.5, 0.7, 0.9)), rng.random() < 0.97) for _ in range(MOST)]
    found = judged(pairs).threshold(0.9, 0.8)
    if found <= 1.0 and found != 0.8:
        above = [right for score, right in pairs if score >= found]
        assert lower_bound(sum(above), len(above)) >= 0.9


def test_thresholds_that_stand_keep_their_word() -> None:
    """Rooms whose answers are right with a known chance at each score: what stands is under the wish in at most 5 of 100."""
    rng, broken = random.Random(5), 0
    for _ in range(200):
        scores = [rng.random() for _ in range(MOST)]
        found = judged([(score, rng.random() < min(0.99, 0.6 + 0.45 * score)) for score in scores]).threshold(0.9, 2.0)
        if found <= 1.0:
            true = [min(0.99, 0.6 + 0.45 * (found + (1 - found) * n / 1000)) for n in range(1000)]
            broken += sum(true) / 1000 < 0.9
    assert broken <= 10


def test_the_newest_are_kept_and_survive_their_bytes() -> None:
    calibrator = judged([(0.1, False)] * 5 + [(n / 1000, n % 2 == 0) for n in range(MOST)])
    assert len(calibrator) == MOST
    assert calibrator.judged[0].score < 0.001
    assert [one.right for one in calibrator.judged[:3]] == [True, False, True]
    again = Calibrator(calibrator.packed())
    assert again.packed() == calibrator.packed()
    assert len(again.packed()) == 2 * MOST
    assert Calibrator(b"\1").judged == []


def test_scores_out_of_bounds_are_bounded() -> None:
    assert [one.score for one in judged([(-3.0, True), (7.0, True)]).judged] == [0.0, 1.0]
