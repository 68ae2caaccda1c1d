"""The transformer in numpy: pieces, packing, and that company changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.encoders.base import CUT
from analytics.encoders.transformer import Transformer, pack
from analytics.encoders.wordpiece import BEGIN, END, PAD, UNKNOWN, WordPieces
from streams.records import InvalidError

WIDE, HEADS = 32, 4
PIECES = [PAD, UNKNOWN, BEGIN, END, "多", "少", "钱", "hello", "wor", "##ld", "##l", "!", "5", "##g"]


def weights(seed: int = 1, layers: int = 2) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> npt.NDArray[Any]:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    made = {"words": some(len(PIECES), WIDE), "places": some(CUT + 2, WIDE), "norm": some(WIDE) + 1, "norm_b": some(WIDE)}
    for number in range(layers):
        at = f"layer{number}."
        made |= {at + "attend": some(WIDE, 3 * WIDE), at + "attend_b": some(3 * WIDE), at + "merge": some(WIDE, WIDE)}
        made |= {at + "widen": some(WIDE, 2 * WIDE), at + "widen_b": some(2 * WIDE), at + "narrow": some(2 * WIDE, WIDE)}
        made |= {at + name: some(WIDE) for name in ("merge_b", "norm", "norm_b", "narrow_b", "last", "last_b")}
    return made


TEXTS = st.lists(st.lists(st.integers(0, len(PIECES) - 1), min_size=2, max_size=20), min_size=1, max_size=12)


@given(TEXTS)
def test_a_text_has_one_row_in_any_company(texts: list[list[int]]) -> None:
    transformer = Transformer(weights(), HEADS)
    together = transformer.encode(texts)
    assert together.shape == (len(texts), WIDE)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_array_equal(transformer.encode([text])[0], row)


def test_more_texts_than_fit_at_once() -> None:
    transformer = Transformer(weights(), HEADS)
    texts = [[2, 4 + number % 3, 5, 6 + number % 7, 3] for number in range(900)]
    np.testing.assert_array_equal(transformer.encode(texts)[::-1], transformer.encode(texts[::-1]))


def test_four_bits_keep_a_weight_within_a_step() -> None:
    whole = np.random.default_rng(3).normal(0, 1, (64, 64)).astype(np.float32)
    packed = {f"words.{part}": array for part, array in pack(whole).items()}
    assert sum(array.nbytes for array in packed.values()) < whole.nbytes / 6
    again = Transformer(weights() | packed | _others(64), HEADS)
    assert np.abs(again._words - whole).max() < 0.5
    assert np.abs(again._words - whole).mean() < 0.1


def _others(wide: int) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(5)
    shapes = {"attend": (wide, 3 * wide), "merge": (wide, wide), "widen": (wide, wide), "narrow": (wide, wide)}
    return {f"layer{n}.{name}": rng.normal(size=shape).astype(np.float32) for n in range(2) for name, shape in shapes.items()}


@pytest.mark.parametrize("damage", ["layer1.merge", "layer0.attend", "places", "words"])
def test_arrays_that_do_not_fit_are_refused(damage: str) -> None:
    held = weights()
    with pytest.raises(InvalidError, match="train it again"):
        Transformer({name: value for name, value in held.items() if name != damage}, HEADS)
    with pytest.raises(InvalidError, match="train it again"):
        Transformer(held | {"layer1.merge": held["words"]}, HEADS)
    with pytest.raises(InvalidError, match="train it again"):
        Transformer(held, 5)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("多少钱", ["多", "少", "钱"]),
        ("多少錢！", ["多", "少", "钱", "!"]),
        ("HELLO world", ["hello", "wor", "##ld"]),
        ("5g 未知", ["5", "##g", UNKNOWN, UNKNOWN]),
        ("", []),
        ("\0\u200b\ufeff", []),
        ("x" * 500, [UNKNOWN]),
    ],
)
def test_pieces(text: str, pieces: list[str]) -> None:
    read = [PIECES[number] for number in WordPieces(PIECES).read(text)]
    assert read == [BEGIN, *pieces, END]


@given(st.text(max_size=300))
def test_any_text_is_read_in_bounds(text: str) -> None:
    numbers = WordPieces(PIECES).read(text)
    assert 2 <= len(numbers) <= CUT + 2
    assert numbers[0] == PIECES.index(BEGIN)
    assert numbers[-1] == PIECES.index(END)
