"""Model files: what is written is read, and what is not ours is refused before it costs anything."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analytics.model_file import Card, card_of, load_model, save_model
from streams.records import InvalidError

CARD = Card(kind="intent", version=1, data="d" * 64, code="livetide 1", licence="ours", labels=["a", "b"], figures={"f1": 0.5})
ARRAYS = {"rows": np.arange(6, dtype=np.float32).reshape(2, 3), "names": np.array(["多", "少钱"]), "one": np.array(3)}


def packed(**entries: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name.replace("__", "."), content)
    return held.getvalue()


def npy(array: npt.NDArray[Any], header: Callable[[bytes], bytes] = lambda data: data) -> bytes:
    held = io.BytesIO()
    np.lib.format.write_array(held, array, allow_pickle=True)
    return header(held.getvalue())


CARD_BYTES = b'{"kind":"intent","version":1,"data":"","code":"","licence":""}'
HOSTILE = {
    "empty": b"",
    "no zip": b"\x00" * 4096,
    "no card": packed(rows__npy=npy(ARRAYS["rows"])),
    "card is no JSON": packed(card__json=b"{"),
    "card with more": packed(card__json=CARD_BYTES[:-1] + b',"run":"rm"}'),
    "card too long": packed(card__json=CARD_BYTES + b" " * 2_000_000),
    "pickled objects": packed(card__json=CARD_BYTES, rows__npy=npy(np.array([{}, None], dtype=object))),
    "a pickle": packed(card__json=CARD_BYTES, rows__npy=pickle.dumps([1, 2, 3])),
    "longer than it is": packed(
        card__json=CARD_BYTES, rows__npy=npy(ARRAYS["rows"], lambda d: d.replace(b"(2, 3)", b"(9, 9)"))
    ),
    "far longer": packed(
        card__json=CARD_BYTES, rows__npy=npy(ARRAYS["rows"], lambda d: d.replace(b"(2, 3), }      ", b"(99999999999,)}"))
    ),
    "not a number": packed(card__json=CARD_BYTES, rows__npy=npy(np.array([1.0, np.nan]))),
    "unpacks to a gigabyte": packed(card__json=CARD_BYTES, rows__npy=bytes(600_000_000)),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models" / "intent.npz"
    save_model(path, CARD, ARRAYS)
    card, arrays = load_model(path, "intent", 1)
    assert card == CARD == card_of(path)
    assert {name: array.tolist() for name, array in arrays.items()} == {name: array.tolist() for name, array in ARRAYS.items()}
    first = path.read_bytes()
    save_model(path, CARD, ARRAYS)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["intent.npz"]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_ours_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(InvalidError, match=r"model\.npz"):
        load_model(path, "intent", 1)


def test_damage_anywhere_changes_no_number(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, CARD, ARRAYS)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            model = load_model(path, "intent", 1)
        except InvalidError:
            continue
        if "rows" in model.arrays:  # else who reads the model misses it, and refuses
            assert model.arrays["rows"].tolist() == ARRAYS["rows"].tolist()


def test_another_kind_and_another_version_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, CARD, ARRAYS)
    with pytest.raises(InvalidError, match=r"'intent'.*'sentiment'"):
        load_model(path, "sentiment", 1)
    with pytest.raises(InvalidError, match=r"version 1 .*livetide 1.*version 2"):
        load_model(path, "intent", 2)
    with pytest.raises(InvalidError, match="no model at"):
        load_model(tmp_path / "none.npz", "intent", 1)
    with pytest.raises(InvalidError, match="objects"):
        save_model(path, CARD, {"rows": np.array([None])})
