"""Every check of the doctor, well and unwell."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from livetide.doctor import Finding, machine, parts, run_checks
from livetide.settings import Settings
from streams.broker import jars
from streams.records import FatalError


def no_java() -> Path:
    raise FatalError("no Java 17 or newer")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", cache=tmp_path / "cache")


@pytest.mark.parametrize(("free", "verdict"), [(500_000_000, "problem"), (5_000_000_000, "warning"), (50_000_000_000, "ok")])
def test_disk(tmp_path: Path, free: int, verdict: str) -> None:
    assert machine.disk(tmp_path / "not" / "yet", lambda _: free).verdict == verdict


@pytest.mark.parametrize(("available", "verdict"), [(10**9, "problem"), (2 * 10**9, "warning"), (16 * 10**9, "ok")])
def test_memory(available: int, verdict: str) -> None:
    assert machine.memory(lambda: available).verdict == verdict


@pytest.mark.parametrize(("limit", "verdict"), [(1024, "warning"), (65536, "ok")])
def test_files(limit: int, verdict: str) -> None:
    assert machine.files(lambda: limit).verdict == verdict


def test_ports_that_are_taken(settings: Settings) -> None:
    assert machine.ports(settings, lambda _: True).verdict == "ok"
    assert machine.ports(settings, lambda port: port != settings.kafka_port).verdict == "warning"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        asked_for = Settings(data=settings.data, gateway_port=holder.getsockname()[1])
        found = machine.ports(asked_for, lambda port: port != asked_for.gateway_port)
    assert found.verdict == "problem"
    assert f"by process {os.getpid()}" in found.found
    assert "LIVETIDE_GATEWAY_PORT" in found.advice


def ticking(*readings: float) -> Callable[[], float]:
    return itertools.chain(readings, itertools.repeat(readings[-1])).__next__


@pytest.mark.parametrize(
    ("wall", "monotonic", "verdict"),
    [
        (ticking(4e9, 4e9 + 0.3), ticking(1, 1.3), "ok"),
        (ticking(4e9, 4e9 + 60), ticking(1, 1.3), "warning"),
        (ticking(1e9, 1e9 + 0.3), ticking(1, 1.3), "problem"),
    ],
)
def test_clock(wall: Callable[[], float], monotonic: Callable[[], float], verdict: str) -> None:
    assert machine.clock(wall, monotonic, lambda _: None).verdict == verdict


def test_data_folder(tmp_path: Path) -> None:
    assert machine.data_folder(tmp_path / "new" / "one").verdict == "ok"
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    assert machine.data_folder(folder).verdict == "ok"
    folder.chmod(0o755)
    assert machine.data_folder(folder).verdict == "warning"
    (folder / "secrets.json").write_text("{}")
    (folder / "secrets.json").chmod(0o644)
    found = machine.data_folder(folder)
    assert found.verdict == "problem"
    assert found.advice.startswith("`chmod 600 ")
    (tmp_path / "file").write_text("")
    assert machine.data_folder(tmp_path / "file").verdict == "problem"


def test_java(settings: Settings) -> None:
    assert parts.java(settings).verdict == "ok"
    assert parts.java(settings, no_java).verdict == "problem"
    assert parts.java(Settings(data=settings.data, kafka="broker:9092"), no_java).verdict == "ok"


def test_cache_that_is_empty_or_damaged(settings: Settings) -> None:
    found = parts.cache(settings)
    assert found.verdict == "warning"
    assert "46 of 46" in found.found
    folder = jars.folder_in(settings.cache)
    folder.mkdir(parents=True)
    (folder / jars.pinned()[0].name).write_bytes(b"broken")
    assert f"damaged: {jars.pinned()[0].name}" in parts.cache(settings).found


def test_versions() -> None:
    found = parts.pinned_versions()
    assert found.verdict == "ok"
    assert "faust-streaming" in found.found
    assert "aiokafka" in found.found
    assert parts.pinned_versions("no-such-package").verdict == "problem"


@pytest.mark.parametrize("check", [parts.ffmpeg, parts.codecs, parts.espeak, machine.system])
def test_what_is_installed_here_runs(check: Callable[[], Finding]) -> None:
    assert check().verdict == "ok"


def test_the_store_of_the_settings(settings: Settings) -> None:
    assert parts.store(settings).verdict == "ok"
    away = Settings(data=settings.data, clickhouse=SecretStr("clickhouse://me:very-secret-word@127.0.0.1:1/live"))
    found = parts.store(away)
    assert found.verdict == "problem"
    assert "very-secret-word" not in str(found)


def test_a_check_that_fails_itself_is_a_problem() -> None:
    def broken() -> Finding:
        raise RuntimeError("oh")

    [found] = run_checks([broken])
    assert found == Finding(
        "broken", "problem", "the check itself failed: RuntimeError: oh", "report this with the output above"
    )


def test_whoever_finds_something_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    def found() -> Iterator[Finding]:
        yield machine.disk(tmp_path, lambda _: 1)
        yield machine.memory(lambda: 1)
        yield machine.ports(settings, lambda _: False)
        yield parts.java(settings, no_java)
        yield parts.cache(settings)

    assert all(finding.advice and finding.verdict != "ok" for finding in found())
