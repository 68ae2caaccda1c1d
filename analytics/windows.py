"""Event-time windows: tumbling, hopping and session, with watermarks, allowed lateness and corrections. Pure.

**Watermark.** One operator instance reads one partition, and keeps a watermark for every key (room) in it: the largest event
time of the key minus ``bound_ms``, the disorder that is waited for. Per key and not one for the partition, because rooms run
on clocks of their own: a recording that is played into one room must not make its neighbours late, nor the reverse.

**Late.** A value is late when its event time lies before ``watermark - allowed_ms``. This, and only this, drops a value, so
what is dropped follows from the data alone. Late values are counted per key and :meth:`Windows.add` returns False.

**Emission.** A window is told when its end is at or before the watermark, and told again, as a correction, when a value enters
it afterwards. A revision is that of the newest record that went in, never a counter: a window at one revision has one content,
whatever crashes and timers did. A key that falls silent does not move its own watermark, so :meth:`Windows.tick` lets its time
run on by the reader's clock, for emission only.

A session whose start another one takes over is withdrawn: told once more, without a result, whether or not it was told before
(a timer may have told it in a life that ended in a crash, of which this one knows nothing).

After "The Dataflow Model" (Akidau et al., VLDB 2015) and the keyed watermarks of Apache Flink.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from analytics.state import dump_state, load_state

VERSION = 1
HOUR = 3_600_000

S = TypeVar("S")
V = TypeVar("V")
R = TypeVar("R")
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


class Fired(NamedTuple, Generic[R]):
    """A window as it is told. ``result`` is None for a session that was withdrawn; ``first`` is False for a correction."""

    key: str
    start: int
    end: int
    revision: int
    result: R | None
    first: bool


class _Told(NamedTuple):
    start: int
    end: int
    revision: int
    state: Any  # None: withdrawn
    first: bool


class _Pane(msgspec.Struct, array_like=True):
    """The values of one slice of time. Windows that overlap share panes, so a value is added once and not once a window."""

    state: Any
    revision: int


class _Panes:
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

    def due(self, until: int) -> list[_Told]:
        size = self.shape.size_ms
        due = sorted(start for start in self.pending if start + size <= until)
        self.pending.difference_update(due)
        told = [self._content(start, start + size) for start in due]
        self.told.update(due)
        return told

    def _content(self, start: int, end: int) -> _Told:
        state, revision = self.fold.new(), -1
        for at in range(start, end, self.slice):
            pane = self.panes.get(at)
            if pane is not None:
                state, revision = self.fold.merge(state, pane.state), max(revision, pane.revision)
        return _Told(start, end, revision, state, start not in self.told)

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


class _Sessions:
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

    def due(self, until: int) -> list[_Told]:
        told = [_Told(start, end, revision, None, False) for start, end, revision in self.withdrawn]
        self.withdrawn = []
        for session in self.open:
            if session.pending and session.end <= until:
                told.append(_Told(session.start, session.end, session.revision, session.state, not session.told))
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


class _Clock(msgspec.Struct, array_like=True):
    """What is known of one key's time: newest event, when it last arrived, how far a tick let it run, what was told, late."""

    newest: int
    arrived: int
    early: int = 0
    told: int = -1
    late: int = 0


