"""The supervisor with small real programs: order, restarts, giving up, ending."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from livetide.stack.rotation import rotate
from livetide.stack.supervisor import Policy, Spec, Status, Supervisor
from streams.broker.child import read_pid_file, started_at
from tests.livetide.stack.small import QUICK, runner


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


class Play:
    """A supervisor under test and what its programs wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.diary = folder / "diary"
        self.history: list[list[Status]] = []
        self.supervisor: Supervisor | None = None

    def start(self, specs: Sequence[Spec], policy: Policy = QUICK) -> Supervisor:
        self.supervisor = Supervisor(
            specs, self.folder / "logs", self.folder / "run", policy=policy, on_change=self.history.append
        )
        self.supervisor.start()
        return self.supervisor

    def lines(self) -> list[str]:
        return self.diary.read_text().splitlines() if self.diary.exists() else []

    def status(self, name: str) -> Status:
        assert self.supervisor is not None
        return next(status for status in self.supervisor.statuses() if status.name == name)

    def state(self, name: str, state: str) -> None:
        until(lambda: self.status(name).state == state)

    def pid(self, name: str) -> int:
        pid = self.status(name).pid
        assert pid is not None
        return pid


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    it = Play(tmp_path)
    yield it
    if it.supervisor is not None:
        it.supervisor.stop()


def test_programs_start_in_order_and_end_in_the_opposite_order(play: Play) -> None:
    allowed = play.folder / "allowed"
    supervisor = play.start(
        [
            runner(play.diary, "worker", after=("gateway", "kafka")),
            runner(play.diary, "gateway", after=("kafka",)),
            runner(play.diary, "kafka", ready=lambda: None if allowed.exists() else "still loading"),
        ]
    )
    until(lambda: play.status("kafka").reason == "still loading")
    assert play.status("gateway").state == "waiting"
    allowed.touch()
    play.state("worker", "ready")
    supervisor.stop()
    assert play.lines() == ["kafka starts", "gateway starts", "worker starts", "worker ends", "gateway ends", "kafka ends"]
    assert {status.state for status in supervisor.statuses()} == {"stopped"}


def test_independent_programs_start_side_by_side(play: Play) -> None:
    both = lambda: None if len(play.lines()) == 2 else "waiting for the other"
    play.start([runner(play.diary, "kafka", ready=both), runner(play.diary, "store", ready=both)])
    play.state("kafka", "ready")
    play.state("store", "ready")


def test_output_goes_to_a_log_of_its_own(play: Play) -> None:
    play.start([runner(play.diary, "sink")])
    log = play.folder / "logs" / "sink.log"
    until(lambda: log.exists() and "sink says hello" in log.read_text())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_dies_is_started_again(play: Play, number: signal.Signals) -> None:
    play.start([runner(play.diary, "worker")])
    play.state("worker", "ready")
    first = play.pid("worker")
    os.kill(first, number)
    until(lambda: play.status("worker").restarts == 1 and play.status("worker").state == "ready")
    assert play.pid("worker") != first
    assert started_at(first) is None


def test_the_pause_doubles_and_a_program_that_goes_on_failing_is_given_up(play: Play) -> None:
    supervisor = play.start([runner(play.diary, "clipper"), runner(play.diary, "host")])
    (play.folder / "diary.clipper.fail").touch()
    play.state("clipper", "failed")
    assert play.lines().count("clipper starts") == QUICK.most_restarts + 1
    assert "exit code 7" in play.status("clipper").reason
    assert play.status("host").state == "ready"  # the others go on
    (play.folder / "diary.clipper.fail").unlink()
    supervisor.retry()
    play.state("clipper", "ready")


def test_one_that_never_was_ready_is_given_up_sooner(play: Play) -> None:
    policy = Policy(first_pause=0.01, most_restarts=50, most_false_starts=1, ready_every=0.02)
    play.start(
        [Spec("worker", (sys.executable, "-I", "-c", "raise SystemExit(9)"), dict(os.environ), ready=lambda: "no")], policy
    )
    play.state("worker", "failed")
    assert play.status("worker").restarts == 1


def test_who_dies_because_what_it_needs_is_away_is_not_given_up(play: Play) -> None:
    back = play.folder / "back"
    back.touch()
    play.start(
        [
            runner(play.diary, "kafka", ready=lambda: None if back.exists() else "away"),
            runner(play.diary, "worker", after=("kafka",)),
        ]
    )
    play.state("worker", "ready")
    back.unlink()
    os.kill(play.pid("kafka"), signal.SIGKILL)
    until(lambda: play.status("kafka").reason == "away")
    os.kill(play.pid("worker"), signal.SIGKILL)
    until(lambda: play.status("worker").state == "pausing")
    starts = play.lines().count("worker starts")
    until(lambda: play.status("kafka").reason == "away" and play.status("kafka").state == "starting")
    assert play.lines().count("worker starts") == starts
    back.touch()
    play.state("worker", "ready")


