"""Retrieval: the definition on cases worked out by hand, by brute force, without regard to order, and in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encoders import DIMENSIONS, Rows, load_encoder
from analytics.evaluation import retrieval
from analytics.evaluation.data import Labelled, Pairs, read_pairs
from analytics.evaluation.retrieval import evaluate_retrieval, find, task_of_groups, task_of_pairs
from streams.records import InvalidError


class Angles:
    """An encoder for hand-made cases: a text is an angle in degrees, up to a mark that only makes it another text."""

    name = "angles"

    def encode(self, texts: Sequence[str]) -> Rows:
        rows = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            angle = np.radians(float(text.partition("#")[0]))
            row[:2] = np.cos(angle), np.sin(angle)
        return rows


def pairs(*rows: tuple[str, str, bool]) -> Pairs:
    return Pairs("pairs.tsv", list(rows), "", 0, 0)


def groups(*rows: tuple[str, str]) -> Labelled:
    return Labelled("groups.tsv", list(rows), list(range(1, len(rows) + 1)), "", 0, 0)


def test_a_query_is_a_left_text_and_relevant_is_its_component() -> None:
    task = task_of_pairs(pairs(("0", "50", True), ("50", "20", True), ("10", "0", False), ("30", "30", True)))
    assert task.texts == ["0", "50", "20", "10", "30"]
    assert [task.texts[at] for at in task.queries] == ["0", "50"], "30 has no other wording, 20 and 10 are never left of a 1"
    found = find(task, Angles())
    # from 0: 10 (wrong), 20 (right by way of 50); from 50: 30 (wrong), 20
    assert found.ranks.tolist() == [2, 2]
    assert [task.texts[at] for at in found.right] == ["20", "20"]
    assert [task.texts[at] for at in found.wrong] == ["10", "30"]


def test_a_text_asks_once_however_often_it_stands_left() -> None:
    task = task_of_pairs(pairs(("0", "1", True), ("0", "2", True), ("0", "1", True)))
    assert len(task.queries) == 1


def test_chatter_stands_in_the_way_and_asks_nothing() -> None:
    task = task_of_groups(groups(("a", "0"), ("a", "20"), ("-", "5"), ("-", "6"), ("b", "90")))
    found = find(task, Angles())
    assert [task.texts[at] for at in task.queries] == ["0", "20"]
    assert found.ranks.tolist() == [3, 3]


def test_a_tie_counts_against() -> None:
    task = task_of_pairs(pairs(("0", "10#right", True), ("0", "10#wrong", False)))
    assert find(task, Angles()).ranks.tolist() == [2]

    class Blind(Angles):
        def encode(self, texts: Sequence[str]) -> Rows:
            return super().encode(["0"] * len(texts))

    many = [(f"{n}", f"{n}#", True) for n in range(20)]
    assert set(find(task_of_pairs(pairs(*many)), Blind()).ranks.tolist()) == {39}, "who says the same of all finds nothing"


TEXTS = [str(angle) for angle in range(0, 180, 9)]
PAIRS = st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.booleans()), min_size=2, max_size=25).filter(
    lambda rows: any(alike and a != b for a, b, alike in rows)
)


@given(PAIRS, st.integers(0, 99))
def test_figures_are_those_of_brute_force_in_any_order(rows: list[tuple[str, str, bool]], seed: int) -> None:
    task = task_of_pairs(pairs(*rows))
    found = find(task, Angles())
    for query, rank in zip(task.queries.tolist(), found.ranks.tolist(), strict=True):
        own = float(task.texts[query])
        near = {at: np.cos(np.radians(float(text) - own)) for at, text in enumerate(task.texts) if at != query}
        best = max(alike for at, alike in near.items() if task.groups[at] == task.groups[query])
        before = [at for at, alike in near.items() if task.groups[at] != task.groups[query] and alike >= best - 1e-6]
        assert rank == 1 + len(before)
    shuffled = Random(seed).sample(rows, len(rows))
    again = find(task_of_pairs(pairs(*shuffled)), Angles())
    assert sorted(again.ranks.tolist()) == sorted(found.ranks.tolist())


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(1)
    rows = [(str(rng.randrange(0, 1800) / 10), str(rng.randrange(0, 1800) / 10), rng.random() < 0.4) for _ in range(300)]
    task = task_of_pairs(pairs(*rows))
    whole = find(task, Angles())
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(retrieval, "_ENCODED_AT_ONCE", 7)
    monkeypatch.setattr(retrieval, "_ASKED_AT_ONCE", 3)
    small = find(task, Angles(), lambda done, of: told.append((done, of)))
    assert (small.ranks == whole.ranks).all()
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_the_outcome_names_figures_errors_and_what_was_looked_through() -> None:
    found = evaluate_retrieval(
        pairs(("0", "50", True), ("50", "20", True), ("10", "0", False)), Angles(), np.random.default_rng(0)
    )
    told = found.as_json()
    assert (told["n"], told["r_at_1"], told["r_at_5"], told["mrr_at_10"]) == (2, 0.5, 1.0, 0.75)
    assert told["r_at_1_interval"][0] <= 0.5 <= told["r_at_1_interval"][1]
    assert found.examples[0].rows == [("0", "0.98", "10", "0.94", "20", "2")]
    assert "2 queries among 4 distinct texts" in found.notes


def test_nothing_to_find_and_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidError, match=r"groups\.tsv: no text has another wording"):
        task_of_groups(groups(("a", "0"), ("a", "0"), ("b", "1")))
    monkeypatch.setattr(retrieval, "MOST_TEXTS", 2)
    with pytest.raises(InvalidError, match=r"pairs\.tsv has 3 distinct texts, and at most 2 are compared"):
        task_of_pairs(pairs(("0", "1", True), ("0", "2", True)))


def test_public_pairs_by_wording_alone() -> None:
    """LCQMC, where it is at hand: about what TF-IDF finds there."""
    path = Path(__file__).resolve().parents[4] / "shared/data/paraphrase/LCQMC/dev.txt"
    if not path.exists():
        pytest.skip("the public data are not here")
    read = read_pairs(path)
    few = read._replace(rows=read.rows[:1_500])
    found = evaluate_retrieval(few, load_encoder("lexical"), np.random.default_rng(0)).figures
    assert 0.75 < found["r_at_1"].value < found["mrr_at_10"].value < found["r_at_5"].value < 1


# the peak of this process alone: getrusage would count who started it as well
MEASURED = """
import re
from pathlib import Path
from random import Random
from analytics.encoders import load_encoder
from analytics.evaluation.data import Pairs
from analytics.evaluation.retrieval import find, task_of_pairs
rng = Random(1)
text = lambda: "".join(chr(0x4E00 + rng.randrange(3000)) for _ in range(8))
rows = [(text(), text(), n < 300) for n in range(50_000)]
task = task_of_pairs(Pairs("made", rows, "", 0, 0))
found = find(task, load_encoder("lexical"))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(len(task.texts), len(found.ranks), int(peak[1]) // 1024)
"""


@pytest.mark.slow
def test_a_hundred_thousand_texts_fit_in_memory() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=280)
    texts, queries, megabytes = map(int, done.stdout.split())
    assert (texts, queries) == (100_000, 300)
    assert megabytes < 1_500
