"""The live index: the same as exact search, whatever comes and goes; and a file that is whole, checked, or refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import faq_index, faq_search
from analytics.encoders import DIMENSIONS, Rows, load_encoder
from analytics.faq_index import FaqIndex, Hit
from analytics.faq_search import FLAT_ROWS, Kind, kind_for, searcher
from analytics.model_file import Array, load_model, save_model
from streams.records import InvalidError

LEXICAL = load_encoder("lexical")
KINDS: tuple[Kind, ...] = ("flat", "scan", "ivf", "hnsw", "gpu")
TEXTS = {f"{n}": text for n, text in enumerate(("多少钱", "怎么退货", "几天能到", "包邮吗", "有没有货", "多少钱一件"))}


def unit(rows: Any) -> Rows:
    made: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def noise(count: int, seed: int) -> Rows:
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSIONS)))


def names(count: int) -> list[str]:
    return [f"k{number:06}" for number in range(count)]


def exact(held: dict[str, Rows], row: Rows, most: int) -> list[str]:
    """The keys by brute force, in numbers of 16 bits as the index keeps them."""
    whole = np.rint(row * 32_767).astype(np.int64)
    scores = {key: int((np.rint(own * 32_767).astype(np.int64) * whole).sum()) for key, own in held.items()}
    return sorted(scores, key=lambda key: (-scores[key], key))[:most]


def test_the_nearest_come_first() -> None:
    index = FaqIndex(LEXICAL)
    index.put(TEXTS)
    assert index.search("多少钱", 1) == [Hit("0", 1.0)]
    assert [hit.key for hit in index.search("多少钱一件", 2)] == ["5", "0"]
    assert len(index.search("x", 99)) == len(index) == 6


def test_equals_go_by_key_however_they_came() -> None:
    row = noise(1, 1)
    for keys in (("b", "a", "c"), ("c", "b", "a")):
        index = FaqIndex(LEXICAL)
        index.put_rows(keys, np.repeat(row, 3, axis=0))
        assert [hit.key for hit in index.search_row(row[0], 2)] == ["a", "b"]
        index.rebuild()
        assert [hit.key for hit in index.search_row(row[0], 2)] == ["a", "b"]


def test_put_again_and_drop() -> None:
    index = FaqIndex(LEXICAL)
    index.put(TEXTS)
    index.rebuild()
    index.put({"1": "能开发票吗"})
    index.drop(["0", "nobody"])
    assert index.keys() == ["1", "2", "3", "4", "5"]
    assert index.search("能开发票吗", 1) == [Hit("1", 1.0)]
    assert "0" not in [hit.key for hit in index.search("多少钱", 9)]
    assert index.search("怎么退货", 1)[0].score < 1
    index.drop(index.keys())
    assert (len(index), index.search("多少钱")) == (0, [])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=60), st.integers(0, 12), st.booleans())
def test_it_is_exact_search_whatever_comes_and_goes(steps: list[tuple[int, int]], asked: int, often: bool) -> None:
    """Step (key, 0) drops the key; (key, n) gives it row n. Few rows, so there are ties."""
    rows, held = noise(13, 7), dict[str, Rows]()
    index = FaqIndex(LEXICAL)
    for key, number in steps:
        if number == 0:
            index.drop([str(key)])
            held.pop(str(key), None)
        else:
            index.put_rows([str(key)], rows[number : number + 1])
            held[str(key)] = rows[number]
        if often:
            index.rebuild()
    assert index.keys() == sorted(held)
    assert [hit.key for hit in index.search_row(rows[asked], 5)] == exact(held, rows[asked], 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_search_agrees_with_exact_search(kind: Kind) -> None:
    rows, keys = noise(1_500, 3), names(1_500)
    index = FaqIndex(LEXICAL, kind=kind)
    index.put_rows(keys, rows)
    index.rebuild()
    assert index.kind == kind
    held, right = dict(zip(keys, rows, strict=True)), 0
    for asked in unit(rows[:60] + 0.5 * noise(60, 4)):
        right += len({hit.key for hit in index.search_row(asked, 5)} & set(exact(held, asked, 5)))
    assert right / 300 >= {"flat": 1.0, "gpu": 1.0, "scan": 0.99, "hnsw": 0.7, "ivf": 0.3}[kind]


def test_dropped_rows_do_not_come_back_from_a_rough_search() -> None:
    rows, keys = noise(1_200, 5), names(1_200)
    index = FaqIndex(LEXICAL, kind="scan")
    index.put_rows(keys, rows)
    index.rebuild()
    held = dict(zip(keys, rows, strict=True))
    near = exact(held, rows[0], 500)
    index.drop(near)
    found = [hit.key for hit in index.search_row(rows[0], 5)]
    assert len(found) == 5
    assert not set(found) & set(near), "500 of the candidates were struck out, and five were still found"


def test_too_many_changes_build_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faq_index, "_WAITING", 10)
    index = FaqIndex(LEXICAL)
    index.put_rows(names(10), noise(10, 1))
    assert len(index._view.built.keys) == 0
    index.put_rows(["x"], noise(1, 2))
    assert (len(index._view.built.keys), len(index._view.fresh.keys)) == (11, 0)
    index.drop(names(10))
    assert (len(index._view.gone), len(index)) == (10, 1)
    index.put_rows(names(10), noise(10, 1))
    index.drop(["x"])
    assert (len(index._view.gone), len(index)) == (0, 10), "eleven are gone"


def test_a_reader_sees_whole_changes_only() -> None:
    """Ten keys move together between two directions while another thread searches."""
    rows, keys, over = noise(2, 1), names(10), Event()
    index = FaqIndex(LEXICAL)
    index.put_rows(keys, np.repeat(rows[:1], 10, axis=0))
    seen: set[int] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(sum(hit.score > 0.9 for hit in index.search_row(rows[0], 20)))

    reader = Thread(target=read)
    reader.start()
    for turn in range(150):
        index.put_rows(keys, np.repeat(rows[turn % 2 : turn % 2 + 1], 10, axis=0))
        if turn % 10 == 0:
            index.rebuild()
    over.set()
    reader.join()
    assert seen <= {0, 10}


@pytest.mark.parametrize(
    ("keys", "rows", "said"),
    [
        (["a"], np.zeros((2, DIMENSIONS), np.float32), "1 keys"), (["a", "a"], noise(2, 1), "each once"),
        (["a"], np.zeros((1, 7), np.float32), "rows of 768"), (["a"], np.full((1, DIMENSIONS), np.nan, np.float32), "length 1"),
        (["a"], np.full((1, DIMENSIONS), 2.0, np.float32), "length 1"),
    ],
)  # fmt: skip
def test_other_rows_are_refused(keys: list[str], rows: Rows, said: str) -> None:
    index = FaqIndex(LEXICAL)
    with pytest.raises(InvalidError, match=said):
        index.put_rows(keys, rows)
    assert len(index) == 0


def test_too_many_rows_are_refused_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faq_index, "MOST_ROWS", 12)
    index = FaqIndex(LEXICAL)
    index.put_rows(names(12), noise(12, 1))
    index.rebuild()
    with pytest.raises(InvalidError, match="12 rows at most"):
        index.put_rows(["k000000", "x"], noise(2, 2))
    assert index.keys() == names(12)
    index.put_rows(["k000000"], noise(1, 3))
    assert len(index) == 12


def test_size_and_gpu_choose_the_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (kind_for(FLAT_ROWS), kind_for(FLAT_ROWS + 1)) == ("flat", "scan")
    assert kind_for(10, gpu=True) == ("gpu" if faq_search.gpus() else "flat")
    monkeypatch.setattr(faq_search, "gpus", lambda: 1)
    assert kind_for(10, gpu=True) == "gpu"
    assert kind_for(10) == "flat"


def test_the_search_for_a_gpu_is_exact_without_one() -> None:
    rows = noise(900, 2)
    for asked in rows[:5]:
        assert int(searcher(rows, "gpu")(asked, 5)[0]) == int((rows @ asked).argmax())


# ── In a file ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def written(tmp_path: Path) -> Path:
    index = FaqIndex(LEXICAL)
    index.put(TEXTS | {"schlüssel\ud800": "有赠品吗"})
    index.save(tmp_path / "faq.npz", "tests")
    return tmp_path / "faq.npz"


def test_a_file_brings_everything_back(written: Path) -> None:
    index = FaqIndex.load(written, LEXICAL)
    assert index.keys() == sorted([*TEXTS, "schlüssel\ud800"])
    assert index.search("怎么退货", 1) == [Hit("1", 1.0)]
    index.put({"1": "别的"})
    assert len(index) == 7
    before = written.read_bytes()
    FaqIndex.load(written, LEXICAL).save(written, "tests")
    assert written.read_bytes() == before, "the same contents, the same bytes"


def test_an_empty_index_is_a_file_too(tmp_path: Path) -> None:
    FaqIndex(LEXICAL).save(tmp_path / "none.npz")
    assert len(FaqIndex.load(tmp_path / "none.npz", LEXICAL)) == 0


class Other:
    """Another encoder, by its name or by its rows."""

    def __init__(self, name: str, sign: float) -> None:
        self.name, self._sign = name, sign

    def encode(self, texts: Sequence[str]) -> Rows:
        rows: Rows = LEXICAL.encode(texts) * np.float32(self._sign)
        return rows


@pytest.mark.parametrize(("name", "sign"), [("static", 1.0), ("lexical", -1.0)])
def test_another_encoder_is_refused(written: Path, name: str, sign: float) -> None:
    with pytest.raises(InvalidError, match=r"another encoder \(lexical\)"):
        FaqIndex.load(written, Other(name, sign))


def _changed(name: str, change: Callable[[Array], Array]) -> Callable[[dict[str, Array]], None]:
    def apply(arrays: dict[str, Array]) -> None:
        arrays[name] = change(arrays[name])

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        _changed("rows", lambda rows: rows[:-1]), _changed("rows", lambda rows: rows.astype(np.float32)),
        _changed("rows", lambda rows: rows[::-1]), _changed("ends", lambda ends: ends[::-1]),
        _changed("ends", lambda ends: ends + 1),
        _changed("keys", lambda keys: keys[:-1]), _changed("keys", lambda keys: keys[::-1]),
        _changed("probe", lambda probe: probe[:, :5]), lambda arrays: arrays.pop("keys"),
    ],
)  # fmt: skip
def test_spoilt_contents_are_refused(written: Path, spoil: Callable[[dict[str, Array]], None]) -> None:
    card, arrays = load_model(written, "faq-index", 1)
    spoil(arrays)
    save_model(written, card, arrays)
    with pytest.raises(InvalidError, match="build the index again"):
        FaqIndex.load(written, LEXICAL)


@pytest.mark.parametrize("ends", [[-5, 4], [4, 2], [2, 99], [2, 4], [0, 4]])
def test_keys_that_lie_are_refused_although_their_digest_is_right(written: Path, ends: list[int]) -> None:
    """A hostile writer can make a digest, so the keys are checked for themselves: here ``aa`` twice, or out of bounds."""
    card, arrays = load_model(written, "faq-index", 1)
    arrays |= {"rows": arrays["rows"][:2], "keys": np.frombuffer(b"aaaa", np.uint8), "ends": np.array(ends, np.int64)}
    if ends == [0, 4]:
        arrays["keys"] = np.frombuffer(b"\xff\xfe\xfd\xfc", np.uint8)
    digest = faq_index._digest(arrays["rows"], arrays["keys"], arrays["ends"])
    save_model(written, type(card)(**{name: getattr(card, name) for name in card.__struct_fields__} | {"data": digest}), arrays)
    with pytest.raises(InvalidError, match=r"keys of|a key"):
        FaqIndex.load(written, LEXICAL)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_says_the_same(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    index = FaqIndex(LEXICAL)
    index.put(TEXTS)
    index.save(path)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
    else:
        path.write_bytes(whole[:at])
    with suppress(InvalidError):
        assert FaqIndex.load(path, LEXICAL).search("多少钱", 2) == index.search("多少钱", 2)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "hostile.npz"
    held = io.BytesIO()
    np.save(held, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("card.json", '{"kind":"faq-index","version":1,"data":"","code":"","licence":""}')
        packed.writestr("rows.npy", held.getvalue())
    with pytest.raises(InvalidError):
        FaqIndex.load(path, LEXICAL)


def test_faiss_own_format_is_refused(tmp_path: Path) -> None:
    import faiss

    index: Any = faiss.IndexFlatIP(DIMENSIONS)
    index.add(noise(3, 1))
    faiss.write_index(index, str(tmp_path / "own.faiss"))
    with pytest.raises(InvalidError):
        FaqIndex.load(tmp_path / "own.faiss", LEXICAL)


KILLED = """
import os, sys, zipfile
from pathlib import Path
from analytics.encoders import load_encoder
from analytics.faq_index import FaqIndex
index = FaqIndex(load_encoder("lexical"))
index.put({"new": "换了一批"})
def die(self, *args, **kwargs):
    os._exit(9)
zipfile.ZipFile.close = die  # the parts are written, the file is not closed
index.save(Path(sys.argv[1]))
"""


def test_who_is_killed_while_writing_leaves_the_old_file(written: Path) -> None:
    before = written.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, str(written)], check=False, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == 9
    assert written.read_bytes() == before
    assert len(FaqIndex.load(written, LEXICAL)) == 7