class Windows(Generic[S, V, R]):
    """Keyed windows over the values of one partition.

    ``state`` is the type of the fold's state. ``bound_ms``: disorder waited for before a window is told. ``allowed_ms``: how
    much later a value may still correct. ``idle_ms``: silence after which a tick moves a key on. ``forget_ms``: silence after
    which a key is told to the end and forgotten; what comes later for it starts anew.

    Memory: per key the windows of ``bound_ms + allowed_ms`` and one window's length.
    """

    def __init__(
        self, shape: Hopping | Session, fold: Fold[S, V, R], state: type[S], *,
        bound_ms: int, allowed_ms: int = 0, idle_ms: int = 2_000, forget_ms: int = HOUR,
    ) -> None:  # fmt: skip
        if bound_ms < 0 or allowed_ms < 0 or idle_ms < 0:
            raise ValueError(f"lateness is never negative: bound {bound_ms}, allowed {allowed_ms}, idle {idle_ms} ms")
        self.shape, self.fold, self.state = shape, fold, state
        self.bound_ms, self.allowed_ms, self.idle_ms, self.forget_ms = bound_ms, allowed_ms, idle_ms, forget_ms
        self._keys: dict[str, tuple[_Clock, _Panes | _Sessions]] = {}

    def _new(self) -> _Panes | _Sessions:
        return _Sessions(self.shape, self.fold) if isinstance(self.shape, Session) else _Panes(self.shape, self.fold)

    def add(self, key: str, ts: int, value: V, revision: int, arrived: int) -> bool:
        """Take one value of event time ``ts``, out of the record ``revision`` that was ingested at ``arrived``.

        False when it is late, which is counted. Call :meth:`advance` after the last value of a record.
        """
        clock, store = self._keys.get(key) or (None, None)
        if clock is None or store is None:
            clock, store = self._keys[key] = _Clock(ts, arrived), self._new()
        if revision <= clock.told:
            raise ValueError(f"revision {revision} of {key!r} was told already ({clock.told}): add all values, then advance")
        clock.arrived = max(clock.arrived, arrived)
        if ts < clock.newest - self.bound_ms - self.allowed_ms:
            clock.late += 1
            return False
        clock.newest = max(clock.newest, ts)
        store.add(ts, value, revision)
        return True

    def advance(self, key: str, revision: int) -> list[Fired[R]]:
        """The record ``revision`` is done: what follows from it for its key, in order of time."""
        if key not in self._keys:
            return []
        clock, store = self._keys[key]
        clock.told = max(clock.told, revision)
        watermark = clock.newest - self.bound_ms
        fired = self._fire(key, store, max(watermark, clock.early))
        store.drop(watermark - self.allowed_ms)
        return fired

    def tick(self, now_ms: int) -> list[Fired[R]]:
        """Move idle keys on, as if their clocks had run with ``now_ms`` since their last record. Emission only."""
        fired: list[Fired[R]] = []
        for key, (clock, store) in list(self._keys.items()):
            silent = now_ms - clock.arrived
            if silent >= self.forget_ms:
                fired += self._fire(key, store, 1 << 62)
                del self._keys[key]
            elif silent >= self.idle_ms:
                clock.early = max(clock.early, clock.newest + silent - self.bound_ms)
                fired += self._fire(key, store, clock.early)
        return fired

    def _fire(self, key: str, store: _Panes | _Sessions, until: int) -> list[Fired[R]]:
        return [
            Fired(key, told.start, told.end, told.revision, self._result(told), told.first) for told in store.due(until)
        ]  # fmt: skip

    def _result(self, told: _Told) -> R | None:
        return None if told.state is None else self.fold.result(told.state)

    def forget(self, key: str) -> None:
        """Drop a key with all it holds, untold."""
        self._keys.pop(key, None)

    def watermark(self, key: str) -> int | None:
        """The key's watermark by its data; None for an unknown key."""
        return self._keys[key][0].newest - self.bound_ms if key in self._keys else None

    def late(self, key: str) -> int:
        """How many values of the key came too late, since it was first seen."""
        return self._keys[key][0].late if key in self._keys else 0

    def __len__(self) -> int:
        return len(self._keys)

    def dump(self) -> bytes:
        """All keys, as bytes."""
        return dump_state("windows", VERSION, [(key, clock, store.dump()) for key, (clock, store) in self._keys.items()])

    def load(self, data: bytes) -> None:
        """Become what :meth:`dump` wrote. Raises ``FatalError`` for anything else."""
        self._keys = {}
        for key, clock, content in load_state(data, "windows", VERSION, list[tuple[str, _Clock, Any]]):
            store = self._new()
            store.load(content, self.state)
            self._keys[key] = clock, store
