"""Without a stack a command tells so, and whoever holds the stack's ports meanwhile hears nothing, least of all a password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

CHAT = '{"kind": "chat", "id": "c1", "ts": 1800000000000, "user": "u", "text": "hello"}\n'
PORTS = ("KAFKA_PORT", "STORE_PORT", "STORE_HTTP_PORT", "GATEWAY_PORT", "CONSOLE_PORT", "HEALTH_PORT")
COMMANDS = (
    ("query", "SELECT 1"),
    ("alerts", "list"),
    ("alerts", "ack", "a1"),
    ("clips", "list"),
    ("clips", "copy", "c1", "there.mp4"),
    ("topics", "list"),
    ("topics", "create"),
    ("agents", "list"),
    ("agents", "repair", "mood", "--to-checkpoint"),
    ("faq", "mine"),
    ("faq", "export"),
    ("deadletters", "list"),
    ("deadletters", "replay"),
    ("play", "chat.jsonl", "--room", "r"),
    ("play", "sim:1", "--room", "r", "--minutes", "5", "--gateway", "http://127.0.0.1:1"),  # its video goes to Kafka
)


class Strangers:
    """Programs of somebody else that listen where the stack would."""

    def __init__(self) -> None:
        self.listening = {name: socket.create_server(("127.0.0.1", 0)) for name in PORTS}
        for one in self.listening.values():
            one.setblocking(False)

    def environment(self) -> dict[str, str]:
        return {f"LIVETIDE_{name}": str(one.getsockname()[1]) for name, one in self.listening.items()}

    def heard(self) -> list[str]:
        """On which ports somebody has called."""
        called = []
        for name, one in self.listening.items():
            try:
                connection, _ = one.accept()
            except BlockingIOError:
                continue
            connection.close()
            called.append(name)
        return called


@pytest.fixture
def strangers() -> Iterator[Strangers]:
    with ExitStack() as held:
        them = Strangers()
        for one in them.listening.values():
            held.enter_context(one)
        yield them


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_it_tells_so_and_calls_nobody(arguments: tuple[str, ...], strangers: Strangers, tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(CHAT)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
    done = subprocess.run(
        [sys.executable, "-m", "livetide", *arguments],
        env=clean | strangers.environment() | {"LIVETIDE_DATA": str(tmp_path / "data")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert strangers.heard() == []
    assert done.returncode == 3, done.stderr
    assert "the stack does not run" in done.stderr
