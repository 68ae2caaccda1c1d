"""Text encoders: the battery, what the static one is near to, and the search by direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encoders import DIMENSIONS, Directions, StaticEncoder, load_encoder
from streams.records import InvalidError
from tests.analytics.encoder_contract import check_encoder, check_encoder_processes


def test_static_keeps_the_bargain() -> None:
    check_encoder(StaticEncoder())
    check_encoder_processes("static")


def test_an_encoder_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidError, match="'semantic'"):
        load_encoder("semantic")


def test_wording_is_near_and_folding_is_the_same() -> None:
    price, asked, traditional, game = load_encoder().encode(["这个多少钱", "多少钱啊", "這個多少錢？", "打游戏卡不卡"])
    assert price @ asked > 0.6
    assert price @ traditional == pytest.approx(1, abs=1e-6)
    assert abs(price @ game) < 0.2


NAMES = st.lists(st.sampled_from(["多少钱", "怎么卖", "几块钱", "包邮吗", "发什么快递", "有货吗", "还有货吗"]), unique=True)


@given(NAMES, NAMES)
def test_directions_do_not_hang_on_their_history(names: list[str], gone: list[str]) -> None:
    encoder = load_encoder()
    one, other = Directions(), Directions()
    for name in names:
        one.add(name, encoder.encode([name])[0])
    one.drop(gone)
    kept = [name for name in names if name not in gone]
    for name in reversed(kept):
        other.add(name, encoder.encode([name])[0])
    row = encoder.encode(["还有货吗"])[0]
    found = one.find(row, 0.3)
    assert found == other.find(row, 0.3)
    assert [name for _, name in found] == [
        name
        for alike, name in sorted(
            ((float(encoder.encode([n])[0] @ row), n) for n in kept), key=lambda pair: (-pair[0], pair[1])
        )
        if alike >= 0.3
    ]


def test_directions_grow() -> None:
    rows = np.eye(40, DIMENSIONS, dtype=np.float32)
    directions = Directions()
    for place, row in enumerate(rows):
        directions.add(str(place), row)
    assert all(directions.find(row, 0.9) == [(1.0, str(place))] for place, row in enumerate(rows))
