"""Recordings, played as fast as they are taken: exactly their rows, and nothing new when they are played again.

Those that we have written ourselves come with an answer sheet, and are always here. The real ones lie beside the repository.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.sources.opening import open_source
from tests.e2e.running import Demo, until
from tests.e2e.written import Said, chat_rows, danmaku_xml

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "danmaku"
RECORDED = {
    "bilibili/danmakufactory01.xml": 1_200,
    "bilibili/nichijou19.xml": 1_002,
    "twitch_zh/VoD_104703028.jsonl.gz": 24_696,
    "twitch_zh/VoD_105450491.jsonl.gz": 46_560,
    "twitch_zh/VoD_111540271.jsonl.gz": 61_614,
}
MARK = "mark"
pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(("name", "write"), [("own.xml", danmaku_xml), ("own.jsonl.gz", chat_rows)])
def test_what_we_wrote_ourselves_comes_out_to_the_letter(
    demo: Demo, tmp_path: Path, name: str, write: Callable[[Path, int], list[Said]]
) -> None:
    said = write(tmp_path / name, 41)
    room = "written-" + name.partition(".")[2]
    said.append(plays_twice(demo, tmp_path / name, room, len(said), said[-1].ts))
    rows = demo.rows("SELECT toUnixTimestamp64Milli(ts) AS ms, text FROM danmaku WHERE room_id = %(room)s", room=room)
    assert sorted((row["ms"], row["text"]) for row in rows) == [(one.ts, one.text) for one in said]
    assert minutes(demo, room) == by_minute(said)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside the repository")
@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_gives_exactly_its_rows_and_again_only_duplicates(demo: Demo, name: str) -> None:
    room = "recorded-" + Path(name).name.partition(".")[0]
    wanted = [json.loads(event.line) for event in open_source(str(RECORDINGS / name)).events()]
    assert len(wanted) == RECORDED[name]
    mark = plays_twice(demo, RECORDINGS / name, room, len(wanted), wanted[-1]["ts"])
    wanted.append({"id": MARK} | mark._asdict())
    rows = demo.rows(
        "SELECT source_id, toUnixTimestamp64Milli(ts) AS ms, text FROM danmaku WHERE room_id = %(room)s", room=room
    )
    assert sorted((row["source_id"], row["ms"], row["text"]) for row in rows) == sorted(
        (one["id"], one["ts"], one["text"]) for one in wanted
    )
    assert minutes(demo, room) == by_minute([Said(one["ts"], one["user"], one["text"]) for one in wanted])


def plays_twice(demo: Demo, path: Path, room: str, count: int, last_ts: int) -> Said:
    """Play it: ``count`` rows come. Play it again: none is new. A last message of the room, returned, closes it off: its row
    comes after whatever the second time has left in the log."""
    play = ("play", str(path), "--room", room, "--speed", "max", "--json")
    first = json.loads(demo.livetide(*play).stdout)
    assert (first["accepted"], first["duplicates"], first["rejected"], first["damaged"]) == (count, 0, 0, {})
    has(demo, room, count)
    again = json.loads(demo.livetide(*play).stdout)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, count, 0)
    mark = Said(last_ts + 1000, "u", "the last of this room")
    demo.post(room, {"kind": "chat", "id": MARK} | mark._asdict(), clock="replay")
    has(demo, room, count + 1)
    return mark


def has(demo: Demo, room: str, count: int) -> None:
    counted = "SELECT count() AS n FROM danmaku WHERE room_id = %(room)s"
    until(lambda: demo.rows(counted, room=room)[0]["n"] >= count, 240, lambda: str(demo.rows(counted, room=room)))


def minutes(demo: Demo, room: str) -> dict[int, tuple[int, int]]:
    """Messages and users by minute, as the store's view counts them."""
    found = demo.rows(
        "SELECT toUnixTimestamp(minute) AS s, messages, users FROM chat_minutes WHERE room_id = %(room)s", room=room
    )
    return {row["s"]: (row["messages"], row["users"]) for row in found}


def by_minute(said: list[Said]) -> dict[int, tuple[int, int]]:
    """The same by a count of our own."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for one in said:
        found[one.ts // 60_000 * 60].append(one.user)
    return {minute: (len(users), len(set(users))) for minute, users in found.items()}
