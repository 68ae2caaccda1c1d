"""Children that are ended by process id, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.broker.child import Child, end_process, read_pid_file, started_at, write_pid_file

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


def gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while started_at(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_child_runs_and_is_stopped() -> None:
    child = Child(SLEEP)
    assert child.alive
    child.stop()
    assert child.exit_code == -signal.SIGTERM
    child.stop()  # harmless


def test_a_child_that_ignores_the_request_is_ended_by_force(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as output:
        child = Child(STUBBORN, output=output)
    while not (tmp_path / "said").read_text():
        time.sleep(0.01)
    child.stop(grace=0.1)
    assert child.exit_code == -signal.SIGKILL


def test_a_program_that_is_not_there_ends_at_once() -> None:
    child = Child(["/no/such/program"])
    assert child.wait(10)
    assert child.exit_code not in (0, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_when_its_starter_is_killed(number: signal.Signals) -> None:
    program = (
        "import signal, time; from streams.broker.child import Child\n"
        f"print(Child({SLEEP!r}, on_orphan=signal.Signals({int(number)})).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert started_at(pid) is not None
        starter.kill()
    assert gone(pid)


def test_a_pid_file_knows_its_process_again(tmp_path: Path) -> None:
    child = Child(SLEEP)
    path = tmp_path / "it.pid"
    write_pid_file(path, child.pid)
    assert read_pid_file(path) == child.pid
    assert end_process(path)
    assert child.wait(10)
    assert not path.exists()
    assert not end_process(path)


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    child = Child(SLEEP)
    path = tmp_path / "it.pid"
    write_pid_file(path, child.pid)
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"started": known["started"] - 1}))
    assert read_pid_file(path) is None
    assert not end_process(path)
    write_pid_file(path, child.pid)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"boot": "another"}))
    assert not end_process(path)
    assert child.alive
    child.stop()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_broken_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "it.pid"
    path.write_text(text)
    assert read_pid_file(path) is None
    assert not end_process(path)


def test_when_a_process_started() -> None:
    assert started_at(os.getpid()) == started_at(os.getpid())
    assert started_at(2**22 + 1) is None
