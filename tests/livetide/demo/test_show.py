"""A demo that stays open: what ends it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

OPEN = (
    "import signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background has it ignored
    "from rich.console import Console\n"
    "from livetide.demo import show\n"
    "show._stay_open(Console())\n"
    "print('closed', flush=True)\n"
)


def opened() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-uc", OPEN], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "stays up until Ctrl-C" in process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_it_closes(number: signal.Signals) -> None:
    with opened() as process:
        assert process.stdout is not None
        process.send_signal(number)
        assert process.stdout.read() == "closed\n"
    assert process.returncode == 0


def test_nohup_keeps_it_open_when_its_terminal_is_closed() -> None:
    own = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        process = opened()
    finally:
        signal.signal(signal.SIGHUP, own)
    with process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        assert process.stdout.read() == "closed\n"
