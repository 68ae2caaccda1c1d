"""How many bytes of checkpoints one process may write, shared by all its agents and partitions.

Each checkpoint leaves a debt of its size, and its partition may write again when the debt is paid. All debts together are paid
at one rate, shared equally by those who have one (processor sharing: Kleinrock, "Time-shared systems", 1967). So what a process
writes in any stretch of time is that rate and at most one checkpoint of each partition more; one large state alone has the
whole rate; and a small one beside many large ones waits for its own size times their number, never for their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Budget:
    """``bytes_per_s`` for the whole process; ``now`` in seconds."""

    def __init__(self, bytes_per_s: float, now: Callable[[], float]) -> None:
        if bytes_per_s <= 0:
            raise ValueError(f"a budget of {bytes_per_s} bytes a second allows nothing")
        self._rate, self._now, self._paid_at = bytes_per_s, now, now()
        self._debts: dict[Hashable, float] = {}

    def spent(self, who: Hashable, size: int) -> None:
        """``who`` has written a checkpoint of ``size`` bytes."""
        self._pay()
        self._debts[who] = self._debts.get(who, 0.0) + size

    def free(self, who: Hashable) -> bool:
        """Whether ``who`` may write again."""
        self._pay()
        return who not in self._debts

    def _pay(self) -> None:
        now = self._now()
        money, self._paid_at = (now - self._paid_at) * self._rate, now
        while self._debts and money > 0:
            share = min(money / len(self._debts), *self._debts.values())
            money -= share * len(self._debts)
            self._debts = {who: debt - share for who, debt in self._debts.items() if debt - share > 1e-6}
