"""What an agent is: a name, the topics it reads, the pure operator that thinks, and how its outputs are said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from streams.records import Record
from streams.topics import Topic, checkpoint_topic

GROUP_PREFIX = "livetide-"


class Operator(Protocol):
    """What thinks. The bargain of the four methods is told in ``analytics/operator.py``; this is its shape."""

    def feed(self, record: Record, revision: int, /) -> Sequence[Record]: ...
    def tick(self, now_ms: int, revision: int, /) -> Sequence[Record]: ...
    def dump(self) -> bytes: ...
    def load(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Agent:
    """One agent: one consumer group, one checkpoint topic, one operator per partition.

    ``direct``: one source, no ticks; the operator is a pure function of its input, so outputs are said at once and said again
    to the letter after a crash. ``outbox``: several sources and wall-clock ticks; outputs are part of the checkpoint and are
    said only after the commit that names it, so whatever interleaving made them, nothing is ever said twice differently.
    """

    name: str
    sources: tuple[Topic, ...]
    operator: Callable[[], Operator]
    mode: Literal["direct", "outbox"] = "outbox"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,60}", self.name):
            raise ValueError(f"agent name {self.name!r}: small letters, digits, '-' and '_' only; it names topics and groups")
        if not self.sources or len({topic.name for topic in self.sources}) != len(self.sources):
            raise ValueError(f"agent {self.name}: give at least one source, each once")
        if self.mode == "direct" and len(self.sources) > 1:
            raise ValueError(
                f"agent {self.name}: a direct agent reads one topic; the order of several is not repeatable: outbox"
            )

    @property
    def group(self) -> str:
        return GROUP_PREFIX + self.name

    @property
    def checkpoints(self) -> Topic:
        return checkpoint_topic(self.name)
