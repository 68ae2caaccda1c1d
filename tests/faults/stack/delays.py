"""How long things took under faults, from the times that records and the sink's ledger carry: figures, not checks."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from clickhouse_driver import Client

from tests.faults.stack.reading import Log


def delays(log: Log, store: Client) -> dict[str, Any]:
    """Seconds, as ``median / worst``."""
    comprehended = log.said["live.comprehended"]
    claims: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for partition, last, at in store.execute(
        "SELECT partition, last, toUnixTimestamp64Milli(toDateTime64(claimed_at, 3)) FROM live.sink_ledger "
        "WHERE topic = 'live.comprehended' ORDER BY partition, last"
    ):
        claims[partition].append((last, at))
    stored = []
    for entry in comprehended:
        mine = claims[entry.partition]
        place = bisect_left(mine, (entry.offset, 0))
        if place < len(mine):  # old claims are pruned
            stored.append(mine[place][1] - entry.record.ingest_ts)
    alerts = [e.timestamp - e.record.evidence_ts for e in log.said["live.alerts"] if e.record.state == "firing"]
    return {
        "gateway to comprehended": _told([e.timestamp - e.record.ingest_ts for e in comprehended]),
        "gateway to row": _told(stored),
        "evidence to alert": _told(alerts),
    }


def _told(milliseconds: list[int]) -> str:
    if not milliseconds:
        return "none"
    ordered = sorted(milliseconds)
    return f"{ordered[len(ordered) // 2] / 1000:.2f} / {ordered[-1] / 1000:.2f} s"
