"""The command line as people and scripts meet it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from livetide.cli import COMMANDS, main
from livetide.cli.errors import explain
from livetide.settings import Settings, load_secrets
from streams.gateway.auth import bearer_key, webhook_secret
from streams.records import FatalError

HEAVY = (
    "faust",
    "chdb",
    "av",
    "confluent_kafka",
    "aiokafka",
    "numpy",
    "faiss",
    "clickhouse_driver",
    "pydantic",
    "rich",
    "torch",
)


def livetide(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
    return subprocess.run(
        [sys.executable, "-m", "livetide", *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_every_command_with_a_sentence() -> None:
    done = livetide("--help", COLUMNS="120")
    assert done.returncode == 0
    for name, (_, sentence) in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert sentence in done.stdout
    assert "Exit codes: 0 done, 1 failed" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom livetide.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("name", [name for name, (where, _) in COMMANDS.items() if find_spec(where.partition(":")[0])])
def test_every_command_explains_itself(name: str) -> None:
    done = livetide(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"livetide {name}" in done.stdout


def test_wrong_usage_is_exit_code_2() -> None:
    for arguments in (["statsu"], ["--nope"], ["run", "nix"], ["run"], ["status", "--nope"], ["key", "room/7"]):
        done = livetide(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
    assert "Did you mean 'status'?" in livetide("statsu").stderr


def test_a_wrong_setting_is_named_with_what_is_allowed() -> None:
    done = livetide("status", LIVETIDE_WORKERS="0")
    assert done.returncode == 2
    assert done.stderr == "livetide: a setting is wrong: LIVETIDE_WORKERS='0': it must be a whole number from 1 to 64\n"
    assert livetide("up", "--workers", "0").returncode == 2


def test_a_variable_that_nobody_reads_is_told_once_and_harms_nothing(tmp_path: Path) -> None:
    done = livetide("status", "--json", LIVETIDE_DATA=str(tmp_path), LIVETIDE_WORKER="3")
    assert done.returncode == 3
    assert json.loads(done.stdout)["running"] is False
    assert done.stderr == "livetide: LIVETIDE_WORKER is no setting and changes nothing: did you mean LIVETIDE_WORKERS?\n"


def test_an_error_is_one_line_and_a_traceback_only_on_demand(tmp_path: Path) -> None:
    settings = {"LIVETIDE_DATA": str(tmp_path), "LIVETIDE_KAFKA": "127.0.0.1:1", "LIVETIDE_CLICKHOUSE": "nonsense"}
    done = livetide("run", "kafka", **settings)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "LIVETIDE_KAFKA names a cluster" in done.stderr
    assert "Traceback" in livetide("run", "kafka", LIVETIDE_LOG_LEVEL="DEBUG", **settings).stderr


def test_no_secret_is_in_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = load_secrets(tmp_path)
    program = (
        "from livetide.cli import _fail\nfrom streams.records import RetryError\n"
        f"_fail(RetryError('refused: {known['store_password']} and sasl-password-value at\\nhost'))"
    )
    environment = {**os.environ, "LIVETIDE_DATA": str(tmp_path), "LIVETIDE_KAFKA_SASL_PASSWORD": "sasl-password-value"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "livetide: refused: *** and *** at host\n"


def test_explanations() -> None:
    assert explain(FatalError("the log is gone: restore it")) == ("livetide: the log is gone: restore it", 1)
    text, code = explain(ZeroDivisionError("division by zero"))
    assert code == 1
    assert text.startswith("livetide: ZeroDivisionError: division by zero (unexpected:")


def test_main_ends_by_system_exit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("livetide ")


def test_status_and_down_without_a_stack(tmp_path: Path) -> None:
    done = livetide("status", "--json", LIVETIDE_DATA=str(tmp_path))
    assert done.returncode == 3
    assert json.loads(done.stdout)["running"] is False
    done = livetide("down", LIVETIDE_DATA=str(tmp_path))
    assert done.returncode == 0
    assert "was not running" in done.stdout


def test_the_keys_of_a_room(tmp_path: Path) -> None:
    done = livetide("key", "room:7", "--json", LIVETIDE_DATA=str(tmp_path))
    found = json.loads(done.stdout)
    master = load_secrets(tmp_path)["master"]
    assert found["bearer_key"] == bearer_key(master, "room:7")
    assert found["webhook_secret"] == webhook_secret(master, "room:7")
    assert found["url"] == f"http://127.0.0.1:{Settings().gateway_port}/v1/rooms/room%3A7/events"


def test_one_rooms_key_is_revoked_and_no_other(tmp_path: Path) -> None:
    data, master = str(tmp_path), load_secrets(tmp_path)["master"]
    done = livetide("key", "room:7", "--rotate", "--json", LIVETIDE_DATA=data)
    found = json.loads(done.stdout)
    assert found["bearer_key"] == bearer_key(master, "room:7", 1) != bearer_key(master, "room:7")
    assert found["webhook_secret"] == webhook_secret(master, "room:7")
    assert done.stderr == f"the old bearer key of room:7 is revoked ({tmp_path / 'room_keys.json'})\n"
    both = json.loads(livetide("key", "room:7", "--rotate", "--rotate-webhook", "--json", LIVETIDE_DATA=data).stdout)
    assert both["bearer_key"] == bearer_key(master, "room:7", 2)
    assert both["webhook_secret"] == webhook_secret(master, "room:7", 1)
    assert json.loads(livetide("key", "room:7", "--json", LIVETIDE_DATA=data).stdout) == both, "it holds from then on"
    assert json.loads(livetide("key", "room:8", "--json", LIVETIDE_DATA=data).stdout)["bearer_key"] == bearer_key(
        master, "room:8"
    )


def test_asyncapi_is_a_document() -> None:
    document = json.loads(livetide("topics", "asyncapi").stdout)
    assert document["asyncapi"] == "3.0.0"
    assert "live.danmaku" in document["channels"]


def test_doctor_prints_an_object_a_line_and_fails_when_something_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = livetide("doctor", "--json", LIVETIDE_DATA=str(tmp_path / "file"), LIVETIDE_CACHE=str(tmp_path / "cache"))
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert {finding["verdict"] for finding in findings} <= {"ok", "warning", "problem"}
    verdicts = {finding["name"]: finding["verdict"] for finding in findings}
    assert verdicts["data folder"] == "problem"
    assert verdicts["cache"] == "warning"
    assert {"system", "ports", "disk", "memory", "java", "codecs", "ffmpeg", "clock", "versions", "espeak", "store"} <= set(
        verdicts
    )
    assert all(finding["advice"] for finding in findings if finding["verdict"] != "ok")
