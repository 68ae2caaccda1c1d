"""Batches: one partition's records on their way to rows, cut at offsets, each row once. No Kafka and no store in here.

A record counts once because of its sequence header, when its writer numbers what it writes; otherwise because of its row's room
and id, among the last rows of the partition (``storage.recent``). Beyond that horizon the tables replace by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from storage.ledger import Claim
from storage.recent import Recent, row_key
from storage.rows import Row, Table
from streams.records import DeadLetter, FatalError, InvalidError, encode, meant_for, read_sequence
from streams.topics import dead_letter

STAGE: Final = "sink"
Header = tuple[str, bytes | str | None]


class Message(NamedTuple):
    """A record as it lies in the log."""

    offset: int
    key: bytes
    value: bytes | None
    headers: Iterable[Header] | None = None


@dataclass
class Batch:
    """Records ``first`` to ``last`` of a partition and what became of them; ``since`` says when it was begun.

    ``resend`` repeats a batch of the ledger. ``beside`` are rows for tables beside the partition's own.
    """

    first: int
    before: dict[str, int]
    last: int = -1
    rows: list[Row] = field(default_factory=list)
    beside: dict[str, list[Row]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    records: int = 0
    repeats: int = 0
    resend: bool = False
    since: int = 0

    @property
    def size(self) -> int:
        """How many rows it has, of all tables."""
        return len(self.rows) + sum(map(len, self.beside.values()))


class Partition:
    """The reading end of one partition: takes messages in the order of their offsets and cuts batches.

    ``recent`` finds the rows of a short while ago, when the first record comes and the table needs them.
    """

    def __init__(
        self, table: Table, number: int, sequences: dict[str, int], recent: Callable[[], Recent], resend: Claim | None = None
    ) -> None:
        self.table = table
        self.number = number
        self.sequences = dict(resend.before if resend else sequences)
        self.position = -1
        self._find_recent = recent
        self._recent: Recent | None = None
        self._resend = resend
        self._held: list[Message] = []
        self.batch: Batch | None = None

    @property
    def due(self) -> bool:
        """Whether a batch must be written now, since it repeats one that ends here."""
        return self._resend is not None and (bool(self._held) or self.position >= self._resend.last)

    @property
    def waits_for(self) -> int | None:
        """The last offset of the batch that is sent again; None when there is none."""
        return self._resend.last if self._resend else None

    def take(self, message: Message, clock: Callable[[], int]) -> None:
        """Turn one message into rows of the open batch, or into a dead letter."""
        if self.table.ids and self._recent is None:  # before anything changes here: the store may be away
            self._recent = self._find_recent()
        if self._resend and message.offset > self._resend.last:
            self._held.append(message)
            return
        if message.offset <= self.position:
            raise FatalError(
                f"{self.table.topic.name}/{self.number}: offset {message.offset} came after {self.position}: "
                "start the sink again; it goes on from its ledger"
            )
        self.position = message.offset
        if self.batch is None:
            first = self._resend.first if self._resend else message.offset
            self.batch = Batch(first, dict(self.sequences), resend=self._resend is not None, since=clock())
        self.batch.last = message.offset
        self.batch.records += 1
        try:
            self._rows(self.batch, message, clock)
        except InvalidError as error:
            self.batch.dead.append(self._dead(message, str(error), clock()))

    def cut(self) -> Batch | None:
        """Close the open batch and give it out. After a repeated batch, what was held back comes next: see :meth:`held`."""
        batch, self.batch = self.batch, None
        if self._resend:
            batch = batch or Batch(self._resend.first, dict(self._resend.before), resend=True)
            batch.last = self._resend.last
            self.position = max(self.position, self._resend.last)
            self._resend = None
        return batch

    def held(self) -> list[Message]:
        """What came while a batch was repeated, to be taken now."""
        held, self._held = self._held, []
        return held

    def _rows(self, batch: Batch, message: Message, clock: Callable[[], int]) -> None:
        if not meant_for(message.headers, STAGE):  # another stage had buried it: its row is there since it first came
            batch.repeats += 1
            return
        sequence = _sequence(message.headers)
        if sequence and sequence[1] <= self.sequences.get(sequence[0], 0):
            batch.repeats += 1
            return
        if sequence:
            self.sequences[sequence[0]] = sequence[1]
        record = self.table.topic.decode(message.value)
        if (table := self.table.of(record)) is not self.table:
            batch.beside.setdefault(table.name, []).extend(table.rows(record, self.number, message.offset))
            return
        rows = self._rows_of(record, batch, message, clock)
        if not sequence and self.table.ids and self._recent is not None:
            now, recent = clock(), self._recent
            keys = (row_key(row[0], row_id) for row, row_id in zip(rows, self.table.ids(record), strict=True))
            fresh = [row for row, key in zip(rows, keys, strict=True) if not recent.repeated(key, now)]
            batch.repeats += len(fresh) < len(rows)
            rows = fresh
        batch.rows += rows

    def _rows_of(self, record: Any, batch: Batch, message: Message, clock: Callable[[], int]) -> list[Row]:
        """The rows of a record; of an envelope those that can be stored, and only the others are buried."""
        try:
            return self.table.rows(record, self.number, message.offset)
        except InvalidError as error:
            if self.table.part is None:
                raise
            good, bad = self.table.part(record)
            rows = self.table.rows(good, self.number, message.offset)
            batch.dead.append(self._dead(message._replace(value=encode(bad)), str(error), clock()))
            return rows

    def _dead(self, message: Message, reason: str, now: int) -> DeadLetter:
        return dead_letter(
            self.table.topic.name, self.number, message.offset, reason, stage=STAGE, failed_ts=now, key=message.key,
            value=message.value or b"",
        )  # fmt: skip


def _sequence(headers: Iterable[Header] | None) -> tuple[str, int] | None:
    try:
        return read_sequence((name, value) for name, value in headers or ())
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidError(f"a sequence header that is no writer and number: {error}") from error


class DeadShare:
    """Stops a sink whose input is mostly poison: over ``limit`` of the last thousand or so records, and at least a hundred."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._records = self._dead = 0.0

    def count(self, batch: Batch) -> None:
        """Raises :class:`FatalError` beyond the limit."""
        self._records += batch.records
        self._dead += len(batch.dead)
        if self._dead >= 100 and self._dead > self._limit * self._records:
            raise FatalError(
                f"{self._dead:.0f} of the last {self._records:.0f} records could not be used; the limit is {self._limit:.0%}. "
                "Look at them with `livetide deadletters list --stage sink`: what writes these topics is broken, or newer than "
                "this sink. Start again once it is corrected, with LIVETIDE_POISON_LIMIT=1 to work off what it has left. "
                "`livetide deadletters replay` sends back what can be read by then"
            )
        if self._records > 1000:
            self._records, self._dead = self._records / 2, self._dead / 2
