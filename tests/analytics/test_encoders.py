"""Text encoders: the battery, what they take for near, and that both shipped ones speak of one space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encoders import DIMENSIONS, Directions, load_encoder
from streams.records import InvalidError
from tests.analytics.encoder_contract import check_encoder, check_encoder_processes

SHIPPED = ("static", "semantic", "lexical")
SAME = [("多少钱", "怎么卖"), ("多少钱", "啥价"), ("打游戏卡不卡", "玩原神流畅吗")]
OTHERS = ["发什么快递", "有货吗", "哪里产的", "主播好美", "能机洗吗", "保质期多久", "可以开发票吗", "过敏能用吗"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_ones_keep_the_bargain(name: str) -> None:
    check_encoder(load_encoder(name))


@pytest.mark.parametrize("name", ["static", pytest.param("semantic", marks=pytest.mark.slow), "lexical"])
def test_shipped_ones_are_the_same_in_every_process(name: str) -> None:
    check_encoder_processes(name)


@pytest.mark.parametrize("name", ["static", "semantic"])
@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_one_question_is_nearer_than_others(name: str, one: str, other: str) -> None:
    rows = load_encoder(name).encode([one, other, *OTHERS])
    alike = rows[0] @ rows[1:].T
    assert alike.argmax() == 0, f"nearer to {one}: {OTHERS[alike.argmax() - 1]}"


def test_static_and_semantic_speak_of_one_space() -> None:
    texts = ["这个多少钱", "孕妇可以用吗", "什么时候发货", "起球吗", "能再便宜点吗"]
    static, semantic = (load_encoder(name).encode(texts) for name in ("static", "semantic"))
    assert ((static @ semantic.T).argmax(axis=1) == np.arange(len(texts))).all()


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="'meaning'"):
        load_encoder("meaning")
    broken = tmp_path / "model.npz"
    broken.write_bytes(b"PK\3\4 no model")
    with pytest.raises(InvalidError, match="damaged"):
        load_encoder(str(broken))


@pytest.mark.parametrize("name", SHIPPED)
def test_wording_is_near(name: str) -> None:
    price, asked, traditional, game = load_encoder(name).encode(["这个多少钱", "多少钱啊", "這個多少錢", "打游戏卡不卡"])
    assert price @ asked > 0.6
    assert price @ traditional == pytest.approx(1, abs=1e-6)
    assert abs(price @ game) < 0.2


@pytest.mark.parametrize("name", ["static", "lexical"])
def test_what_folds_to_the_same_has_the_same_row(name: str) -> None:
    """The semantic one reads marks: they tell a question from a statement."""
    plain, marked = load_encoder(name).encode(["这个多少钱", "這個 多少錢？"])
    assert plain @ marked == pytest.approx(1, abs=1e-6)


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
    near = ((round(float(encoder.encode([n])[0].astype(np.float64) @ row.astype(np.float64)), 4), n) for n in kept)
    expected = sorted(((alike, n) for alike, n in near if alike >= 0.3), key=lambda pair: (-pair[0], pair[1]))
    assert [name for _, name in found] == [name for _, name in expected]


def test_directions_grow() -> None:
    rows = np.eye(40, DIMENSIONS, dtype=np.float32)
    directions = Directions()
    for place, row in enumerate(rows):
        directions.add(str(place), row)
    assert all(directions.find(row, 0.9) == [(1.0, str(place))] for place, row in enumerate(rows))
