"""Real recordings, played as fast as they are taken: exactly their rows, and nothing new when they are played again."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from streams.sources.opening import open_source
from tests.e2e.running import Demo, until

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "danmaku"
RECORDED = {
    "bilibili/danmakufactory01.xml": 1_200,
    "bilibili/nichijou19.xml": 1_002,
    "twitch_zh/VoD_104703028.jsonl.gz": 24_696,
}
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.store,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the repository"),
]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_gives_exactly_its_rows_and_again_only_duplicates(demo: Demo, name: str) -> None:
    room = "recorded-" + Path(name).name.partition(".")[0]
    wanted = [json.loads(event.line) for event in open_source(str(RECORDINGS / name)).events()]
    assert len(wanted) == RECORDED[name]
    play = ("play", str(RECORDINGS / name), "--room", room, "--speed", "max", "--json")
    first = json.loads(demo.livetide(*play).stdout)
    assert (first["accepted"], first["duplicates"], first["rejected"], first["damaged"]) == (len(wanted), 0, 0, {})
    holds(demo, room, wanted)
    again = json.loads(demo.livetide(*play).stdout)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, len(wanted), 0)
    last = wanted[-1]["ts"] + 1000
    mark = {"kind": "chat", "id": "mark", "ts": last, "user": "u", "text": "the last of this room"}
    demo.post(room, mark, clock="replay")  # its row comes after whatever the second time has left in the log
    holds(demo, room, [*wanted, mark])


def holds(demo: Demo, room: str, wanted: list[dict[str, Any]]) -> None:
    """Wait until the room has as many rows, then compare them one by one, and the minutes with a count of our own."""
    counted = "SELECT count() AS n FROM danmaku WHERE room_id = %(room)s"
    until(lambda: demo.rows(counted, room=room)[0]["n"] >= len(wanted), 120, lambda: str(demo.rows(counted, room=room)))
    rows = demo.rows(
        "SELECT source_id, toUnixTimestamp64Milli(ts) AS ms, text FROM danmaku WHERE room_id = %(room)s", room=room
    )
    assert sorted((row["source_id"], row["ms"], row["text"]) for row in rows) == sorted(
        (one["id"], one["ts"], one["text"]) for one in wanted
    )
    minutes = demo.rows(
        "SELECT toUnixTimestamp(minute) AS s, messages, users FROM chat_minutes WHERE room_id = %(room)s", room=room
    )
    assert {row["s"]: (row["messages"], row["users"]) for row in minutes} == by_minute(wanted)


def by_minute(wanted: list[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for one in wanted:
        found[one["ts"] // 60_000 * 60].append(one["user"])
    return {minute: (len(users), len(set(users))) for minute, users in found.items()}
