"""A round of the sink before its offsets are committed: claimed in the ledger, inserted under tokens, the unusable buried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.batches import Batch, Partition
from storage.ledger import Claim, Ledger
from storage.sink_letters import Letters
from storage.sink_recovery import Key, Patience
from storage.writer import Job, Writer
from streams.records import Meter

PRUNE_EVERY = 1_000


class Round:
    """Writes rounds of batches. ``store`` is patient with the store: it tries until the store takes it, or raises."""

    def __init__(self, ledger: Ledger, log_id: str, writer: Writer, letters: Letters, meter: Meter, store: Patience) -> None:
        self._ledger, self._log_id = ledger, log_id
        self._writer, self._letters = writer, letters
        self._meter, self._store = meter, store
        self._number = 0

    def write(self, batches: Sequence[tuple[Partition, Batch]], held: Mapping[Key, Partition]) -> None:
        """What these batches hold is in the store when this returns. ``held`` are all partitions, for the ledger's own sake."""
        self._claim(batches, held)
        self._insert(batches)
        self._letters.bury([letter for _, batch in batches for letter in batch.dead])

    def _claim(self, batches: Sequence[tuple[Partition, Batch]], held: Mapping[Key, Partition]) -> None:
        self._number += 1
        claims = [
            Claim(
                partition.table.topic.name, partition.number, batch.first, batch.last, batch.before, dict(partition.sequences)
            )
            for partition, batch in batches
            if batch.size and not batch.resend
        ]
        token = str(self._number)
        self._store(lambda: self._ledger.claim(claims, token))
        if self._number % PRUNE_EVERY == 0:
            self._store(lambda: self._ledger.prune(held))

    def _insert(self, batches: Sequence[tuple[Partition, Batch]]) -> None:
        jobs = []
        for partition, batch in batches:
            table = partition.table
            for own in (table, *table.beside):
                if rows := batch.rows if own is table else batch.beside.get(own.name):
                    token = f"{own.name}:{self._log_id}:{own.topic.name}:{partition.number}:{batch.first}-{batch.last}"
                    jobs.append(Job(own, rows, token))
            if batch.repeats:
                self._meter.count("sink_repeats", batch.repeats, topic=table.topic.name)
        self._store(lambda: self._writer.write(jobs))
