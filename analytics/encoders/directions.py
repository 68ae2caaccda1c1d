"""Named unit rows that come and go, searched by direction."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from analytics.encoders.base import DIMENSIONS, Rows


class Directions:
    """Rows by name. The answer does not hang on the order in which they came."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows = np.zeros((16, DIMENSIONS), np.float32)

    def add(self, name: str, row: Rows) -> None:
        if len(self._names) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._names)] = row
        self._names.append(name)

    def drop(self, names: Collection[str]) -> None:
        """Forget these names."""
        kept = [place for place, name in enumerate(self._names) if name not in names]
        self._rows[: len(kept)] = self._rows[kept]
        self._names = [self._names[place] for place in kept]

    def find(self, row: Rows, least: float, most: int = 8) -> list[tuple[float, str]]:
        """Similarity and name of the rows that are at least so near, nearest first."""
        held = self._rows[: len(self._names)]
        near = np.flatnonzero(held @ row >= least - 1e-3)
        exact = (held[near].astype(np.float64) * row.astype(np.float64)).sum(axis=1).round(4).tolist()
        found = [(alike, self._names[place]) for alike, place in zip(exact, near.tolist(), strict=True) if alike >= least]
        return sorted(found, key=lambda pair: (-pair[0], pair[1]))[:most]
