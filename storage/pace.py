"""When a round of inserts begins, and whose rows are in it.

An insert costs the store about the same for one row as for a hundred, and every table and partition is one. So what is asked
for at once (what enters, chat, alerts) is written in every round, and what is said about it waits for company.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from storage.batches import Partition

LONGEST_PAUSE_MS: Final = 500
PATIENCE_MS: Final = 1_000
PATIENT: Final = frozenset(
    {"products", "frames", "answers", "intents", "mood", "segments", "highlights", "host_commands", "host_events"}
)
"""Tables whose rows may wait :data:`PATIENCE_MS` for company: what was said about a room, and nobody acts on the row."""


def pause_ms(flush_ms: int, took_ms: int) -> int:
    """How long rows are gathered after a round of inserts, so that rounds begin ``flush_ms`` apart.

    At least as long as the round took, up to half a second: a store that is slow gets fewer, larger rounds, and time for those
    who ask it.
    """
    return max(flush_ms - took_ms, min(took_ms, LONGEST_PAUSE_MS))


def ripe(partition: Partition, now: int, pause: int) -> bool:
    """Whether what waits here has waited long enough to begin a round."""
    batch = partition.batch
    patience = PATIENCE_MS if partition.table.name in PATIENT else 0
    return batch is not None and now - batch.since >= max(pause, patience)


def in_round(partitions: Iterable[Partition], now: int, pause: int) -> list[Partition]:
    """Who is in a round that begins now: all but those that can wait and have not waited long enough."""
    return [p for p in partitions if p.table.name not in PATIENT or p.due or ripe(p, now, pause)]
