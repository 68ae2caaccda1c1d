"""The shape of everything that thinks: one operator holds the state of one partition and turns records into records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streams.records import Record


class Operator(Protocol):
    """A pure operator: the same records in the same order give the same outputs and the same state.

    The agent shell owns one instance per source partition. It feeds every record exactly once in effect, snapshots the state
    between two calls, and gives each output its topic by its kind. An operator never sees Kafka, a clock or randomness.

    ``revision`` grows with every record and every tick: for an operator that reads one topic it is the source offset of the
    record; for one that reads several or has a timer, twice the sum of its positions and ticks (odd numbers are left for people
    who answer what it said). It is what ``Derived.revision`` carries.

    An operator may have ``gauges() -> Mapping[str, float]``: numbers that its state is watched by, exported at each checkpoint.
    """

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """Take one record and return what follows from it. Raises ``InvalidError`` for a record that cannot be used."""
        ...

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        """Time has passed and nothing came: close what only time can close. Called about once a second, by wall clock.

        ``now_ms`` is the reader's clock. Dropping late data goes by the data's watermark only, never by ``now_ms``.
        """
        ...

    def dump(self) -> bytes:
        """The state, complete, as bytes that :meth:`load` of the same version reads."""
        ...

    def load(self, data: bytes) -> None:
        """Become what :meth:`dump` wrote; called on a fresh operator. Raises ``FatalError`` for a state of another version."""
        ...
