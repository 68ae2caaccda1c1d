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

from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from analytics.state import dump_state, load_state
from analytics.window_stores import Fold, Hopping, Panes, Session, Sessions, Told, tumbling

__all__ = ["Fired", "Fold", "Hopping", "Session", "Windows", "tumbling"]

VERSION = 1
HOUR = 3_600_000

S = TypeVar("S")
V = TypeVar("V")
R = TypeVar("R")


class Fired(NamedTuple, Generic[R]):
    """A window as it is told. ``result`` is None for a session that was withdrawn; ``first`` is False for a correction."""

    key: str
    start: int
    end: int
    revision: int
    result: R | None
    first: bool


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
        self._keys: dict[str, tuple[_Clock, Panes | Sessions]] = {}

    def _new(self) -> Panes | Sessions:
        return Sessions(self.shape, self.fold) if isinstance(self.shape, Session) else Panes(self.shape, self.fold)

    def add(self, key: str, ts: int, value: V, revision: int, arrived: int, *, now: int | None = None) -> bool:
        """Take one value of event time ``ts``, out of the record ``revision`` that was ingested at ``arrived``.

        ``now``: what the key's time is believed to be, when the value alone may not decide that; the watermark follows no
        value beyond it. False when it is late, which is counted. Call :meth:`advance` after the last value of a record.
        """
        newest = ts if now is None else min(ts, now)
        clock, store = self._keys.get(key) or (None, None)
        if clock is None or store is None:
            clock, store = self._keys[key] = _Clock(newest, arrived), self._new()
        if revision <= clock.told:
            raise ValueError(f"revision {revision} of {key!r} was told already ({clock.told}): add all values, then advance")
        clock.arrived = max(clock.arrived, arrived)
        if ts < clock.newest - self.bound_ms - self.allowed_ms:
            clock.late += 1
            return False
        clock.newest = max(clock.newest, newest)
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

    def _fire(self, key: str, store: Panes | Sessions, until: int) -> list[Fired[R]]:
        return [
            Fired(key, told.start, told.end, told.revision, self._result(told), told.first) for told in store.due(until)
        ]  # fmt: skip

    def _result(self, told: Told) -> R | None:
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
