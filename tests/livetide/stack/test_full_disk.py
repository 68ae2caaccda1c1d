"""A disk that is full, or refuses writes, keeps the supervisor from writing down how things are, and from nothing else."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import pytest

from livetide.settings import Settings
from livetide.stack import Stack
from livetide.stack.rotation import LIMIT, rotate
from livetide.stack.state import statuses, write_statuses
from livetide.stack.supervisor import Policy, Spec, Status, Supervisor
from streams.broker.child import Child, read_pid_file, started_at
from streams.records import RetryError
from tests.livetide.stack.small import QUICK, runner
from tests.livetide.stack.test_supervisor import until

SMALL = Path(__file__).with_name("small.py")
Mount = Callable[[Path, str], None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """``mount(folder, size)``: a small disk of its own on ``folder``, or the same one in another size."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    with ExitStack() as held:
        mounted: set[Path] = set()

        def make(folder: Path, size: str) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            how = f"remount,size={size}" if folder in mounted else f"size={size}"
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)], capture_output=True, check=False)
            if done.returncode:
                pytest.skip(f"this machine mounts nothing: {done.stderr.decode().strip()}")
            if folder not in mounted:
                held.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            mounted.add(folder)

        yield make


def fill(folder: Path) -> Path:
    """Write until the disk under ``folder`` is full."""
    path = folder / "filler"
    with path.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    return path


def told(supervisor: Supervisor) -> Status:
    (status,) = supervisor.statuses()
    return status


def restarted(supervisor: Supervisor, times: int, meanwhile: Callable[[], object] = lambda: None) -> None:
    def again() -> bool:
        meanwhile()
        now = told(supervisor)
        return now.restarts == times and now.state == "ready"

    until(again)


def test_on_a_full_disk_a_program_that_dies_is_started_again_and_later_it_is_written_down(
    mount: Mount, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = tmp_path / "disk"
    mount(disk, "64k")
    (disk / "run").mkdir()
    caplog.set_level(logging.INFO)
    supervisor = Supervisor(
        [runner(tmp_path / "diary", "worker")], disk / "logs", disk / "run", policy=QUICK,
        on_change=lambda now: write_statuses(disk, now),
    )  # fmt: skip
    supervisor.start()
    try:
        until(lambda: told(supervisor).state == "ready")
        filler = fill(disk)
        for number in (1, 2):
            pid = told(supervisor).pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            restarted(supervisor, number, lambda: fill(disk))  # what is removed makes no room
        assert "No space left" in caplog.text
        filler.unlink()
        until(lambda: [status.restarts for status in statuses(disk)] == [2])
        until(lambda: read_pid_file(disk / "run" / "worker.pid") == told(supervisor).pid)
    finally:
        supervisor.stop()
    assert told(supervisor).state == "stopped"


@pytest.mark.slow
def test_up_says_that_nothing_can_be_written_down_and_later_finds_the_stack_as_it_is(mount: Mount, tmp_path: Path) -> None:
    stack = Stack(Settings(data=tmp_path / "data"), [sys.executable, str(SMALL)])
    mount(stack.data / "run", "4k")  # room for the supervisor's own id and for nothing else
    try:
        with pytest.raises(RetryError, match=r"cannot write down how the processes stand \(is the disk full"):
            stack.up()
        assert stack.state() is not None
        mount(stack.data / "run", "1m")
        stack.up()
        assert {status.state for status in statuses(stack.data)} == {"ready"}
    finally:
        stack.down()


def test_where_nothing_can_be_written_down_a_program_is_tended_all_the_same(tmp_path: Path) -> None:
    """Also for those who may write anywhere (root): folders stand where files belong, and the log has no room to be moved."""
    logs, run = tmp_path / "logs", tmp_path / "run"
    (logs / "worker.log").mkdir(parents=True)  # it cannot be opened
    (run / f"worker.{os.getpid()}.part").mkdir(parents=True)

    def refused(_: list[Status]) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    supervisor = Supervisor([runner(tmp_path / "diary", "worker")], logs, run, policy=QUICK, on_change=refused)
    supervisor.start()
    try:
        until(lambda: told(supervisor).state == "ready")
        first = told(supervisor).pid
        assert first
        os.kill(first, signal.SIGKILL)
        restarted(supervisor, 1)
    finally:
        supervisor.stop()
    assert started_at(first) is None


def test_a_log_that_cannot_be_moved_stays_whole(tmp_path: Path) -> None:
    log, older = tmp_path / "worker.log", tmp_path / "worker.log.1"
    log.touch()
    os.truncate(log, LIMIT + 1)
    older.write_text("older")
    (tmp_path / "worker.log.part").symlink_to("/dev/full")
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            rotate(log)
        (tmp_path / "worker.log.part").unlink(missing_ok=True)
        (tmp_path / "worker.log.part").symlink_to("/dev/full")
    assert log.stat().st_size == LIMIT + 1
    assert older.read_text() == "older"
    assert not (tmp_path / "worker.log.2").exists()


def test_a_log_that_cannot_be_moved_is_no_reason_to_start_the_program_again(tmp_path: Path) -> None:
    (tmp_path / "logs" / "worker.log.part").mkdir(parents=True)
    log = tmp_path / "logs" / "worker.log"
    log.touch()
    os.truncate(log, LIMIT + 1)
    asked: list[int] = []

    def alive() -> str | None:
        asked.append(1)
        return None

    supervisor = Supervisor(
        [runner(tmp_path / "diary", "worker", alive=alive)], tmp_path / "logs", tmp_path / "run", policy=QUICK
    )
    supervisor.start()
    try:
        until(lambda: len(asked) > 3)
        assert (told(supervisor).state, told(supervisor).restarts) == ("ready", 0)
    finally:
        supervisor.stop()


@pytest.mark.parametrize(
    ("damage", "said"),
    [({"environment": {"A": "no\0text"}}, "ValueError: embedded null byte"), ({"command": (1,)}, "TypeError")],
)
def test_whatever_goes_wrong_in_tending_a_program_counts_as_its_failure(
    tmp_path: Path, damage: dict[str, object], said: str
) -> None:
    policy = Policy(first_pause=0.01, most_false_starts=2, ready_every=0.02)
    good = Spec("worker", (sys.executable, "-c", ""), dict(os.environ), ready=lambda: "no")
    broken = Spec(**{name: getattr(good, name) for name in good.__dataclass_fields__} | damage)
    supervisor = Supervisor([broken], tmp_path / "logs", tmp_path / "run", policy=policy)
    supervisor.start()
    try:
        until(lambda: told(supervisor).state == "failed")
        assert f"could not be tended ({said}" in told(supervisor).reason
        assert told(supervisor).restarts == 2
    finally:
        supervisor.stop()


def test_a_child_that_cannot_be_started_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ValueError, match="null byte"):
        Child(["true"], env={"A": "no\0text"})


def test_the_statuses_that_are_written_are_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    known = [Status(name="worker", state="ready", pid=7, restarts=2)]
    write_statuses(tmp_path, known)
    assert msgspec.json.encode(statuses(tmp_path)) == msgspec.json.encode(known)
