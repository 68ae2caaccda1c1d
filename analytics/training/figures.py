"""Figures of classifiers: macro-F1, calibration, and the temperature and threshold that unseen lines call for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_BINS = 10
_FEWEST = 20  # lines that a threshold must leave


def macro_f1(truth: Array, said: Array, classes: int) -> float:
    """Mean F1 over the classes that occur in ``truth``; both are numbers of classes."""
    true, given = np.bincount(truth, minlength=classes), np.bincount(said, minlength=classes)
    both = np.bincount(truth[truth == said], minlength=classes)
    there = true > 0
    return float((2 * both[there] / (true[there] + given[there])).mean())


def calibration_error(sure: Array, right: Array) -> float:
    """Expected calibration error over ten bins (Guo et al. 2017): how far ``sure`` is from how often it is right."""
    places = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    bins = [places == k for k in np.unique(places)]
    return float(sum(abs(right[held].mean() - sure[held].mean()) * held.mean() for held in bins))


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
