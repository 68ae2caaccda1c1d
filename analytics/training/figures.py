"""The temperature and the threshold that unseen lines call for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_FEWEST = 20  # lines that a threshold must leave


def temperature_of(shares: Array, truth: Array) -> float:
    """The temperature under which the probabilities (n, classes) of unseen lines are likeliest."""
    logs = np.log(np.maximum(shares, 1e-300))

    def loss(temperature: float) -> float:
        said = logs / temperature
        said = said - said.max(axis=1, keepdims=True)
        return float((np.log(np.exp(said).sum(axis=1)) - said[np.arange(len(truth)), truth]).mean())

    return round(float(min(np.geomspace(0.1, 10.0, 201), key=loss)), 4)


def threshold_of(sure: Array, right: Array, precision: float) -> float:
    """The lowest probability from which on unseen lines are right as often as ``precision``; 1 where none is."""
    order = np.argsort(-sure, kind="stable")
    rates = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((rates >= precision) & (np.arange(1, len(order) + 1) >= min(_FEWEST, len(order))))
    return round(float(sure[order][good[-1]]), 4) if len(good) else 1.0
