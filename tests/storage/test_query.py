"""``livetide query`` against the real store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from livetide.cli.query import query as query_command
from livetide.stack.state import NotRunningError, StackState, pid_file, write_state
from streams.broker.child import write_pid_file
from tests.storage.support import PASSWORD, READER_PASSWORD, StoreProcess

Ask = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secrets.json").write_text(json.dumps({"store_password": PASSWORD}))
    return {"LIVETIDE_DATA": str(tmp_path), "LIVETIDE_CLICKHOUSE": "", "LIVETIDE_CLICKHOUSE_READER": ""}


def running(data: Path, native: int, http: int) -> None:
    """What the stack of ``data`` would have written down while its store listens there."""
    ports = {"LIVETIDE_STORE_PORT": str(native), "LIVETIDE_STORE_HTTP_PORT": str(http)}
    (data / "run").mkdir()
    write_pid_file(pid_file(data), os.getpid())
    write_state(
        data,
        StackState(
            data=str(data), started_ms=0, environment=ports, kafka="", clickhouse="", clickhouse_http="", gateway="", console=""
        ),
    )


def ask(environment: dict[str, str], *arguments: str, **named: Any) -> Result:
    app = typer.Typer()
    app.command()(query_command)
    return CliRunner().invoke(app, [*arguments], env=environment, **named)


@pytest.fixture
def query(environment: dict[str, str], store: StoreProcess, tmp_path: Path) -> Ask:
    running(tmp_path, store.native_port, store.http_port)
    return lambda *arguments, **named: ask(environment, *arguments, **named)


@pytest.mark.store
def test_answers_come_in_the_format_that_is_asked_for(query: Ask) -> None:
    assert query("SELECT 1 AS a", "--format", "JSONEachRow").stdout == '{"a":1}\n'
    assert "┌─a─┐" in query("SELECT 1 AS a").stdout
    assert query("SELECT 1 AS a FORMAT CSV").stdout == "1\n"


@pytest.mark.store
def test_parameters_and_stdin(query: Ask) -> None:
    assert query("SELECT {x:String}", "-f", "TSV", "--param", "x=a=b").stdout == "a=b\n"
    assert query("-", "-f", "TSV", input="SELECT 7").stdout == "7\n"


@pytest.mark.store
def test_the_question_goes_as_the_reader(query: Ask) -> None:
    assert query("SELECT getSetting('readonly')", "-f", "TSV").stdout == "1\n"
    refused = query("DROP TABLE live.danmaku")
    assert refused.exit_code != 0
    assert "READONLY" in str(refused.exception)


@pytest.mark.store
def test_a_failure_is_said_in_clickhouses_words(query: Ask) -> None:
    failed = query("SELECT * FROM live.nowhere")
    assert failed.exit_code != 0
    assert "UNKNOWN_TABLE" in str(failed.exception)


def test_wrong_usage_is_named(environment: dict[str, str]) -> None:
    assert ask(environment, "SELECT 1", "--param", "x").exit_code == 2
    assert ask(environment, " ").exit_code == 2


def test_without_a_stack_nobody_is_asked(environment: dict[str, str]) -> None:
    assert isinstance(ask(environment, "SELECT 1").exception, NotRunningError)


def test_a_store_that_does_not_run_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    running(tmp_path, 1, 1)
    answer = ask(environment, "SELECT 1")
    assert answer.exit_code == 3
    assert "livetide up" in answer.stderr
    for secret in (PASSWORD, READER_PASSWORD):
        assert secret not in answer.output
