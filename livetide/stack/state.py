"""What a running stack writes down for other commands: ``stack.json`` (where things are) and ``run/state.json`` (how they are).

Neither holds a secret. Files are replaced in one step, so a reader sees the old one or the new one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import msgspec

from livetide.settings import Settings
from livetide.stack.supervisor import Status
from streams.broker.child import read_pid_file
from streams.records import LivetideError


class NotRunningError(LivetideError):
    """A command needs the stack of its data folder, and it does not run."""


class StackState(msgspec.Struct, kw_only=True):
    """Where a running stack is. ``environment`` holds its ports as settings; ``health`` has a base URL for each process."""

    data: str
    started_ms: int
    environment: dict[str, str]
    kafka: str
    clickhouse: str
    clickhouse_http: str
    gateway: str
    console: str
    health: dict[str, str] = {}
    version: int = 1
    pid: int = 0

    def settings(self, base: Settings | None = None) -> Settings:
        """The settings of ``base`` with the ports of this stack."""
        known = (base or Settings()).model_dump(exclude_unset=True)
        ports: dict[str, Any] = {name.removeprefix("LIVETIDE_").lower(): value for name, value in self.environment.items()}
        return Settings(**(known | ports | {"data": Path(self.data)}))


def pid_file(data: Path) -> Path:
    return data / "run" / "stack.pid"


def lock_file(data: Path) -> Path:
    """What a supervisor holds locked from its first moment to its last."""
    return data / "run" / "stack.lock"


def lives(data: Path) -> bool:
    """Whether a supervisor of this data folder lives, though it may not have written down yet where it is."""
    try:
        with lock_file(data).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def remembered(data: Path) -> StackState | None:
    """The newest stack of this data folder, running or not."""
    try:
        return msgspec.json.decode((data / "stack.json").read_bytes(), type=StackState)
    except (OSError, msgspec.DecodeError):
        return None


def load(data: Path) -> StackState | None:
    """The running stack of this data folder; None when none runs."""
    pid, state = read_pid_file(pid_file(data)), remembered(data)
    if pid is None or state is None:
        return None
    state.pid = pid
    return state


def connected(settings: Settings | None = None) -> Settings:
    """Settings with the ports of the stack that runs in their data folder, if one does. Secrets go by :func:`needed`."""
    given = settings or Settings()
    state = load(given.data)
    return state.settings(given) if state else given


def needed(*, kafka: bool = False, store: bool = False) -> Settings:
    """Settings that reach a running stack, or the clusters that are set for what is needed.

    Raises :class:`NotRunningError` where neither is there: a default port may be somebody else's, and gets no key of ours.
    """
    given = Settings()
    state = load(given.data)
    if state:
        return state.settings(given)
    elsewhere = given.clickhouse.get_secret_value() or given.clickhouse_reader.get_secret_value()
    if (kafka and not given.kafka) or (store and not elsewhere):
        raise NotRunningError(f"the stack does not run in {given.data.absolute()}; `livetide up` starts it")
    return given


def write_state(data: Path, state: StackState) -> None:
    _replace(data / "stack.json", msgspec.json.format(msgspec.json.encode(state), indent=1))


def write_statuses(data: Path, statuses: list[Status]) -> None:
    _replace(data / "run" / "state.json", msgspec.json.encode(statuses))


def statuses(data: Path) -> list[Status]:
    """How the processes of the newest stack stood when one of them last changed."""
    try:
        return msgspec.json.decode((data / "run" / "state.json").read_bytes(), type=list[Status])
    except (OSError, msgspec.DecodeError):
        return []


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
