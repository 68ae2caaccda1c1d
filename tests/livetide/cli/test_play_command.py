"""``livetide play`` as a person runs it: a process, an exit code, what it prints; stopped and resumed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livetide.cli.play import exit_code, speed_of, start_of
from livetide.playing import ORIGINAL_DAY, Plan, open_plan
from streams.records import InvalidError
from streams.sources.posting import now_ms
from tests.streams.sources.loopback import Loopback, listening

T = 1_764_000_000_000
SAMPLES = Path(__file__).parents[2] / "streams" / "sources" / "samples"


@contextmanager
def served(gateway: Loopback) -> Iterator[str]:
    """The gateway in a thread of its own, for a command in another process."""
    started: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with listening(gateway) as url:
            started.append(url)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


class Command:
    """``livetide play`` with a data folder of its own."""

    def __init__(self, url: str, data: Path) -> None:
        self._given = ("--gateway", url, "--room", "r1")
        self._environment = {**os.environ, "LIVETIDE_DATA": str(data), "NO_COLOR": "1"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from livetide.cli import main; main()", "play", *self._given, *arguments]
        return subprocess.Popen(
            program, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
            return process.returncode, out, err


@pytest.fixture
def gateway() -> Loopback:
    return Loopback(now_ms)


@pytest.fixture
def command(gateway: Loopback, tmp_path: Path) -> Iterator[Command]:
    with served(gateway) as url:
        yield Command(url, tmp_path / "data")


@pytest.mark.parametrize(
    ("option", "name"), [("--room", "bad room!"), ("--room", ".hidden"), ("--room", ""), ("--source-name", "a/b")]
)
def test_a_name_that_the_gateway_would_refuse_is_refused_at_once(tmp_path: Path, option: str, name: str) -> None:
    command = Command("http://127.0.0.1:9", tmp_path)
    code, out, err = command.run(str(SAMPLES / "events.jsonl"), option, name)
    assert (code, out) == (2, "")
    assert err == f"livetide: {option} {name!r}: 1 to 64 of A-Z a-z 0-9 _ . : - are allowed, and no dot at the start\n"


def test_played_twice(command: Command, gateway: Loopback) -> None:
    path = str(SAMPLES / "blrec.xml")
    code, _, told = command.run(path, "--speed", "max")
    assert code == 0, told
    assert "blrec XML" in told
    assert "5 accepted, 0 duplicates" in told
    assert "2 left out: gift" in told
    code, out, _ = command.run(path, "--speed", "max", "--json")
    assert code == 0
    summary = json.loads(out)
    assert (summary["accepted"], summary["duplicates"], summary["finished"]) == (0, 5, True)
    assert "source=blrec.xml&clock=replay" in gateway.requests[0][0]
    assert gateway.requests[0][1]["authorization"].startswith("Bearer lt_")


def test_what_was_refused_or_unreadable_shows_in_the_exit_code(command: Command, tmp_path: Path) -> None:
    code, _, told = command.run(str(SAMPLES / "biliup.xml"), "--speed", "max")
    assert code == 4
    assert "1 could not be read: cut short inside the file" in told
    poison = tmp_path / "poison.jsonl"
    poison.write_text('{"kind":"chat","id":"1","ts":1764000000000,"user":"u","text":"x"}\n{"kind":"chat"')
    code, _, told = command.run(str(poison), "--speed", "max")
    assert code == 4
    assert "1 refused: not an event" in told


def test_stopped_and_resumed(command: Command, gateway: Loopback, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    rows = [{"ts_ms": T + 20 * n, "user": "u", "text": str(n)} for n in range(1500)]
    tape.write_text("\n".join(json.dumps(row) for row in rows))
    enough = threading.Event()
    gateway.on_request = lambda number: enough.set() if number == 20 else None
    with command.start(str(tape), "--json") as process:
        assert enough.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    stopped = json.loads(out)
    assert 0 < stopped["played"] < 1500
    assert not stopped["finished"]
    code, out, err = command.run(str(tape), "--json", "--resume", "--speed", "max")
    assert code == 0, err
    resumed = json.loads(out)
    assert (resumed["played"], resumed["accepted"]) == (1500, 1500 - stopped["accepted"])
    assert len(gateway.times) == 1500
    code, out, _ = command.run(str(tape), "--json", "--resume", "--speed", "max")
    assert (code, json.loads(out)["accepted"], json.loads(out)["duplicates"]) == (0, 0, 0)


def test_killed_and_resumed(command: Command, gateway: Loopback, tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text("\n".join(json.dumps({"ts_ms": T + 20 * n, "user": "u", "text": str(n)}) for n in range(1000)))
    enough = threading.Event()
    gateway.on_request = lambda number: enough.set() if number == 25 else None
    with command.start(str(tape), "--json") as process:
        assert enough.wait(30)
        process.kill()
        process.communicate(timeout=30)
    code, _, err = command.run(str(tape), "--resume", "--speed", "max")
    assert code == 0, err
    assert len(gateway.times) == 1000
    assert gateway.order["chat"] == list(dict.fromkeys(gateway.order["chat"]))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("/nonexistent.xml",), 2, "does not exist"),
        (("sim:x",), 2, "sim:7"),
        ((str(SAMPLES / "blrec.xml"), "--speed", "fast"), 2, "--speed fast"),
        ((str(SAMPLES / "blrec.xml"), "--time", "later"), 2, "--time later"),
        ((str(SAMPLES / "blrec.xml"), "--start", "noon"), 2, "--start noon"),
        (("rtmp://127.0.0.1/live", "--resume"), 2, "nothing to resume"),
        ((str(SAMPLES / "danmaku_factory.xml"),), 2, "--start"),
    ],
)
def test_wrong_usage_says_what_to_do(command: Command, arguments: tuple[str, ...], code: int, says: str) -> None:
    exited, _, told = command.run(*arguments)
    assert (exited, says in told) == (code, True), told
    assert "Traceback" not in told


def test_a_refused_key_is_told(command: Command, gateway: Loopback) -> None:
    gateway.moods.append("401")
    code, _, told = command.run(str(SAMPLES / "blrec.xml"), "--speed", "max")
    assert code == 1
    assert "401" in told
    assert "lt_" not in told


def test_speed_and_start() -> None:
    assert [speed_of(text) for text in ("1", "6x", "0.5", "max")] == [1.0, 6.0, 0.5, None]
    assert start_of("") is None
    assert start_of("1764000000000") == start_of("2025-11-25T00:00:00+08:00") == T
    for text in ("0", "-1", "nan", "x"):
        with pytest.raises(InvalidError):
            speed_of(text)
    with pytest.raises(InvalidError, match=r"\+08:00"):
        start_of("2025-11-25T00:00:00")


def test_exit_codes() -> None:
    clean = {"failure": "", "finished": True, "rejected": 0, "damaged": {}, "planted": {}}
    assert exit_code(clean) == 0
    assert exit_code(clean | {"rejected": 1}) == exit_code(clean | {"damaged": {"cut": 1}}) == 4
    planted = {"planted": {"poison": 3, "duplicates": 9}}
    assert exit_code(clean | planted | {"rejected": 3}) == 0
    assert exit_code(clean | planted | {"rejected": 4}) == exit_code(clean | planted | {"rejected": 2}) == 4
    assert exit_code(clean | {"finished": False}) == 130
    assert exit_code(clean | {"failure": "no gateway", "finished": False}) == 1


def plan(uri: str, **options: object) -> Plan:
    return Plan(uri, "r1", "http://gateway", **options)  # type: ignore[arg-type]  # options of Plan by their names


def test_times(tmp_path: Path) -> None:
    tape, now = str(SAMPLES / "twitch_downloader.json"), 1_795_000_000_000
    original = open_plan(plan(tape), tmp_path, now)
    assert (original.shift_ms, original.name) == (0, "twitch_downloader.json")
    begins = open_plan(plan(tape, time="now"), tmp_path, now)
    assert begins.outline
    assert begins.outline.first_at + begins.shift_ms == now
    ends = open_plan(plan(tape, time="live"), tmp_path, now)
    assert ends.outline
    assert ends.outline.last_at + ends.shift_ms == now
    assert begins.name == ends.name == "twitch_downloader.json-20261118T110640"


def test_a_simulation_begins_where_it_is_told(tmp_path: Path) -> None:
    pytest.importorskip("av")
    now = 1_795_000_000_000
    for time, base in (("original", ORIGINAL_DAY), ("now", now), ("live", now - 60_000)):
        opened = open_plan(plan("sim:3", time=time, simulation={"minutes": 1.0}), tmp_path, now)
        assert (opened.base_ts, opened.shift_ms, opened.name) == (base, 0, "sim-3")


@pytest.mark.parametrize(
    ("name", "source"), [("录播 一.xml", "xml-"), ("..x.xml", "x.xml-"), ("a" * 80 + ".xml", "a" * 32 + "-")]
)
def test_names_that_the_border_takes(tmp_path: Path, name: str, source: str) -> None:
    (tmp_path / name).write_bytes((SAMPLES / "blrec.xml").read_bytes())
    named = open_plan(plan(str(tmp_path / name)), tmp_path, 0).name
    assert named.startswith(source)
    assert len(named) <= 64
    assert not set(named) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def test_a_simulation_writes_down_what_it_planted(tmp_path: Path) -> None:
    from livetide.playing import keep_truth
    from livetide.settings import Settings
    from streams.sources.simulator import read_truth

    opened = open_plan(plan("sim:3", simulation={"minutes": 1.0}), tmp_path, 1_700_000_000_000)
    path = keep_truth(opened, Settings(data=tmp_path), "r")
    assert path == tmp_path / "truth" / "r.json"
    assert read_truth(path).seed == 3
