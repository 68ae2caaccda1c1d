"""The figures against scikit-learn, against cases worked out by hand, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, adjusted_rand_score, confusion_matrix, f1_score, pair_confusion_matrix

from analytics.evaluation import metrics, partitions
from analytics.evaluation.metrics import RANK_FIGURES, bootstrap, confusion, rank_counts

LABELS = st.integers(1, 6).flatmap(
    lambda classes: st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60)
)
GROUPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], ...]:
    return tuple(np.array(column, np.intp) for column in zip(*rows, strict=True))


@given(LABELS)
def test_labels_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    gold, given_ = columns(rows)
    table = confusion(gold, given_, 6)
    assert (table == confusion_matrix(gold, given_, labels=range(6))).all()
    assert metrics.accuracy(table[None])[0] == pytest.approx(accuracy_score(gold, given_))
    wanted = f1_score(gold, given_, labels=sorted(set(gold.tolist())), average="macro", zero_division=0)
    assert metrics.macro_f1(table[None])[0] == pytest.approx(wanted)
    each = f1_score(gold, given_, labels=range(6), average=None, zero_division=0)
    for one in metrics.by_class(table, [str(n) for n in range(6)]):
        assert one.f1 == pytest.approx(each[int(one.label)])
        assert one.n == int((gold == int(one.label)).sum())


@given(GROUPS)
def test_groups_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    gold, given_ = columns(rows)
    assert partitions.adjusted_rand(gold, given_) == pytest.approx(adjusted_rand_score(gold, given_))
    _, (wrong, both) = pair_confusion_matrix(gold, given_)  # rows: together on the gold side or not
    missed = pair_confusion_matrix(gold, given_)[0, 1]
    pairs = 2 * both + wrong + missed
    assert partitions.pairwise_f1(gold, given_) == pytest.approx(2 * both / pairs if pairs else 1.0)


def test_figures_worked_out_by_hand() -> None:
    table = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 3, 3]), 4)
    assert metrics.accuracy(table[None])[0] == 3 / 6
    assert metrics.macro_f1(table[None])[0] == pytest.approx((4 / 5 + 2 / 4 + 0) / 3), "of the classes with gold lines"
    counts = rank_counts(np.array([1, 1, 2, 5, 10, 11, 500]))
    assert counts.tolist() == [2, 1, 0, 0, 1, 0, 0, 0, 0, 1, 2]
    found = {name: float(figure(counts[None])[0]) for name, figure in RANK_FIGURES.items()}
    assert found["r_at_1"] == pytest.approx(2 / 7)
    assert found["r_at_5"] == pytest.approx(4 / 7)
    assert found["mrr_at_10"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 5 + 1 / 10) / 7)


def test_chatter_and_what_was_left_alone() -> None:
    names = ["price", "price", "ship", "-", "-"]
    gold = partitions.gold_groups(names)
    assert len(set(gold.tolist())) == 4
    perfect = partitions.numbered(["a", "a", "b", None, None])
    assert partitions.pairwise_f1(gold, perfect) == partitions.adjusted_rand(gold, perfect) == 1.0
    chatty = partitions.numbered(["a", "a", "b", "c", "c"])
    assert partitions.pairwise_f1(gold, chatty) == pytest.approx(2 * 1 / (1 + 2)), "two lines of chatter together are wrong"
    nothing = partitions.numbered([None] * 5)
    assert partitions.pairwise_f1(gold, nothing) == 0.0
    assert partitions.numbered(["x", "y", "x"]).tolist() == [0, 1, 0]


@given(GROUPS)
def test_the_order_of_lines_and_the_names_of_groups_change_nothing(rows: list[tuple[int, int]]) -> None:
    gold, given_ = columns(rows)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    renamed = (given_ * 7 + 3)[order]
    assert partitions.pairwise_f1(gold[order], renamed) == pytest.approx(partitions.pairwise_f1(gold, given_))
    assert partitions.adjusted_rand(gold[order], renamed) == pytest.approx(partitions.adjusted_rand(gold, given_))
    assert partitions.pairwise_f1(gold, given_) == pytest.approx(partitions.pairwise_f1(given_, gold))


# ── Intervals ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    counts = np.array([[900, 100], [0, 0]])
    table = np.zeros((2, 2), np.int64)
    table[0] = counts[0]
    found = bootstrap(table, {"accuracy": metrics.accuracy}, np.random.default_rng(1))["accuracy"]
    assert found.value == 0.9
    spread = 1.96 * (0.9 * 0.1 / 1000) ** 0.5
    assert found.low == pytest.approx(0.9 - spread, abs=0.003)
    assert found.high == pytest.approx(0.9 + spread, abs=0.003)


def test_the_counts_are_drawn_as_lines_would_be() -> None:
    """The bootstrap of counts against one that really draws lines."""
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 4, 300)
    given_ = np.where(rng.random(300) < 0.7, gold, rng.integers(0, 4, 300))
    found = bootstrap(confusion(gold, given_, 4), {"f1": metrics.macro_f1}, rng)["f1"]
    drawn = []
    for _ in range(1_000):
        at = rng.integers(0, 300, 300)
        drawn.append(f1_score(gold[at], given_[at], average="macro"))
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.012)


def test_intervals_are_the_same_for_the_same_seed_and_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    table = confusion(np.arange(90) % 3, (np.arange(90) // 2) % 3, 3)
    figures = {"a": metrics.accuracy, "f": metrics.macro_f1}
    once = bootstrap(table, figures, np.random.default_rng(3))
    assert once == bootstrap(table, figures, np.random.default_rng(3))
    assert once != bootstrap(table, figures, np.random.default_rng(4))
    monkeypatch.setattr(metrics, "_CELLS_AT_ONCE", 50)
    assert once == bootstrap(table, figures, np.random.default_rng(3))


def test_a_pair_of_one_line_with_itself_does_not_count() -> None:
    """Drawing with replacement makes copies, which stand together by nature: the interval must lie around the figure."""
    rng = np.random.default_rng(5)
    gold = rng.integers(0, 60, 240).astype(np.intp)
    given_ = np.where(rng.random(240) < 0.6, gold, rng.integers(0, 60, 240)).astype(np.intp)
    found = partitions.partition_figures(gold, given_, rng, 400)
    for figure in found.values():
        assert figure.low < figure.value < figure.high
        assert abs((figure.low + figure.high) / 2 - figure.value) < 0.25 * (figure.high - figure.low)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    rng = np.random.default_rng(6)
    theirs = (rng.random(500) < 0.7).astype(float)
    ours = np.maximum(theirs, rng.random(500) < 0.1)
    found = metrics.difference(ours, theirs, rng)
    assert found.value == pytest.approx(ours.mean() - theirs.mean())
    assert found.low > 0
    assert metrics.difference(theirs, theirs, rng) == (0.0, 0.0, 0.0)


# ── Calibration ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_honest_probabilities_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(7)
    p = rng.uniform(0.3, 1.0, 20_000)
    right = rng.random(20_000) < p
    curve = metrics.reliability(p, right)
    assert len(curve) == metrics.BINS
    assert all(abs(one.n - 20_000 / metrics.BINS) <= 1 for one in curve)
    assert metrics.expected_calibration_error(curve) < 0.02
    assert metrics.expected_calibration_error(metrics.reliability(np.full(20_000, 0.99), right)) == pytest.approx(
        0.99 - right.mean()
    )


def test_two_bins_by_hand() -> None:
    curve = metrics.reliability(np.array([0.6, 0.6, 0.9, 0.9]), np.array([True, False, True, True]), bins=2)
    assert curve == [(0.6, 0.5, 2), (0.9, 1.0, 2)]
    assert metrics.expected_calibration_error(curve) == pytest.approx((0.1 + 0.1) / 2)


@given(st.lists(st.tuples(st.sampled_from([0.4, 0.5, 0.8, 1.0]), st.booleans()), min_size=1, max_size=80))
def test_bins_hold_every_line_once_and_no_order_matters(rows: list[tuple[float, bool]]) -> None:
    p, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    curve = metrics.reliability(p, right)
    assert sum(one.n for one in curve) == len(rows)
    assert [one.p for one in curve] == sorted(one.p for one in curve)
    backwards = metrics.reliability(p[::-1], right[::-1])
    assert metrics.expected_calibration_error(backwards) == pytest.approx(metrics.expected_calibration_error(curve))
    assert 0 <= metrics.expected_calibration_error(curve) <= 1
