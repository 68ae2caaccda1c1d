"""The mood of every second, counted again from the comprehended chat as one batch.

The rules, from the operator's bargain and not from its code: a message is late when it is more than 17 s (2 s of disorder and
15 s of allowed lateness) behind the newest of its room that was not; a mood speaks of the ten seconds before its time; shares
have four decimals. Arousal and forecast depend on when a second was finished: they are not well defined here and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.faults.stack.reading import Entry

LATE_MS = 17_000
SPAN_S = 10


class _Counted(NamedTuple):
    user: str
    sentiment: str
    ingest_ts: int
    late: int


def moods(comprehended: Iterable[Entry]) -> dict[tuple[str, int], dict[str, Any]]:
    """By room and time: what the newest revision of each mood must say."""
    newest: dict[str, int] = {}
    late: defaultdict[str, int] = defaultdict(int)
    seconds: defaultdict[tuple[str, int], list[_Counted]] = defaultdict(list)
    for entry in comprehended:
        envelope = entry.record
        room = envelope.room
        for message in envelope.messages:
            if message.event_ts < newest.get(room, message.event_ts) - LATE_MS:
                late[room] += 1
                continue
            newest[room] = max(newest.get(room, 0), message.event_ts)
            counted = _Counted(message.user, message.sentiment, envelope.ingest_ts, late[room])
            seconds[room, message.event_ts // 1000].append(counted)
    ends = {(room, (second + step) * 1000) for room, second in seconds for step in range(1, SPAN_S + 1)}
    return {(room, end): _mood(room, end, seconds) for room, end in ends}


def _mood(room: str, end: int, seconds: dict[tuple[str, int], list[_Counted]]) -> dict[str, Any]:
    last = end // 1000
    inside = [one for second in range(last - SPAN_S, last) for one in seconds.get((room, second), ())]
    return {
        "messages": len(inside),
        "users": len({one.user for one in inside}),
        "negative_share": round(sum(one.sentiment == "negative" for one in inside) / len(inside), 4),
        "positive_share": round(sum(one.sentiment == "positive" for one in inside) / len(inside), 4),
        "ingest_ts": max(one.ingest_ts for one in inside),
        "late": max(one.late for one in inside),
    }