def test_who_fails_while_what_it_needs_hangs_waits_and_is_not_given_up(play: Play) -> None:
    hangs = play.folder / "hangs"
    play.start(
        [
            runner(play.diary, "kafka", ready=lambda: "it hangs" if hangs.exists() else None),
            Spec("setup", (sys.executable, "-I", "-c", ""), dict(os.environ), ("kafka",), once=True),
            runner(play.diary, "worker", after=("kafka", "setup")),
        ]
    )
    play.state("worker", "ready")
    broker = play.pid("kafka")
    hangs.touch()
    for _ in range(QUICK.most_restarts + 2):
        os.kill(play.pid("worker"), signal.SIGKILL)
        until(lambda: play.status("worker").state == "pausing")
        time.sleep(0.3)
        assert play.status("worker").state == "pausing", "nothing is started while the broker hangs"
        hangs.unlink()
        play.state("worker", "ready")
        hangs.touch()
    assert play.pid("kafka") == broker
    assert play.status("worker").restarts == QUICK.most_restarts + 2


def test_a_program_that_runs_but_does_not_live_is_restarted(play: Play) -> None:
    stuck = play.folder / "stuck"
    play.start([runner(play.diary, "worker", alive=lambda: "no progress" if stuck.exists() else None)])
    play.state("worker", "ready")
    first = play.pid("worker")
    stuck.touch()
    until(lambda: play.status("worker").restarts == 1)
    stuck.unlink()
    until(lambda: play.status("worker").state == "ready" and play.pid("worker") != first)
    assert started_at(first) is None
    reasons = {status.reason for moment in play.history for status in moment}
    assert "did not live (no progress; asked 2 times)" in reasons


def test_a_probe_that_raises_is_a_reason(play: Play) -> None:
    def broken() -> str | None:
        raise OSError("connection refused")

    play.start([runner(play.diary, "store", ready=broken)])
    until(lambda: play.status("store").reason == "OSError: connection refused")


def test_one_that_is_never_ready_is_ended_and_tried_again(play: Play) -> None:
    play.start([runner(play.diary, "store", ready=lambda: "loading", start_timeout=0.3)])
    play.state("store", "failed")
    assert "was not ready after" in play.status("store").reason
    assert play.status("store").restarts == QUICK.most_restarts


def test_a_piece_of_work_is_done_once_and_then_the_next_starts(play: Play) -> None:
    done = play.folder / "tries"
    program = (
        f"import pathlib, sys; tries = pathlib.Path({str(done)!r}); tries.touch()\n"
        "tries.write_text(tries.read_text() + 'x'); sys.exit(len(tries.read_text()) < 2)"
    )
    play.start(
        [
            Spec("setup", (sys.executable, "-I", "-c", program), dict(os.environ), once=True),
            runner(play.diary, "gateway", after=("setup",)),
        ]
    )
    play.state("gateway", "ready")
    assert play.status("setup").state == "done"
    assert done.read_text() == "xx"  # failed once, tried again, then never more
    os.kill(play.pid("gateway"), signal.SIGKILL)
    until(lambda: play.status("gateway").restarts == 1 and play.status("gateway").state == "ready")
    assert done.read_text() == "xx"


def test_a_stubborn_program_is_ended_by_force(play: Play) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    supervisor = play.start([Spec("worker", (sys.executable, "-I", "-c", program), dict(os.environ), grace=0.2)])
    log = play.folder / "logs" / "worker.log"
    until(lambda: log.exists() and "deaf" in log.read_text())
    pid = play.pid("worker")
    supervisor.stop()
    assert started_at(pid) is None


def test_what_a_killed_supervisor_left_behind_is_ended_and_nothing_else(play: Play) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        program = (
            "import sys, time; from pathlib import Path\n"
            "from livetide.stack.supervisor import Supervisor\n"
            "from tests.livetide.stack.small import QUICK, runner\n"
            f"folder = Path({str(play.folder)!r})\n"
            "supervisor = Supervisor([runner(folder / 'diary', 'worker')], folder / 'logs', folder / 'run', policy=QUICK)\n"
            "supervisor.start()\n"
            "while not (folder / 'run' / 'worker.pid').exists(): time.sleep(0.01)\n"
            "print(flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as first:
            assert first.stdout is not None
            first.stdout.readline()
            left = read_pid_file(play.folder / "run" / "worker.pid")
            assert left is not None
            first.kill()
        play.start([runner(play.diary, "worker")])
        play.state("worker", "ready")
        until(lambda: started_at(left) is None)
        assert play.pid("worker") != left
        assert bystander.poll() is None
        bystander.kill()


def test_a_circle_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="circle"):
        Supervisor([Spec("a", ("x",), after=("b",)), Spec("b", ("x",), after=("a",))], tmp_path, tmp_path)
    with pytest.raises(ValueError, match="not in the table"):
        Supervisor([Spec("a", ("x",), after=("b",))], tmp_path, tmp_path)


def test_a_log_that_grew_too_large_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    assert not rotate(path, limit=10)
    with path.open("ab") as file:  # as the running program has it
        for number in range(5):
            file.write(f"{number}".encode() * 20)
            file.flush()
            assert rotate(path, limit=10, keep=3)
        file.write(b"short")
        file.flush()
    assert not rotate(path, limit=10)
    assert path.read_bytes() == b"short"
    assert [path.with_name(f"worker.log.{n}").read_bytes()[:1] for n in (1, 2, 3)] == [b"4", b"3", b"2"]
    assert not path.with_name("worker.log.4").exists()
