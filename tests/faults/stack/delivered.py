"""Alerts as their receiver knows them: how each stands in the end has been told, and nothing that was never said."""

from __future__ import annotations

import time

from livetide.demo.receiver import Receiver
from streams.kafka import Cluster
from streams.records import Alert
from streams.topics import ALERTS
from tests.faults.stack.reading import read

QUIET = ("inhibited", "silenced")
"""States of which nobody is told."""


def missing(cluster: Cluster, receiver: Receiver, within_s: float = 60) -> list[str]:
    """What is wrong with what the receiver was told, once it was told the last word on every alert or the time is over."""
    said: dict[tuple[str, int], Alert] = {}
    for entry in read(cluster, ALERTS.name):
        if isinstance(entry.record, Alert):
            said[entry.record.id, entry.record.revision] = entry.record
    newest = {identity: max(rev for known, rev in said if known == identity) for identity, _ in said}
    wanted = {key for key in newest.items() if said[key].state not in QUIET}
    deadline = time.monotonic() + within_s
    while wanted - (told := {(one.id, one.revision) for one in receiver.delivered.values()}) and time.monotonic() < deadline:
        time.sleep(0.2)
    faults = [f"the receiver was not told of {identity} as of revision {rev}" for identity, rev in sorted(wanted - told)]
    faults += [f"the receiver was told of {identity} as of {rev}, which was never said" for identity, rev in told - said.keys()]
    return faults + ([f"the receiver refused {receiver.refused} alerts"] if receiver.refused else [])
