"""What a subscriber must not forget: the highest number it has seen of each writer, kept in its commits' metadata."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Set
from typing import NamedTuple

import msgspec

from streams.commits import group_commits
from streams.kafka import Cluster

PREFIX = "seq:"
LIMIT_BYTES = 4_000  # Kafka's offset.metadata.max.bytes is 4096


class Remembered(NamedTuple):
    """What a commit says: where reading goes on, and the highest number by writer."""

    offset: int
    numbers: dict[str, int]


def note(seen: MutableMapping[str, int], writer: str, number: int) -> None:
    """``writer`` is the one that was seen last."""
    seen.pop(writer, None)
    seen[writer] = number


class Memory:
    """Reads and writes that metadata of one group."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        self._cluster, self._group = cluster, group

    def dump(self, seen: Mapping[str, int]) -> str:
        """The metadata of a commit. Should the writers ever be too many, those that were seen last are kept."""
        kept = dict(seen)
        while len(text := PREFIX + msgspec.json.encode(kept).decode()) > LIMIT_BYTES:
            del kept[next(iter(kept))]
        return text

    def load(self, partitions: Set[tuple[str, int]]) -> dict[tuple[str, int], Remembered]:
        """What is remembered of these partitions; those without a commit are missing. Raises ``RetryError``."""
        found = group_commits(self._cluster, self._group, sorted(partitions))
        return {place: Remembered(commit.offset, parse(commit.metadata)) for place, commit in found.items()}


def parse(metadata: str) -> dict[str, int]:
    """The numbers in a commit's metadata; nothing when somebody else made the commit."""
    if not metadata.startswith(PREFIX):
        return {}
    text = metadata.removeprefix(PREFIX).partition("\0")[0]  # confluent-kafka 2.16 commits the string's closing zero, too
    try:
        return msgspec.json.decode(text, type=dict[str, int])
    except msgspec.MsgspecError:
        return {}
