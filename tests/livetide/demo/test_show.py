"""A demo that stays open: what ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

OPEN = (
    "from rich.console import Console\n"
    "from livetide.demo import show\n"
    "show._stay_open(Console())\n"
    "print('closed', flush=True)\n"
)


@contextmanager
def opened() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-uc", OPEN], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "stays up until Ctrl-C" in process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_it_closes(number: signal.Signals) -> None:
    with opened() as process:
        assert process.stdout is not None
        process.send_signal(number)
        assert process.stdout.read() == "closed\n"
        assert process.wait(30) == 0


def test_nohup_keeps_it_open_when_its_terminal_is_closed() -> None:
    own = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        with opened() as process:
            assert process.stdout is not None
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
            assert process.stdout.read() == "closed\n"
    finally:
        signal.signal(signal.SIGHUP, own)
