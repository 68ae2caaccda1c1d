"""Model files: arrays and a card that says what they are, in one ``.npz`` that holds no pickle.

A file is read with suspicion: its sizes are checked before anything is unpacked, an array must be as long as its header says,
numbers must be finite, and a file of another kind or version is refused with what to do. Writing is to the bit the same for
the same contents.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from streams.records import InvalidError

MOST_BYTES = 512_000_000  # unpacked
_CARD = "card.json"
_MOST_CARD = 1_000_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, ValueError, EOFError, KeyError, RuntimeError)

Array = npt.NDArray[Any]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model file says of itself. ``data`` is the SHA-256 of what it was trained on, ``code`` who wrote the file."""

    kind: str
    version: int
    data: str
    code: str
    licence: str
    labels: list[str] = []
    settings: dict[str, float] = {}
    figures: dict[str, float] = {}


class Model(NamedTuple):
    """A model file, read."""

    card: Card
    arrays: dict[str, Array]


def save_model(path: Path, card: Card, arrays: Mapping[str, Array]) -> None:
    """Write a model file; it stands there whole or not at all."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise InvalidError(f"array {name!r} holds Python objects: give it numbers")
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(_entry(_CARD), msgspec.json.format(msgspec.json.encode(card)))
        for name in sorted(arrays):
            held = io.BytesIO()
            np.lib.format.write_array(held, np.asarray(arrays[name], order="C"), version=(1, 0), allow_pickle=False)
            packed.writestr(_entry(f"{name}.npy"), held.getvalue())
    part.replace(path)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def load_model(path: Path, kind: str, version: int) -> Model:
    """Read a model file. Raises :class:`InvalidError` for one that is damaged, hostile, or of another kind or version."""
    with _opened(path) as packed:
        return _read(packed, path, kind, version)


def card_of(path: Path) -> Card:
    """What a model file says of itself, of whatever kind and version. Raises :class:`InvalidError` for damage."""
    with _opened(path) as packed:
        return _card(packed, path)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as packed:
            yield packed
    except FileNotFoundError:
        raise InvalidError(f"no model at {path}: check the path, or make one with `livetide train`") from None
    except _DAMAGE as error:
        raise InvalidError(f"{path} is no model file, or it is damaged ({error}): train it again") from error


def load_shipped(name: str, kind: str, version: int) -> Model:
    """A model file that comes with the package."""
    with as_file(files("analytics.models") / name) as path:
        return load_model(path, kind, version)


def _read(packed: zipfile.ZipFile, path: Path, kind: str, version: int) -> Model:
    entries = packed.infolist()
    card = _card(packed, path)
    if card.kind != kind:
        raise InvalidError(f"{path} is a model of kind {card.kind!r}, and {kind!r} is needed here: give another file")
    if card.version != version:
        raise InvalidError(
            f"{path} was written in version {card.version} of {kind!r} by {card.code}, and this program reads version"
            f" {version}: train it again"
        )
    arrays = {
        entry.filename.removesuffix(".npy"): _array(packed.read(entry), entry.filename)
        for entry in entries
        if entry.filename != _CARD
    }
    return Model(card, arrays)


def _card(packed: zipfile.ZipFile, path: Path) -> Card:
    """The card; before anything is unpacked it is looked how much there would be."""
    if sum(entry.file_size for entry in packed.infolist()) > MOST_BYTES:
        raise InvalidError(f"{path} would unpack to more than {MOST_BYTES:,} bytes: this is no model of ours")
    if packed.getinfo(_CARD).file_size > _MOST_CARD:
        raise ValueError("its card is too long")
    return msgspec.json.decode(packed.read(_CARD), type=Card)


def _array(data: bytes, name: str) -> Array:
    held = io.BytesIO(data)
    magic = np.lib.format.read_magic(held)
    if magic != (1, 0):
        raise ValueError(f"{name} is written in another way, {magic}")
    shape, columns, dtype = np.lib.format.read_array_header_1_0(held, max_header_size=10_000)
    start = held.tell()
    if columns or dtype.hasobject or dtype.kind not in "iufbU":
        raise ValueError(f"{name} holds {dtype}")
    if any(side < 0 for side in shape) or int(np.prod(shape, dtype=object)) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} is not as long as it says")
    array: Array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are none")
    return array
