"""Checks of the machine: what it has and whether it is enough."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import psutil

from livetide.doctor.finding import Finding, ok, problem, warning
from livetide.settings import Settings
from livetide.stack import load
from livetide.stack.places import OWN_PORT
from streams.broker import ports as broker_ports

GB = 1_000_000_000


def system() -> Finding:
    found = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    if platform.system() != "Linux":
        return problem("system", found, "Livetide runs on Linux")
    return ok("system", found)


def disk(path: Path, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Finding:
    """Room for the log, the store and the video. ``path`` need not exist yet."""
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    gigabytes = free(place) / GB
    found = f"{gigabytes:.1f} GB free at {path}"
    if gigabytes < 1:
        return problem("disk", found, "make room, or set LIVETIDE_DATA to a folder on a larger disk")
    if gigabytes < 10:
        return warning("disk", found, "six hours of video of one room need about 10 GB; LIVETIDE_SEGMENT_HOURS keeps less")
    return ok("disk", found)


def memory(available: Callable[[], int] = lambda: psutil.virtual_memory().available) -> Finding:
    gigabytes = available() / GB
    found = f"{gigabytes:.1f} GB available"
    if gigabytes < 1.5:
        return problem("memory", found, "the whole stack takes up to 3 GB: end other programs or use a larger machine")
    if gigabytes < 4:
        return warning("memory", found, "enough to start; 4 GB leave room for a busy evening")
    return ok("memory", found)


def files(limit: Callable[[], int] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[1]) -> Finding:
    """How many files a process may have open: a broker keeps three for each partition."""
    found = f"{limit()} open files allowed"
    return ok("files", found) if limit() >= 4096 else warning("files", found, "raise it: `ulimit -n 65536`")


def ports(settings: Settings, is_free: Callable[[int], bool] = broker_ports.is_free) -> Finding:
    """The ports of the stack. Taken by our own stack is well."""
    if load(settings.data):
        return ok("ports", "held by the running stack")
    names = ["kafka_port", "kafka_controller_port", "store_port", "store_http_port", *OWN_PORT.values(), "health_port"]
    taken = [name for name in names if not is_free(getattr(settings, name))]
    asked_for = [name for name in taken if name in settings.model_fields_set]
    words = ", ".join(f"{getattr(settings, n)} by {broker_ports.holder(getattr(settings, n))}" for n in asked_for or taken)
    if asked_for:
        variables = ", ".join(f"LIVETIDE_{name.upper()}" for name in asked_for)
        return problem("ports", f"taken: {words}", f"end that program, or set {variables} to another port")
    if taken:
        return warning("ports", f"taken: {words}", "`livetide up` chooses other ports; `livetide status` tells which")
    return ok("ports", "all are free")


def clock(
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Finding:
    """Whether the wall clock is plausible and runs evenly: events are judged by it."""
    begun = wall(), monotonic()
    wait(0.3)
    drift = abs((wall() - begun[0]) - (monotonic() - begun[1]))
    now = datetime.fromtimestamp(wall()).astimezone()
    found = f"{now:%Y-%m-%d %H:%M:%S %Z}, drift {drift * 1000:.1f} ms in 0.3 s"
    newest = max(path.stat().st_mtime for path in Path(__file__).parent.glob("*.py"))
    if wall() < newest - timedelta(days=2).total_seconds():
        return problem(
            "clock", found, "the clock is older than this installation: set it, and run a time service (chrony, ntp)"
        )
    if drift > 0.05:
        return warning("clock", found, "the clock was stepped while we looked: run a time service that slews (chrony, ntp)")
    offset = now.utcoffset() or timedelta()
    if abs(offset) > timedelta(hours=14) or offset.total_seconds() % 900:
        return warning("clock", found, f"the time zone's offset {offset} is unusual: check TZ and /etc/localtime")
    return ok("clock", found)


def data_folder(path: Path) -> Finding:
    """It must be ours, writable, and closed to others: it holds chat, video and secrets."""
    if not path.exists():
        place = next(folder for folder in path.parents if folder.exists())
        if os.access(place, os.W_OK | os.X_OK):
            return ok("data folder", f"{path} will be made")
        return problem("data folder", f"{path} cannot be made in {place}", "set LIVETIDE_DATA to a folder of yours")
    state = path.stat()
    mode = stat.S_IMODE(state.st_mode)
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return problem("data folder", f"{path} is not a folder that we can write", "set LIVETIDE_DATA to a folder of yours")
    if state.st_uid != os.geteuid():
        return warning("data folder", f"{path} belongs to user {state.st_uid}", "run as that user, or use a folder of yours")
    loose = [file for file in (path / "secrets.json",) if file.exists() and file.stat().st_mode & 0o077]
    if loose:
        return problem("data folder", f"others can read {loose[0]}", f"`chmod 600 {loose[0]}`")
    if mode & 0o077:
        return warning("data folder", f"others can look into {path} (mode {mode:o})", f"`chmod 700 {path}`")
    return ok("data folder", f"{path}, mode {mode:o}")


def all_checks(settings: Settings) -> Sequence[Callable[[], Finding]]:
    return (
        system,
        lambda: disk(settings.data),
        memory,
        files,
        lambda: ports(settings),
        clock,
        lambda: data_folder(settings.data),
    )
