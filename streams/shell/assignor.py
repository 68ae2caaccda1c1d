"""Who owns which partitions: partition p of every topic goes to one member, or an agent could not join its sources.

Faust without tables deals topic-partitions out round robin, so that partition 0 of two topics may go to two workers. Every
generation reloads its state from checkpoints anyway, so nothing is gained by sticking to the last owner: the members stand in
the order of their instance names, which a restart does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


def deal(
    members: Mapping[str, tuple[bytes, frozenset[str]]], counts: Mapping[str, int]
) -> dict[str, list[tuple[str, list[int]]]]:
    """Who owns what: ``members`` by id with their instance name and topics; ``counts`` are partitions a topic."""
    order = sorted(members, key=lambda member: (members[member][0], member))
    return {
        member: [
            (topic, mine)
            for topic in sorted(members[member][1])
            if (mine := [p for p in range(counts.get(topic, 0)) if p % len(order) == place])
        ]
        for place, member in enumerate(order)
    }


class CopartitionAssignor:
    """:func:`deal` as aiokafka asks for it; the instance name travels as the member's user data."""

    name = "livetide-copartition"
    version = 1

    def __init__(self, instance: str) -> None:
        self._instance = instance.encode()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), self._instance)

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        topics = {topic for member in members.values() for topic in member.subscription}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        shares = deal({m: (d.user_data or b"", frozenset(d.subscription)) for m, d in members.items()}, counts)
        return {member: ConsumerProtocolMemberAssignment(self.version, share, b"") for member, share in shares.items()}

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        pass
