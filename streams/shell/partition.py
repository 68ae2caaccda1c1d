"""What one partition of one agent decides, without Kafka and without waiting: what to skip, feed, bury and say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from streams.records import FatalError, InvalidError, Record, RetryError, encode, meant_for, read_sequence
from streams.shell import checkpoint as ck
from streams.shell.agent import Agent
from streams.shell.checkpoint import Checkpoint, Output
from streams.topics import DEADLETTER, TOPIC_OF, dead_letter, key_of

Fate = Literal["processed", "repeated", "dead", "stale"]


class Message(Protocol):
    """A record as it lies in the log; what a Kafka client hands over satisfies it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class GapError(Exception):
    """The log jumped: ``expected`` was to come next in ``topic``, ``got`` came."""

    def __init__(self, topic: str, expected: int, got: int) -> None:
        super().__init__(f"{topic}: offset {expected} was expected, {got} came")
        self.topic, self.expected, self.got = topic, expected, got


class Snapshot(NamedTuple):
    """A checkpoint to be written and, once its commit stands, the outputs that it allows to be said."""

    checkpoint: Checkpoint
    outputs: list[Output]

    def encode(self) -> bytes:
        return ck.encode(self.checkpoint)


class Partition:
    """The state of one partition of one agent: positions, numbers, operator, outputs not yet said.

    Nothing here waits, so a snapshot never falls between a record's effect on the state and its outputs.
    """

    def __init__(self, agent: Agent, checkpoint: Checkpoint) -> None:
        self.agent = agent
        self.number = checkpoint.partition
        self.writer = checkpoint.writer
        self.positions = dict(checkpoint.positions)
        self.outputs: list[Output] = []
        self.dirty = False
        self._operator = agent.operator()
        self._lineage, self._slot = checkpoint.lineage, checkpoint.slot
        self._seen = {topic: dict(writers) for topic, writers in checkpoint.seen.items()}
        self._sent, self._ticks = checkpoint.sent, checkpoint.ticks
        self._passed = sum(checkpoint.positions.values())
        self._birth = checkpoint.birth
        self._sources: dict[str, Any] = {topic.name: topic for topic in agent.sources}
        self._holes = {topic.name for topic in agent.sources if topic.compacted}
        if checkpoint.state:
            self._operator.load(checkpoint.state)

    @classmethod
    def fresh(cls, agent: Agent, number: int, positions: Mapping[str, int], lineage: int) -> Partition:
        """A partition without a past, which begins at ``positions``."""
        empty = Checkpoint(
            agent=agent.name, partition=number, lineage=lineage, slot=0, positions=dict(positions),
            seen={}, sent=0, ticks=0, state=b"", outbox=[], birth=True,
        )  # fmt: skip
        return cls(agent, empty)

    @property
    def revision(self) -> int:
        """Grows with every record and every tick. Even: the odd numbers belong to people, whose word on what an agent said
        (an alert acknowledged) takes the number above it and must never meet the agent's own next one."""
        return 2 * (self._passed + self._ticks)

    def feed(self, message: Message) -> Fate:
        """Take one record; its outputs are appended to ``outputs``.

        Raises :class:`GapError` when records before it are missing, ``RetryError`` when the operator asks for patience (nothing
        has changed then) and ``FatalError`` for a failure that nobody foresaw.
        """
        topic, offset = message.topic, message.offset
        position = self.positions[topic]
        if offset < position:
            return "stale"
        if offset > position and topic not in self._holes:
            raise GapError(topic, position, offset)
        if message.headers and not meant_for(message.headers, self.agent.name):
            self._move(topic, position, offset)
            return "repeated"
        try:
            sequence = read_sequence(message.headers) if message.headers else None
        except ValueError as error:
            self._move(topic, position, offset)
            return self._bury(message, f"its sequence header is broken: {error}")
        if sequence is not None:
            writers = self._seen.setdefault(topic, {})
            if sequence[1] <= writers.get(sequence[0], 0):
                self._move(topic, position, offset)
                return "repeated"
        fate = self._think(message, position)
        if sequence is not None:
            writers[sequence[0]] = sequence[1]
        return fate

    def _think(self, message: Message, position: int) -> Fate:
        topic, offset = message.topic, message.offset
        revision = offset if self.agent.mode == "direct" else self.revision + 2 * (offset + 1 - position)
        try:
            record = self._sources[topic].decode(message.value)
            outputs = self._operator.feed(record, revision)
        except InvalidError as error:
            self._move(topic, position, offset)
            return self._bury(message, str(error))
        except (RetryError, FatalError):
            raise
        except Exception as error:
            raise FatalError(
                f"agent {self.agent.name}: {topic}-{self.number}@{offset} broke the operator: {error!r}. Nothing of it is "
                "committed. Correct the operator, or let it raise InvalidError for such a record."
            ) from error
        self._move(topic, position, offset)
        self._say(outputs)
        return "processed"

    def tick(self, now_ms: int) -> None:
        """Time has passed. A tick that says nothing costs no checkpoint: repeating it contradicts nothing that was said."""
        self._ticks += 1
        self._birth = False
        if outputs := self._operator.tick(now_ms, self.revision):
            self.dirty = True
            self._say(outputs)

    def gauges(self) -> Mapping[str, float]:
        """Numbers that the operator tells of its state; most tell none."""
        said: Mapping[str, float] = getattr(self._operator, "gauges", dict)()
        return said

    def skip_hole(self, topic: str, to: int) -> None:
        """Go on at ``to``: somebody has made sure that the log holds nothing between."""
        self._move(topic, self.positions[topic], to - 1)

    def snapshot(self) -> Snapshot:
        """The state as of now. Outputs of an outbox agent go along and wait for the commit; those of a direct agent must have
        been handed over before."""
        outputs, self.outputs, self.dirty, self._slot = self.outputs, [], False, 1 - self._slot
        assert self.agent.mode == "outbox" or not outputs
        state = self._operator.dump()
        checkpoint = Checkpoint(
            agent=self.agent.name, partition=self.number, lineage=self._lineage, slot=self._slot,
            positions=dict(self.positions), seen={topic: dict(writers) for topic, writers in self._seen.items()},
            sent=self._sent, ticks=self._ticks, state=state, outbox=outputs, birth=self._birth,
        )  # fmt: skip
        return Snapshot(checkpoint, outputs)

    def _move(self, topic: str, position: int, offset: int) -> None:
        self.positions[topic] = offset + 1
        self._birth = False
        self._passed += offset + 1 - position
        self.dirty = True

    def _say(self, records: Iterable[Record]) -> None:
        for record in records:
            self._sent += 1
            self.outputs.append(Output(TOPIC_OF[type(record)].name, key_of(record), encode(record), self._sent))

    def _bury(self, message: Message, reason: str) -> Fate:
        """To the dead letters, with nothing in it that would differ if it were said again."""
        letter = dead_letter(
            message.topic, self.number, message.offset, reason, stage=self.agent.name, failed_ts=message.timestamp,
            key=message.key or b"", value=message.value or b"",
        )  # fmt: skip
        self._sent += 1
        self.outputs.append(Output(DEADLETTER.name, message.topic.encode(), encode(letter), self._sent))
        return "dead"
