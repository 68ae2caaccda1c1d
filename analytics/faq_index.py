"""A live index of directions by key: put, drop and search from several threads, kept in a file, up to 100,000 keys and more.

**Live.** What a search reads never changes: one tuple holds it, and a change puts another in its place, so a search sees all
of a change or none of it. New rows wait beside the built part and are searched flat; rows that are gone are struck out; when
either are too many everything is built anew, and the readers go on with the old until the new takes its place.

**To the bit.** A row is kept as 768 whole numbers of 16 bits. Products of such rows are exact in float64 in any order of
summing, so equal contents give equal scores, and ties go by key, however they came in. ``scan``, ``ivf`` and ``hnsw`` may
miss a row; ``flat`` misses none.

**In a file.** Rows and keys lie in a model file (:mod:`analytics.model_file`), never faiss's own format: ``faiss.read_index``
takes sizes and pointers from the file on trust, and a hostile one can make it write where it likes. The search structure is
built again when the file is read, 3 s for 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.encoders import DIMENSIONS, Encoder, Rows
from analytics.faq_search import Kind, Places, Search, kind_for, searcher
from analytics.model_file import Array, Card, load_model, save_model
from streams.records import InvalidError, needs_disk

KIND, VERSION = "faq-index", 1
MOST_ROWS = 300_000  # what a model file can hold: 460 MB
STEPS = 32_767
_WAITING = 2_000  # new rows that are searched flat before all is built anew
_STRUCK = 0.2  # share of rows that may be gone before all is built anew
_PROBE = "这个多少钱一件，能退吗"
_SAME = 0.999  # how near the probe's row must be to the file's

Whole = npt.NDArray[np.int16]


class Hit(NamedTuple):
    """A key, and the cosine of its row and what was asked."""

    key: str
    score: float


class _Part(NamedTuple):
    """Rows that stand together: ``keys[i]`` is whose row ``rows[i]`` is."""

    keys: tuple[str, ...]
    rows: Whole
    search: Search | None


class _View(NamedTuple):
    """All that a search reads. ``gone`` are places of the built part."""

    built: _Part
    gone: frozenset[int]
    fresh: _Part


class FaqIndex:
    """Directions of ``encoder`` by key. ``kind`` fixes how they are searched; without it that goes by their number.

    ``gpu`` uses a GPU if there is one and faiss can use it (extra ``gpu``).
    """

    def __init__(self, encoder: Encoder, *, kind: Kind | None = None, gpu: bool = False) -> None:
        self.encoder = encoder
        self._kind, self._gpu = kind, gpu
        self._writing = Lock()
        self._place: dict[str, int] = {}  # of the keys of the built part that are not gone
        self._view = _View(self._part((), _none()), frozenset(), self._part((), _none(), "flat"))

    def __len__(self) -> int:
        view = self._view
        return len(view.built.keys) - len(view.gone) + len(view.fresh.keys)

    @property
    def kind(self) -> Kind:
        """How the built part is searched."""
        return self._kind or kind_for(len(self._view.built.keys), gpu=self._gpu)

    def keys(self) -> list[str]:
        """All keys, in order."""
        return sorted(key for key, _ in _live(self._view))

    def put(self, texts: Mapping[str, str]) -> None:
        """Encode texts and take them in under their keys; a key that is known has a new row then."""
        if texts:
            self.put_rows(list(texts), self.encoder.encode(list(texts.values())))

    def put_rows(self, keys: Sequence[str], rows: Rows) -> None:
        """The same for rows that are encoded. Raises ``InvalidError`` for other shapes, doubles, or more than fit."""
        if rows.shape != (len(keys), DIMENSIONS) or len(set(keys)) != len(keys):
            raise InvalidError(f"{len(keys)} keys, each once, with rows of {DIMENSIONS} belong here, not {rows.shape}")
        if not np.isfinite(rows).all() or np.abs(rows).max(initial=0.0) > 1.0 + 1e-3:
            raise InvalidError("a row of an index has length 1: encode it with an encoder of this product")
        whole = np.rint(np.clip(rows, -1.0, 1.0) * STEPS).astype(np.int16)
        self._change(set(keys), tuple(keys), whole)

    def drop(self, keys: Collection[str]) -> None:
        """Take keys out; those that are not known do not matter."""
        self._change(set(keys), (), _none())

    def rebuild(self) -> None:
        """Build everything anew, in order of the keys; done by itself when too much has changed."""
        with self._writing:
            self._build(self._view)

    def search(self, text: str, most: int = 5) -> list[Hit]:
        """The keys nearest to a text, nearest first, equals by key."""
        return self.search_row(self.encoder.encode([text])[0], most)

    def search_row(self, row: Rows, most: int = 5) -> list[Hit]:
        """The same for a row (768)."""
        view, found = self._view, list[tuple[float, str]]()
        whole = np.rint(np.clip(row, -1.0, 1.0) * STEPS)
        for part, gone in ((view.built, view.gone), (view.fresh, frozenset[int]())):
            if part.search is None:
                continue
            places = _places(part, gone, np.asarray(row, np.float32), most)
            exact = part.rows[places].astype(np.float64) @ whole.astype(np.float64)
            found += zip((-exact).tolist(), (part.keys[place] for place in places.tolist()), strict=True)
        return [Hit(key, round(-score / STEPS**2, 4)) for score, key in sorted(found)[:most]]

    def _change(self, out: set[str], keys: tuple[str, ...], rows: Whole) -> None:
        with self._writing:
            view = self._view
            kept = [place for place, key in enumerate(view.fresh.keys) if key not in out]
            gone = view.gone | {place for key in out if (place := self._place.pop(key, None)) is not None}
            names = (*(view.fresh.keys[place] for place in kept), *keys)
            if len(view.built.keys) - len(gone) + len(names) > MOST_ROWS:
                for place in gone - view.gone:
                    self._place[view.built.keys[place]] = place
                raise InvalidError(f"an index holds {MOST_ROWS:,} rows at most: divide the entries")
            fresh = self._part(names, np.concatenate([view.fresh.rows[kept], rows]), "flat")
            changed = _View(view.built, gone, fresh)
            if len(names) > _WAITING or len(gone) > max(_WAITING, int(_STRUCK * len(view.built.keys))):
                self._build(changed)
            else:
                self._view = changed

    def _build(self, view: _View) -> None:
        pairs = sorted(_live(view), key=lambda pair: pair[0])
        keys = tuple(key for key, _ in pairs)
        rows = np.stack([row for _, row in pairs]) if pairs else _none()
        part = self._part(keys, rows)
        self._place = {key: place for place, key in enumerate(keys)}
        self._view = _View(part, frozenset(), self._part((), _none(), "flat"))

    def _part(self, keys: tuple[str, ...], rows: Whole, kind: Kind | None = None) -> _Part:
        if not keys:
            return _Part((), _none(), None)
        near = rows.astype(np.float32) / np.float32(STEPS)
        return _Part(keys, rows, searcher(near, kind or self._kind or kind_for(len(keys), gpu=self._gpu)))

    # ── In a file ────────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, path: Path, code: str = "") -> None:
        """Write all keys and rows; the file stands there whole or not at all. ``code`` says which program wrote it.

        Raises ``RetryError`` when the disk is full: what stood there before still does.
        """
        pairs = sorted(_live(self._view), key=lambda pair: pair[0])
        packed = [key.encode("utf-8", "surrogatepass") for key, _ in pairs]
        arrays: dict[str, Array] = {
            "rows": np.stack([row for _, row in pairs]) if pairs else _none(),
            "keys": np.frombuffer(b"".join(packed), np.uint8),
            "ends": np.cumsum([len(key) for key in packed], dtype=np.int64) if packed else np.zeros(0, np.int64),
            "probe": self.encoder.encode([_PROBE]),
        }
        card = Card(
            kind=KIND, version=VERSION, data=_digest(arrays["rows"], arrays["keys"], arrays["ends"]), code=code,
            licence="made from a shop's own entries", labels=[self.encoder.name],
        )  # fmt: skip
        with needs_disk(str(path)):
            save_model(path, card, arrays)

    @classmethod
    def load(cls, path: Path, encoder: Encoder, *, kind: Kind | None = None, gpu: bool = False) -> FaqIndex:
        """The index of a file. Raises ``InvalidError`` for one that is damaged or was made with another encoder."""
        card, arrays = load_model(path, KIND, VERSION)
        try:
            rows, packed, ends, probe = (arrays[name] for name in ("rows", "keys", "ends", "probe"))
        except KeyError as error:
            raise InvalidError(f"{path} lacks {error}: build the index again") from error
        fits = rows.dtype == np.int16 and packed.dtype == np.uint8 and ends.dtype == np.int64 and packed.ndim == ends.ndim == 1
        if not fits or rows.shape != (len(ends), DIMENSIONS) or probe.shape != (1, DIMENSIONS):
            raise InvalidError(f"the parts of {path} do not fit together: build the index again")
        if card.data != _digest(rows, packed, ends):
            raise InvalidError(f"{path} does not hold what it held when it was written: build the index again")
        own = encoder.encode([_PROBE])
        if card.labels != [encoder.name] or float((own * probe).sum()) < _SAME:
            made = card.labels[0] if card.labels else "nobody knows which"
            raise InvalidError(
                f"{path} was made with another encoder ({made}), not this {encoder.name!r}: build the index again"
            )
        index = cls(encoder, kind=kind, gpu=gpu)
        keys = _keys(packed, ends, path)
        part = index._part(keys, rows)
        index._place = {key: place for place, key in enumerate(keys)}
        index._view = index._view._replace(built=part)
        return index


def _places(part: _Part, gone: frozenset[int], row: Rows, most: int) -> Places:
    """At least ``most`` candidates that are not gone, if there are so many; more is asked for until they are there."""
    assert part.search is not None
    asked = most + min(len(gone), most)
    while True:
        places = part.search(row, min(asked, len(part.keys)))
        if gone:
            places = places[[place not in gone for place in places.tolist()]]
        if len(places) >= most or asked >= len(part.keys):
            return places
        asked *= 4


def _live(view: _View) -> list[tuple[str, Whole]]:
    built = (
        (key, row)
        for place, (key, row) in enumerate(zip(view.built.keys, view.built.rows, strict=True))
        if place not in view.gone
    )
    return [*built, *zip(view.fresh.keys, view.fresh.rows, strict=True)]


def _none() -> Whole:
    return np.zeros((0, DIMENSIONS), np.int16)


def _digest(*arrays: Array) -> str:
    found = sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _keys(packed: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], path: Path) -> tuple[str, ...]:
    """The keys one after another; they must be in order, each once, which also bounds what a hostile file can say."""
    text, starts = packed.tobytes(), [0, *ends.tolist()]
    if len(ends) > MOST_ROWS or starts[-1] != len(text) or any(end < start for start, end in pairwise(starts)):
        raise InvalidError(f"the keys of {path} do not fit together: build the index again")
    try:
        keys = tuple(text[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(starts))
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} has a key that is no text ({error}): build the index again") from error
    if any(left >= right for left, right in pairwise(keys)):
        raise InvalidError(f"the keys of {path} are not in order, each once: build the index again")
    return keys
