"""The command line beside a stack that is up, as people and scripts meet it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import msgspec
import pytest

from livetide.opinions import changed
from livetide.stack import statuses
from streams.publisher import Publisher
from streams.sources.simulator.truth import Truth
from streams.topics import TOPICS
from tests.e2e.running import Demo, now_ms, until

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]


def test_status(demo: Demo) -> None:
    told = json.loads(demo.livetide("status", "--json").stdout)
    assert (told["running"], told["healthy"], told["data"]) == (True, True, str(demo.data))
    assert {process["name"] for process in told["processes"]} == {*demo.state.health, "setup"} - {"stack"}
    assert {process["health"] for process in told["processes"]} == {"ok"}
    assert "secrets" not in told
    shown = demo.livetide("status").stdout
    assert "the stack runs in" in shown
    assert "lag: everything 0" in shown or "lag: everything else 0" in shown
    assert shown.count("\n") < 30, "what does not lag is one line"


def test_status_of_a_folder_without_a_stack(demo: Demo, tmp_path: Path) -> None:
    demo.livetide("status", LIVETIDE_DATA=str(tmp_path), code=3)


QUESTION = "SELECT room_id, count() AS n FROM danmaku WHERE room_id = {room:String} GROUP BY room_id"


@pytest.mark.parametrize(
    ("format", "read"),
    [
        ("JSONEachRow", lambda text: [(row["room_id"], int(row["n"])) for row in map(json.loads, text.splitlines())]),
        ("JSON", lambda text: [(row["room_id"], int(row["n"])) for row in json.loads(text)["data"]]),
        ("TSVWithNames", lambda text: [(a, int(b)) for a, b in list(csv.reader(io.StringIO(text), "excel-tab"))[1:]]),
        ("CSV", lambda text: [(a, int(b)) for a, b in csv.reader(io.StringIO(text))]),
    ],
)
def test_query_in_the_formats_of_clickhouse(
    demo: Demo, truth: Truth, format: str, read: Callable[[str], list[tuple[str, int]]]
) -> None:
    done = demo.livetide("query", QUESTION, "--format", format, "--param", f"room={demo.room}")
    assert read(done.stdout) == [(demo.room, truth.events["chat"])]


def test_query_reads_stdin_and_draws_a_table(demo: Demo) -> None:
    shown = demo.livetide("query", "-", stdin="SELECT count() AS messages FROM danmaku").stdout
    assert "messages" in shown
    assert "┌" in shown


@pytest.mark.parametrize(
    ("sql", "said"), [("SELEKT 1", "Syntax error"), ("SELECT * FROM nowhere", "nowhere"), ("DROP TABLE danmaku", "READONLY")]
)
def test_a_wrong_query_is_one_line_and_exit_code_1(demo: Demo, sql: str, said: str) -> None:
    done = demo.livetide("query", sql, code=1)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("livetide: ")
    assert said in done.stderr


def test_topics_are_all_there(demo: Demo) -> None:
    found = {row["name"]: row for row in demo.lines("topics", "list", "--json")}
    assert set(TOPICS) <= set(found)
    assert {found[name]["partitions"] for name in TOPICS} == {4}


def test_a_repair_beside_running_workers_is_refused_in_one_line(demo: Demo) -> None:
    refused = demo.livetide("agents", "repair", "mood", "--to-checkpoint", code=1).stderr
    assert refused == "livetide: group livetide-mood has members: stop its workers first, then repair again\n"


def test_dead_letters_are_listed_with_their_bytes(demo: Demo, truth: Truth) -> None:
    letters = [row for row in demo.lines("deadletters", "list", "--json") if row["room"] == demo.room]
    assert len(letters) == len(truth.poison)
    assert all(row["reason"] and row["stage"] == "gateway" for row in letters)
    told = demo.livetide("deadletters", "replay", "--stage", "gateway", "--dry-run", code=1).stdout
    assert told.startswith("would replay 0 of ")
    assert demo.livetide("deadletters", "replay", "--stage", "gateway", code=1).stdout == told.replace(
        "would replay", "replayed"
    ).replace("would stay", "stayed")


def test_nothing_found_is_said_to_people_and_not_to_scripts(demo: Demo) -> None:
    for arguments, said in (
        (("alerts", "list", "--room", "nobody"), "no alerts of room nobody"),
        (("clips", "list", "--room", "nobody"), "no clips of room nobody"),
        (("deadletters", "list", "--stage", "nobody"), "no dead letter fits"),
        (("query", "SELECT * FROM sales WHERE room_id = 'nobody'"), "no rows"),
    ):
        done = demo.livetide(*arguments)
        assert done.stdout == ""
        assert done.stderr.startswith(said)
        if arguments[0] != "query":
            assert demo.livetide(*arguments, "--json").stderr == ""
    assert demo.livetide("query", "-f", "JSONEachRow", "SELECT * FROM sales WHERE room_id = 'nobody'").stderr == ""


def test_clips_are_listed_and_copied(demo: Demo, tmp_path: Path) -> None:
    clips = demo.lines("clips", "list", "--room", demo.room, "--json")
    assert {clip["file"] for clip in clips} == {str(path) for path in demo.named("clip")}
    assert all(clip["status"] == "ready" and clip["title"] for clip in clips)
    demo.livetide("clips", "copy", clips[0]["id"], str(tmp_path / "mine.mp4"))
    assert (tmp_path / "mine.mp4").read_bytes() == Path(clips[0]["file"]).read_bytes()
    refused = demo.livetide("clips", "copy", "clip:nobody", str(tmp_path), code=1)
    assert "there is no finished clip" in refused.stderr


def test_an_alert_is_acknowledged(demo: Demo, alarm: Callable[[str], dict[str, Any]]) -> None:
    alert = alarm("complaints")
    assert (alert["topic"], alert["state"]) == ("counterfeit", "firing")
    assert alert["users"] >= 8
    demo.livetide("alerts", "ack", alert["id"])
    now = until(
        lambda: demo.rows("SELECT * FROM alerts_now WHERE id = %(id)s AND state != 'firing'", id=alert["id"]),
        30,
        lambda: str(demo.rows("SELECT revision, state, by FROM alerts WHERE id = %(id)s", id=alert["id"])),
    )
    assert [(row["state"], row["topic"], row["level"]) for row in now] == [("acknowledged", "counterfeit", 2)]
    assert now[0]["changed_by"], "who it was"
    every = demo.rows("SELECT state FROM alerts WHERE id = %(id)s ORDER BY revision", id=alert["id"])
    assert every[-1] == {"state": "acknowledged"}
    assert {"state": "firing"} in every, "the table keeps every change"
    assert "there is no alert" in demo.livetide("alerts", "ack", "alert:nobody", code=1).stderr


def test_an_acknowledgement_holds_above_a_level_that_the_store_did_not_show(
    demo: Demo, alarm: Callable[[str], dict[str, Any]]
) -> None:
    alert = alarm("unseen")
    (row,) = demo.rows("SELECT * FROM alerts_now WHERE id = %(id)s", id=alert["id"])
    sink = next(status.pid for status in statuses(demo.data) if status.name == "sink")
    assert sink is not None
    os.kill(sink, signal.SIGSTOP)  # the store lags
    go_on = Timer(4, os.kill, (sink, signal.SIGCONT))
    try:
        publisher = Publisher(demo.settings.cluster())
        unseen = changed(row, "acknowledged", "", now_ms())  # by its fields; what it says is the agent's
        publisher.send(msgspec.structs.replace(unseen, state="firing", level=2, revision=row["revision"] + 4))
        publisher.flush()
        go_on.start()
        told = demo.livetide("alerts", "ack", alert["id"]).stdout
    finally:
        go_on.cancel()
        os.kill(sink, signal.SIGCONT)
    assert told == f"{alert['id']} is acknowledged at level 2\n"
    every = demo.rows("SELECT revision, state FROM alerts WHERE id = %(id)s ORDER BY revision", id=alert["id"])
    assert [one["state"] for one in every[-3:]] == ["acknowledged", "firing", "acknowledged"]


def test_a_rooms_key_lets_its_events_in_and_no_others(demo: Demo) -> None:
    key = json.loads(demo.livetide("key", "studio:1", "--json").stdout)
    event = {"kind": "chat", "id": "k1", "ts": now_ms(), "user": "u", "text": "你好"}
    with httpx.Client(trust_env=False, headers={"authorization": f"Bearer {key['bearer_key']}"}) as client:
        answer = client.post(key["url"], json={"events": [event]})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        assert client.post(key["url"].replace("studio%3A1", "studio%3A2"), json={"events": [event]}).status_code == 401
    until(lambda: demo.rows("SELECT 1 AS one FROM danmaku WHERE room_id = 'studio:1'"), 60, lambda: "no row came")


def test_a_rooms_key_is_revoked_while_the_gateway_runs(demo: Demo) -> None:
    event = {"kind": "chat", "id": "k1", "ts": now_ms(), "user": "u", "text": "你好"}
    old = json.loads(demo.livetide("key", "studio:3", "--json").stdout)
    with httpx.Client(trust_env=False) as client:

        def post(key: dict[str, str]) -> int:
            headers = {"authorization": f"Bearer {key['bearer_key']}"}
            return client.post(key["url"], headers=headers, json={"events": [event]}).status_code

        assert post(old) == 202
        new = json.loads(demo.livetide("key", "studio:3", "--rotate", "--json").stdout)
        until(lambda: post(old) == 401, 10, lambda: "the old key still lets events in")
        assert post(new) == 202
    path = demo.root / "one.jsonl"
    path.write_text(json.dumps(event | {"id": "k2"}))
    demo.livetide("play", str(path), "--room", "studio:3", "--time", "now")  # with the key that holds now


def test_the_doctor_finds_nothing_wrong(demo: Demo) -> None:
    findings = demo.lines("doctor", "--json")
    assert [finding for finding in findings if finding["verdict"] == "problem"] == []
    assert {"ports", "java", "espeak", "codecs"} <= {finding["name"] for finding in findings}
