"""How the stack is: what ``livetide status`` shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from livetide.settings import Settings, load_secrets
from livetide.stack.rotation import last_line
from livetide.stack.state import StackState, load, statuses
from livetide.stack.supervisor import Status
from livetide.stack.table import http_probe
from streams.records import LivetideError

SHOWN = {
    "console_password": "console password",
    "store_password": "store password",
    "kafka_password": "kafka password",
    "operator_key": "operator key",
}
MEASURED_S = 0.3


def report(settings: Settings, *, with_secrets: bool = False) -> dict[str, Any]:
    """One JSON object: ``running``, ``healthy``, ``data``, ``endpoints``, ``processes``, ``lag``, and ``secrets`` on demand."""
    data = settings.data.absolute()
    state = load(data)
    if state is None:
        return {"running": False, "healthy": False, "data": str(data), "endpoints": {}, "processes": [], "lag": []}
    processes = _processes(statuses(data), state, load_secrets(data)["operator_key"], data / "logs")
    lags, reason = _lag(state.settings(settings))
    found: dict[str, Any] = {
        "running": True,
        "healthy": all(process["health"] == "ok" for process in processes) and not reason,
        "data": str(data),
        "pid": state.pid,
        "started_ms": state.started_ms,
        "endpoints": {
            "console": state.console,
            "gateway": state.gateway,
            "kafka": state.kafka,
            "clickhouse": state.clickhouse,
            "clickhouse_http": state.clickhouse_http,
            **{f"health {name}": url for name, url in state.health.items()},
        },
        "processes": processes,
        "lag": lags,
    }
    if reason:
        found["lag_unknown"] = reason
    if with_secrets:
        known = load_secrets(data)
        found["secrets"] = {label: known[name] for name, label in SHOWN.items()}
        if not settings.clickhouse.get_secret_value():
            from storage.server import reader_password

            found["secrets"]["reader password"] = reader_password(known["store_password"])
    return found


def _processes(found: Sequence[Status], state: StackState, key: str, logs: Path) -> list[dict[str, Any]]:
    trees = {status.name: _tree(status.pid) for status in found}
    for tree in trees.values():
        for process in tree:
            _cpu(process)  # the first call starts the measurement
    begun = time.monotonic()
    with ThreadPoolExecutor(max(len(found), 1)) as pool:
        health = list(pool.map(lambda status: _health(status, state, key), found))
    time.sleep(max(0.0, MEASURED_S - (time.monotonic() - begun)))
    return [
        {
            "name": status.name,
            "state": status.state,
            "health": well,
            "pid": status.pid,
            "uptime_s": _uptime(trees[status.name]),
            "restarts": status.restarts,
            "cpu_percent": round(sum(_cpu(process) for process in trees[status.name]), 1),
            "memory_mb": round(sum(_memory(process) for process in trees[status.name]) / 1e6, 1),
            "reason": _reason(status, logs),
        }
        for status, well in zip(found, health, strict=True)
    ]


def _reason(status: Status, logs: Path) -> str:
    """Why a process is not ready; of one that has ended, its own last word."""
    if status.state in ("failed", "pausing"):
        return f"{status.reason}: {last_line(logs / f'{status.name}.log')[-500:]}"
    return status.reason


def _health(status: Status, state: StackState, key: str) -> str:
    if status.state == "done":
        return "ok"
    if status.state != "ready":
        return status.reason or status.state
    url = urlsplit(state.health.get(status.name, ""))
    if not url.hostname or not url.port:
        return "ok"
    return http_probe(url.hostname, url.port, "/readyz", key)() or "ok"


def _tree(pid: int | None) -> list[psutil.Process]:
    if pid is None:
        return []
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _uptime(tree: list[psutil.Process]) -> float | None:
    try:
        return round(time.time() - tree[0].create_time(), 1) if tree else None
    except psutil.Error:
        return None


def _cpu(process: psutil.Process) -> float:
    try:
        return process.cpu_percent(None)
    except psutil.Error:
        return 0.0


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _lag(settings: Settings) -> tuple[list[dict[str, Any]], str]:
    """Records not yet processed, by group and topic, and why it is not known."""
    from streams.lag import group_lags

    try:
        found = group_lags(settings.cluster())
    except LivetideError as error:
        return [], str(error)
    return [{"group": group, "topic": topic, "lag": count} for (group, topic), count in sorted(found.items())], ""
