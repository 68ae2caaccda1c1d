"""Is it alive? By progress, not by heartbeats: a worker that holds a partition must move in it or have nothing left to do.

Faust's workers are known to hang with everything looking well. So the end of each partition is asked for on a connection of our
own, and a partition that has records waiting and does not move for ``stall_s`` makes the process unwell, whatever Faust says.
When Kafka does not answer, nobody can move and a restart would not help: then the process is not ready, but alive; and once it
answers again, everybody has as long as ever to move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


class Progress:
    """Watches one agent. Not thread-safe for writing; :meth:`alive` and :meth:`ready` may be asked from any thread."""

    def __init__(self, agent: str, now: Callable[[], float], *, stall_s: float = 30.0, silence_s: float = 15.0) -> None:
        self._agent, self._now, self._stall_s, self._silence_s = agent, now, stall_s, silence_s
        self._positions: dict[tuple[str, int], int] = {}
        self._moved: dict[tuple[str, int], float] = {}
        self._lag: dict[tuple[str, int], int] = {}
        self._beat = self._asked = now()
        self._reason: str | None = "not assigned yet"

    def beat(self, waiting_for: str | None) -> None:
        """The worker's loop runs; ``waiting_for`` is why it is not ready, None when it is.

        To be called by a task that waits for nothing else: what waits for Kafka would fall silent with it.
        """
        self._beat, self._reason = self._now(), waiting_for

    def assigned(self) -> None:
        """A new assignment: what was known about positions is over."""
        self._positions, self._moved, self._lag = {}, {}, {}

    def looked(
        self, ends: Mapping[tuple[str, int], int], positions: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """Kafka told the ends of the assigned partitions; ``positions`` is what is committed. Returns the lags."""
        now = self._now()
        if self.silent():
            self._moved = dict.fromkeys(self._moved, now)
        self._asked = now
        for tp, end in ends.items():
            at = positions.get(tp)
            lag = 0 if at is None else max(0, end - at)
            if lag == 0 or at != self._positions.get(tp):
                self._moved[tp] = now
            if at is not None:
                self._positions[tp] = at
            self._lag[tp] = lag
        return dict(self._lag)

    def silent(self) -> bool:
        """Kafka is away: it has told no ends for a while, so what is known of them is old."""
        return self._now() - self._asked > self._silence_s

    def alive(self) -> str | None:
        """None, or why this process should be started anew."""
        now = self._now()
        if now - self._beat > self._stall_s:
            return f"agent {self._agent}: its loop has not run for {now - self._beat:.0f} s"
        if self.silent():
            return None
        for (topic, partition), moved in list(self._moved.items()):
            if now - moved > self._stall_s:
                return f"agent {self._agent}: {topic}-{partition} has records waiting and has not moved for {now - moved:.0f} s"
        return None

    def ready(self) -> str | None:
        """None, or what is missing before this agent does its work."""
        now = self._now()
        if self._reason is not None:
            return f"agent {self._agent}: {self._reason}"
        if self.silent():
            return f"agent {self._agent}: Kafka has not answered for {now - self._asked:.0f} s"
        return None
