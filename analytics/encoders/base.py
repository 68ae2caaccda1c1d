"""What an encoder is: texts in, directions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

DIMENSIONS = 768
MEANING = 512  # the first of them say what a text means; the rest what it is made of
WORDING = DIMENSIONS - MEANING
CUT = 64  # code points of a text that count

Rows = npt.NDArray[np.float32]

_LEAST = 1e-9


class Encoder(Protocol):
    """What turns texts into directions. ``name`` says which one is running."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> Rows:
        """One unit row of :data:`DIMENSIONS` for each text, ``float32`` (n, 768)."""
        ...


def unit(rows: npt.NDArray[np.floating[Any]]) -> Rows:
    """Rows of length 1. A row with nothing in it becomes the first unit vector."""
    wide = rows.astype(np.float64)
    lengths = np.sqrt((wide * wide).sum(axis=1))
    nothing = lengths < _LEAST
    if nothing.any():
        wide[nothing] = 0.0
        wide[nothing, 0] = lengths[nothing] = 1.0
    made: Rows = (wide / lengths[:, None]).astype(np.float32)
    return made


def joined(meaning: Rows, wording: Rows, weight: float) -> Rows:
    """Rows of :data:`DIMENSIONS` from unit rows of both halves; ``weight`` is the share of meaning in a product of two rows."""
    rows: Rows = np.empty((len(meaning), DIMENSIONS), np.float32)
    rows[:, :MEANING] = meaning * np.float32(weight**0.5)
    rows[:, MEANING:] = wording * np.float32((1.0 - weight) ** 0.5)
    return rows
