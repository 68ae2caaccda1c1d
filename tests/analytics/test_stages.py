"""Stages of speech: the lexicon and the likeliest path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.stages import CLOSE, CTA, FEATURE, IDLE, INTRO, PRICE, STAGES, Lattice, Sentence, certainty, load_cues


def likeliest(text: str, **more: bool) -> int:
    odds = load_cues().weigh(text, **more)
    return max(range(len(STAGES)), key=lambda stage: odds[stage])


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("接下来给大家介绍一款面霜", INTRO),
        ("面料是纯棉的，手感很软，透气", FEATURE),
        ("原价三百九十九，今天到手价只要一百九十九", PRICE),
        ("三二一上链接，赶紧去拍", CTA),
        ("没抢到的别急，我再看看库存", CLOSE),
        ("刚进来的朋友点个关注，我喝口水", IDLE),
    ],
)
def test_plain_sentences(text: str, stage: int) -> None:
    assert likeliest(text) == stage


def test_boarding_calls_only_near_a_link_or_a_price() -> None:
    alone, near = load_cues().weigh("姐妹们上车"), load_cues().weigh("姐妹们上车", boarding=True)
    assert near[CTA] - alone[CTA] == pytest.approx(1.5)
    assert likeliest("姐妹们上车", boarding=True) == CTA


def test_a_plain_sentence_takes_the_stage_of_its_neighbours() -> None:
    texts = [
        "接下来给大家介绍这款锅",
        "面料和做工都很好",
        "大家可以放心",
        "内胆能拆，好清洗",
        "到手价只要一百九十九",
        "三二一上链接",
    ]
    lattice = Lattice()
    for index, text in enumerate(texts):
        lattice.push(Sentence(index * 4_000, index * 4_000 + 3_500, text, load_cues().weigh(text)))
    path = [stage for _, stage in lattice.settle(0, 0)]
    assert path == [INTRO, FEATURE, FEATURE, FEATURE, PRICE, CTA]


def test_certainty_is_a_chance() -> None:
    odds = [0.0, 1.0, 2.0, 0.0, 0.0, 0.0]
    assert sum(certainty(odds, stage) for stage in range(6)) == pytest.approx(1)
    assert certainty(odds, 2) > certainty(odds, 1)


@given(st.lists(st.lists(st.floats(-3, 3), min_size=6, max_size=6), min_size=1, max_size=25), st.integers(0, 5))
@settings(max_examples=60)
def test_every_sentence_is_settled_once_and_in_order(weights: list[list[float]], keep: int) -> None:
    lattice, settled = Lattice(), []
    for index, odds in enumerate(weights):
        lattice.push(Sentence(index * 3_000, index * 3_000 + 2_500, str(index), odds))
        settled += lattice.settle(keep, 0)
        assert len(lattice.waiting) <= keep
    settled += lattice.settle(0, 0)
    assert [sentence.text for sentence, _ in settled] == [str(index) for index in range(len(weights))]
    assert all(stage in range(6) for _, stage in settled)
