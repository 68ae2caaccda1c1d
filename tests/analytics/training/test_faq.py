"""The fit of the score: weights on their side, thresholds that hold, and the same result each time."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encoders import load_encoder
from analytics.faq_score import AGAINST, FACTS, KIND, VERSION, Score
from analytics.model_file import load_model
from analytics.training import faq
from analytics.training.holdout import Families, is_unseen

ROOT = Path(__file__).parents[3]


def asked(rng: random.Random, count: int) -> list[faq.Asked]:
    """Questions with three candidates, where the right one is nearer, has the same intent, and shares no words."""
    made = []
    for _ in range(count):
        right = rng.randrange(3)
        rows = np.array([[rng.random() * 0.5, 0, rng.random(), 0, rng.random() < 0.5, 0, 0, 0, 1] for _ in range(3)])
        rows[right, [0, 2, 3, 4]] = 0.4 + rng.random() * 0.6, 0.0, rng.random() < 0.8, 0.0
        made.append(faq.Asked(rows, right, True))
    return made


def test_what_speaks_for_an_entry_never_counts_against_it() -> None:
    weights = faq.fitted(asked(random.Random(1), 400))
    named = dict(zip(FACTS, weights[1:].tolist(), strict=True))
    assert named["dense"] > 1
    assert named["same_intent"] > 0.5
    assert named["other_intent"] < 0
    assert named["wording"] == 0.0, "here words in common speak against it, which is left out"
    assert all(weight <= 0 if name in AGAINST else weight >= 0 for name, weight in named.items())


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40), st.sampled_from([0.5, 0.9])
)
def test_the_threshold_is_the_lowest_that_holds(pairs: list[tuple[float, bool]], wished: float) -> None:
    found = np.array(pairs, np.float64)
    least = faq.threshold(found, wished)

    def share(bound: float) -> float:
        above = found[found[:, 0] >= bound]
        return float(above[:, 1].mean()) if len(above) else 1.0

    assert share(least) >= wished
    assert all(share(bound) < wished for bound in set(found[:, 0].tolist()) if bound < least)


def test_a_draw_keeps_apart_who_asks_and_who_answers() -> None:
    families = {f"phone_{n}": [f"{n}号问题的第{k}种说法" for k in range(6)] for n in range(10)}
    texts = [text for own in families.values() for text in own]
    known = faq.Known(texts, load_encoder("lexical"))
    found = faq.draw(families, families, known, random.Random(2), 10, entries=2)
    assert len(found) == 10 * 4, "two of six wordings are the entry"
    assert sum(one.known for one in found) == 6 * 4, "two in five families have none"
    assert {len(one.about) for one in found} == {6}
    for one in found:
        assert one.about.shape[1] == len(FACTS)
        assert one.right >= 0 or not one.known


def test_the_families_split_as_everywhere() -> None:
    families = faq.read(ROOT / "corpora/families.tsv")
    assert isinstance(families, Families)
    assert all(not is_unseen(name) for name in families.seen)
    assert all(not is_unseen(text) for own in families.seen.values() for text in own)
    assert all(is_unseen(name) for name in families.families)
    assert faq.product_of("phone_heat") == "phone"
    assert faq.product_of("ship_free") == ""


@pytest.mark.slow
def test_the_command_writes_the_same_model_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        arguments = [
            "faq",
            "--encoder",
            "lexical",
            "--families",
            str(ROOT / "corpora/families.tsv"),
            "--out",
            str(tmp_path / name),
        ]
        monkeypatch.setattr("sys.argv", arguments)
        faq.main()
    assert (tmp_path / "one/faq-lexical.npz").read_bytes() == (tmp_path / "two/faq-lexical.npz").read_bytes()
    model = load_model(tmp_path / "one/faq-lexical.npz", KIND, VERSION)
    assert Score(model).given >= Score(model).proposed
    assert model.card.figures["30_entries_of_1_questions"] > 500
