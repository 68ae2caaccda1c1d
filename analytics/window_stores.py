"""Shapes of windows, and what is held of one key's windows until nothing may enter them any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

S = TypeVar("S")
V_contra = TypeVar("V_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Fold(Protocol[S, V_contra, R_co]):
    """How values become one result. ``add`` and ``merge`` may change and return their first argument, never the second.

    The result must not hang on the order of the values: they are folded as they arrive, not as they happened. A state is
    anything msgspec writes and reads back equal; keep sets out of it, or sorted, since their order is not stable.
    """

    def new(self) -> S: ...
    def add(self, state: S, value: V_contra) -> S: ...
    def merge(self, state: S, other: S) -> S: ...
    def result(self, state: S) -> R_co: ...


@dataclass(frozen=True)
class Hopping:
    """Windows of ``size_ms`` that start at every multiple of ``hop_ms``."""

    size_ms: int
    hop_ms: int

    def __post_init__(self) -> None:
        if not 0 < self.hop_ms <= self.size_ms:
            raise ValueError(
                f"a hopping window needs 0 < hop ≤ size, not a hop of {self.hop_ms} and a size of {self.size_ms} ms"
            )


def tumbling(size_ms: int) -> Hopping:
    """Windows of ``size_ms``, one after the other."""
    return Hopping(size_ms, size_ms)


@dataclass(frozen=True)
class Session:
    """Values of which each is less than ``gap_ms`` after the one before; a session ends ``gap_ms`` after its last value.

    No value can be accepted and find its session forgotten: a session is dropped when its end is as old as a late value.
    """

    gap_ms: int

    def __post_init__(self) -> None:
        if self.gap_ms <= 0:
            raise ValueError(f"a session needs a positive gap, not {self.gap_ms} ms")


class Told(NamedTuple):
    start: int
    end: int
    revision: int
    state: Any  # None: withdrawn
    first: bool


class _Pane(msgspec.Struct, array_like=True):
    """The values of one slice of time. Windows that overlap share panes, so a value is added once and not once a window."""

    state: Any
    revision: int


class Panes:
    """The hopping windows of one key."""

    def __init__(self, shape: Hopping, fold: Fold[Any, Any, Any]) -> None:
        self.shape, self.fold = shape, fold
        self.slice = gcd(shape.size_ms, shape.hop_ms)
        self.panes: dict[int, _Pane] = {}
        self.pending: set[int] = set()  # starts of windows whose newest content is not told
        self.told: set[int] = set()

    def _windows(self, pane: int) -> Iterator[int]:
        """The starts of the windows that contain a pane."""
        start = pane // self.shape.hop_ms * self.shape.hop_ms
        while start + self.shape.size_ms >= pane + self.slice:
            yield start
            start -= self.shape.hop_ms

    def add(self, ts: int, value: Any, revision: int) -> None:
        start = ts // self.slice * self.slice
        pane = self.panes.get(start)
        if pane is None:
            pane = self.panes[start] = _Pane(self.fold.new(), -1)
        if pane.revision != revision:
            pane.revision = revision
            self.pending.update(self._windows(start))
        pane.state = self.fold.add(pane.state, value)

    def due(self, until: int) -> list[Told]:
        size = self.shape.size_ms
        due = sorted(start for start in self.pending if start + size <= until)
        self.pending.difference_update(due)
        told = [self._content(start, start + size) for start in due]
        self.told.update(due)
        return told

    def _content(self, start: int, end: int) -> Told:
        state, revision = self.fold.new(), -1
        for at in range(start, end, self.slice):
            pane = self.panes.get(at)
            if pane is not None:
                state, revision = self.fold.merge(state, pane.state), max(revision, pane.revision)
        return Told(start, end, revision, state, start not in self.told)

    def drop(self, before: int) -> None:
        """Forget what no value may enter any more: windows that end at or before ``before``, and panes only they use."""
        size = self.shape.size_ms
        self.told = {start for start in self.told if start + size > before}
        for start in [start for start in self.panes if all(window + size <= before for window in self._windows(start))]:
            del self.panes[start]

    def dump(self) -> Any:
        return sorted(self.panes.items()), sorted(self.pending), sorted(self.told)

    def load(self, data: Any, state: type[Any]) -> None:
        panes, pending, told = msgspec.convert(data, tuple[list[tuple[int, _Pane]], set[int], set[int]])
        self.panes = {at: _Pane(msgspec.convert(pane.state, state), pane.revision) for at, pane in panes}
        self.pending, self.told = pending, told


class _Open(msgspec.Struct, array_like=True):
    start: int
    end: int
    state: Any
    revision: int
    born: int  # the revision since which a session has had this start
    pending: bool = True
    told: bool = False


class Sessions:
    """The sessions of one key, by start."""

    def __init__(self, shape: Session, fold: Fold[Any, Any, Any]) -> None:
        self.gap, self.fold = shape.gap_ms, fold
        self.open: list[_Open] = []
        self.withdrawn: list[tuple[int, int, int]] = []

    def add(self, ts: int, value: Any, revision: int) -> None:
        merged = _Open(ts, ts + self.gap, self.fold.add(self.fold.new(), value), revision, revision)
        apart: list[_Open] = []
        touched: list[_Open] = []
        for session in self.open:
            (touched if session.start < merged.end and ts < session.end else apart).append(session)
        for index, session in enumerate(touched):
            merged.state = self.fold.merge(session.state, merged.state)
            merged.end = max(merged.end, session.end)
            if index == 0 and session.start <= ts:
                merged.start, merged.born, merged.told = session.start, session.born, session.told
            elif session.born < revision:
                self.withdrawn.append((session.start, session.end, revision))
        self.open = sorted([*apart, merged], key=lambda session: session.start)

    def due(self, until: int) -> list[Told]:
        told = [Told(start, end, revision, None, False) for start, end, revision in self.withdrawn]
        self.withdrawn = []
        for session in self.open:
            if session.pending and session.end <= until:
                told.append(Told(session.start, session.end, session.revision, session.state, not session.told))
                session.pending, session.told = False, True
        return told

    def drop(self, before: int) -> None:
        self.open = [session for session in self.open if session.end > before]

    def dump(self) -> Any:
        return self.open, self.withdrawn

    def load(self, data: Any, state: type[Any]) -> None:
        self.open, self.withdrawn = msgspec.convert(data, tuple[list[_Open], list[tuple[int, int, int]]])
        for session in self.open:
            session.state = msgspec.convert(session.state, state)
