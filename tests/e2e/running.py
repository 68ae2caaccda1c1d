"""A demo that runs: started as a person starts it, asked as its users would, and ended by Ctrl-C with nothing left behind."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import psutil

from livetide.reading import reader_url
from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, StackState, load
from storage.client import Address, StoreClient
from streams.gateway.auth import bearer_key

DEMO = (sys.executable, "-m", "livetide", "demo")
STAYS = "The stack stays up until Ctrl-C."
SHOWN_S = 540
ENDS_S = 60
KEPT = ("LIVETIDE_CACHE", "LIVETIDE_MAVEN")
"""Settings of this machine that a test leaves as they are: where the broker's jars come from."""

Found = TypeVar("Found")


def until(what: Callable[[], Found], seconds: float, why: Callable[[], str]) -> Found:
    """What ``what`` returns as soon as it is true; fails with ``why`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {why()}"
        time.sleep(0.2)
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Demo:
    """``livetide demo`` in a folder of its own. ``root`` is its LIVETIDE_DATA, ``data`` the folder of the stack in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "demo"
        self.output = root / "demo.out"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_") or name in KEPT}
        self._clean = clean | {"COLUMNS": "200"}
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    # ── Its life ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *arguments: str, **settings: str) -> None:
        """Start it, as a shell would: in a process group of its own, which is what Ctrl-C speaks to."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as file:
            self._process = subprocess.Popen(
                [*DEMO, *arguments],
                env=self._clean | {"LIVETIDE_DATA": str(self.root)} | settings,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def start_in_a_terminal(self, *arguments: str) -> None:
        """Start it in a terminal of its own, which :meth:`hang_up` closes."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.output.touch()
        self._terminal, inside = os.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *DEMO, *arguments],
            env=self._clean | {"LIVETIDE_DATA": str(self.root), "TERM": "dumb"},
            stdin=inside, stdout=inside, stderr=inside,
        )  # fmt: skip
        os.close(inside)
        self._screen = threading.Thread(target=self._show, daemon=True)
        self._screen.start()

    def _show(self) -> None:
        """What a window does: show what comes, until it is closed."""
        with self.output.open("wb", buffering=0) as file:
            while not self._closing.is_set():
                if select.select([self._terminal], [], [], 0.1)[0]:
                    try:
                        file.write(os.read(self._terminal, 65536))
                    except OSError:  # the demo has ended
                        break
        os.close(self._terminal)

    def shown(self) -> None:
        """Wait until the summary is there and the stack is left open."""
        assert self._process is not None
        process = self._process
        until(lambda: STAYS in self.text or process.poll() is not None, SHOWN_S, lambda: self.text)
        assert STAYS in self.text, f"the demo ended with exit code {process.returncode}:\n{self.text}"

    def interrupt(self) -> int:
        """Ctrl-C, which speaks to the whole group; its exit code."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._ended()

    def terminate(self) -> int:
        """What a service manager or `timeout` does; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._ended()

    def hang_up(self) -> int:
        """Close the terminal; its exit code."""
        self._closing.set()
        self._screen.join()
        return self._ended()

    def _ended(self) -> int:
        assert self._process is not None
        try:
            return self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the demo did not end within {ENDS_S} s:\n{self.text}") from None

    def clean_up(self) -> None:
        """Leave nothing behind, whatever has happened."""
        self._closing.set()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        Stack(Settings(data=self.data)).down()

    def processes(self) -> list[psutil.Process]:
        """Everything that it started and that lives: its own tree, the supervisor's, and who was started in its name."""
        found: set[psutil.Process] = set()
        state = load(self.data)
        for pid in (self._process.pid if self._process else None, state.pid if state else None):
            if pid is not None and psutil.pid_exists(pid):
                process = psutil.Process(pid)
                found |= {process, *process.children(recursive=True)}
        found |= {process for process in psutil.process_iter() if self._is_ours(process)}
        return [process for process in found if lives(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("LIVETIDE_DATA", "") in (str(self.root), str(self.data))
        except psutil.Error:
            return False

    # ── What it shows and where things are ───────────────────────────────────────────────────────────────────────────

    @property
    def text(self) -> str:
        """All that it has printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    @property
    def state(self) -> StackState:
        state = load(self.data)
        assert state is not None, "the demo's stack does not run"
        return state

    @property
    def settings(self) -> Settings:
        return self.state.settings(Settings(data=self.data))

    @property
    def secrets(self) -> dict[str, str]:
        return load_secrets(self.data)

    def named(self, what: str) -> list[Path]:
        """The files that "Where to look next" names as ``what``."""
        return [Path(path) for path in re.findall(rf"^  {what} +(/.+?)$", self.text, re.MULTILINE)]

    @property
    def room(self) -> str:
        return self.named("planted")[0].stem

    # ── Asked as its users would ─────────────────────────────────────────────────────────────────────────────────────

    def livetide(self, *arguments: str, code: int = 0, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the demo's stack; fails unless it exits with ``code``."""
        done = subprocess.run(
            [sys.executable, "-m", "livetide", *arguments],
            env=self._clean | {"LIVETIDE_DATA": str(self.data)} | settings,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        told = f"livetide {' '.join(arguments)} exits with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == code, told
        return done

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a command prints, one a line."""
        return [json.loads(line) for line in self.livetide(*arguments).stdout.splitlines()]

    def post(self, room: str, *events: dict[str, Any], **parameters: str) -> httpx.Response:
        """Send events with the room's key."""
        key = bearer_key(self.secrets["master"], room)
        url = f"{self.state.gateway}/v1/rooms/{quote(room, safe='')}/events"
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(trust_env=False, headers=headers, timeout=30) as client:
            return client.post(url, params=parameters, json={"events": events})

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of the store, as its reader sees them."""
        client = StoreClient(Address.parse(reader_url(self.settings)))
        try:
            return client.dicts(sql, parameters)
        finally:
            client.close()


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def listening(processes: list[psutil.Process]) -> dict[tuple[str, int], psutil.Process]:
    """Every address and port on which one of ``processes`` waits for others."""
    found: dict[tuple[str, int], psutil.Process] = {}
    for process in processes:
        try:
            connections = process.net_connections("inet")
        except psutil.Error:
            continue
        for one in connections:
            bound = one.status == psutil.CONN_LISTEN or (one.status == psutil.CONN_NONE and not one.raddr)  # TCP; UDP
            if one.laddr and bound:
                found[one.laddr.ip, one.laddr.port] = process
    return found
