"""The facts about a question and its candidates, and the shipped models that weigh them."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.faq_judge import NONE, Candidate, Limits, Match, Query, better, judge
from analytics.faq_score import AGAINST, FACTS, KIND, VERSION, Score, Side, dice, facts, grams, load_score
from analytics.model_file import Card, Model, load_shipped
from analytics.sheet import Entry
from streams.records import InvalidError

AT = {name: place for place, name in enumerate(FACTS)}


def side(text: str, intent: str = "unknown", **topics: int) -> Side:
    return Side((grams(text),), intent, topics)


def test_the_facts() -> None:
    question = side("能退吗", "ask_return", returns=3, price=1)
    entries = [side("能退吗", "ask_return", returns=1), side("多少钱", "ask_price", price=2), side("在吗", "chat")]
    about = facts(question, entries, [0.9, 0.5, 0.1], [1, -1, 0], 99)
    assert about.shape == (3, len(FACTS))
    assert about[:, AT["dense"]].tolist() == [0.9, 0.5, 0.1]
    assert about[0, AT["ahead"]] == pytest.approx(0.3), "0.8 ahead of the last, for the second is about another product"
    assert about[1, AT["ahead"]] == pytest.approx(-0.3)
    assert about[0, AT["wording"]] == 1.0
    assert about[:, AT["same_intent"]].tolist() == [1, 0, 0]
    assert about[:, AT["other_intent"]].tolist() == [0, 1, 0], "chat says nothing about a wish"
    assert about[:, AT["covered"]].tolist() == [0.75, 0.25, 0.0]
    assert about[:, AT["astray"]].tolist() == [0, 0, 0]
    assert about[:, AT["product"]].tolist() == [1, -1, 0]
    assert about[:, AT["crowd"]].tolist() == [2, 2, 2]
    assert facts(side("x", topic=1), [side("y", other=1)], [0.1], [0], 0)[0, AT["astray"]] == 1.0


def test_one_candidate_is_ahead_of_nothing() -> None:
    assert facts(side("能退吗"), [side("能退吗")], [0.2], [0], 1)[0, AT["ahead"]] == pytest.approx(0.2)
    assert facts(side("能退吗"), [side("能退吗")], [0.2], [-1], 1)[0, AT["ahead"]] == pytest.approx(0.2)


def test_dice() -> None:
    assert dice(grams("能退吗"), grams("能退吗")) == 1.0
    assert dice(grams("能退"), grams("")) == dice(grams("能"), grams("退")) == 0.0
    assert dice(grams("能退"), grams("能换")) == pytest.approx(1 / 3)


@pytest.mark.parametrize("encoder", ["lexical", "static", "semantic"])
def test_the_shipped_models_weigh_every_fact_to_its_side(encoder: str) -> None:
    card, arrays = load_shipped(f"faq-{encoder}.npz", KIND, VERSION)
    assert card.labels == [encoder, *FACTS]
    for name, weight in zip(FACTS, arrays["weights"][1:].tolist(), strict=True):
        assert weight <= 0 if name in AGAINST else weight >= 0, name
    score = load_score(encoder)
    assert 0.5 < score.given <= 1.0
    assert score.proposed < score.given
    likely, unlikely = np.zeros((2, len(FACTS)))
    likely[[AT["dense"], AT["ahead"], AT["product"], AT["wording"]]] = 0.95, 0.3, 1, 1
    unlikely[[AT["dense"], AT["ahead"], AT["product"], AT["crowd"]]] = 0.2, -0.3, -1, 2
    assert score.p(likely[None])[0] > 0.8
    assert score.p(unlikely[None])[0] < 0.1


def test_an_encoder_of_ones_own_is_scored_as_the_static_one() -> None:
    assert load_score("my-model").given == load_score("static").given


@pytest.mark.parametrize(
    ("weights", "settings"),
    [
        (np.zeros(3), {"given": 0.9, "proposed": 0.5}), (np.zeros(len(FACTS) + 1), {"given": 0.9}),
        (np.zeros(len(FACTS) + 1), {"given": 0.4, "proposed": 0.5}),
        (np.zeros(len(FACTS) + 1), {"given": 7.0, "proposed": 0.5}),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused(
    weights: np.ndarray[tuple[int], np.dtype[np.float64]], settings: dict[str, float]
) -> None:
    card = Card(kind=KIND, version=VERSION, data="", code="", licence="", settings=settings)
    with pytest.raises(InvalidError, match="fit it again"):
        Score(Model(card, {"weights": weights}))
    with pytest.raises(InvalidError, match="lacks 'weights'"):
        Score(Model(card, {}))


def candidate(question: str, dense: float, key: str = "", *, safe: bool = True) -> Candidate:
    entry = Entry("", question, "好", "entry", (), (), safe)
    return Candidate(entry, side(question), dense, 0, ("r", key or question))


def test_equal_candidates_are_chosen_by_key_whatever_their_order() -> None:
    query = Query("在哪里发货呢", lambda text: np.zeros(768, np.float32))
    one, two = candidate("发货地", 0.9, "a"), candidate("发货地", 0.9, "b")
    score, limits = load_score("static"), Limits(0.0, 0.0)
    assert judge(query, [one, two], score, limits, meant=False, crowd=2).key == ("r", "a")
    assert judge(query, [two, one], score, limits, meant=False, crowd=2).key == ("r", "a")
    unsafe = candidate("发货地", 0.9, "a", safe=False)
    assert judge(query, [unsafe, two], score, limits, meant=False, crowd=2).key == ("r", "b")
    assert judge(query, [], score, limits, meant=False, crowd=0) == NONE


def test_what_the_words_contradict_is_not_given_however_near_it_is() -> None:
    """The cost of sending it back is another subject than the cost of sending it."""
    score, limits = load_score("static"), Limits(0.0, 0.0)
    query = Query("运费谁出", lambda text: np.zeros(768, np.float32))
    other = Candidate(Entry("", "退货运费谁出", "卖家", "entry", (), (), True), side("退货运费谁出", return_fee=4), 0.99, 0)
    assert query.topics
    assert not set(query.topics) & set(other.side.topics)
    assert judge(query, [other], score, limits, meant=False, crowd=1).status == "proposed"


def test_the_more_certain_of_two_holds() -> None:
    given, proposed = Match("given", 0.8, None), Match("proposed", 0.9, None)
    assert better(given, proposed) is better(proposed, given) is given
    assert better(given, given._replace(key=("r", "x"))) is given
