"""The stack as a whole: up, up again, down; its ports and what it writes down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from livetide.settings import Settings, load_secrets
from livetide.stack import Stack, connected, load, statuses
from livetide.stack.places import choose, environment_of
from livetide.stack.report import report
from livetide.stack.table import placed_names, process_names, specs, state_of
from streams.broker.child import read_pid_file, started_at
from streams.broker.ports import Claims, is_free
from streams.records import RetryError
from tests.livetide.stack.test_supervisor import until

SMALL = Path(__file__).with_name("small.py")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    it = Stack(Settings(data=tmp_path / "data"), [sys.executable, str(SMALL)])
    yield it
    it.down()


def pids(stack: Stack) -> dict[str, int]:
    return {status.name: status.pid for status in statuses(stack.data) if status.pid}


def test_up_twice_is_harmless_and_down_ends_all_of_it_and_nothing_else(stack: Stack) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]) as bystander:
        assert stack.state() is None
        first = stack.up()
        running = pids(stack)
        assert set(running) == {"kafka", "gateway"}
        second = stack.up()
        assert second == first
        assert pids(stack) == running
        assert stack.down()
        assert [started_at(pid) for pid in (*running.values(), first.pid)] == [None] * 3
        assert load(stack.data) is None
        assert not stack.down()
        assert bystander.poll() is None
        bystander.kill()
    assert (stack.data / "diary").read_text().split("\n")[-3:] == ["gateway ends", "kafka ends", ""]


def test_a_setting_that_changed_since_the_start_is_known_and_its_value_is_not(stack: Stack) -> None:
    given = Settings(data=stack.data, webhook_url="http://one.example/hook")
    program = [sys.executable, str(SMALL)]
    Stack(given, program).up()
    assert Stack(given, program).changed() == []
    other = Settings(data=stack.data, webhook_url="http://two.example/hook", workers=2)
    assert Stack(other, program).changed() == ["LIVETIDE_WEBHOOK_URL", "LIVETIDE_WORKERS"]
    assert "one.example" not in (stack.data / "given.json").read_text()


def test_two_starters_at_once_start_one_stack(stack: Stack) -> None:
    program = (
        "import sys; from pathlib import Path; from livetide.settings import Settings; from livetide.stack import Stack\n"
        f"print(Stack(Settings(data=Path({str(stack.data)!r})), [sys.executable, {str(SMALL)!r}]).up().pid)"
    )
    starters = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [starter.communicate(timeout=60)[0] for starter in starters]
    assert said[0] == said[1] != ""
    assert (stack.data / "diary").read_text().count("kafka starts") == 1


def test_after_a_kill_of_the_supervisor_up_starts_afresh(stack: Stack) -> None:
    first = stack.up()
    running = pids(stack)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: started_at(first.pid) is None)
    assert load(stack.data) is None
    second = stack.up()
    assert second.pid != first.pid
    until(lambda: all(started_at(pid) is None for pid in running.values()))


def test_what_fails_is_named_and_tried_again_by_the_next_up(stack: Stack) -> None:
    failing = stack.data / "diary.gateway.fail"
    stack.data.mkdir(parents=True)
    failing.touch()
    with pytest.raises(RetryError, match=r"gateway ended with exit code 7.*: gateway says hello \(log: .*gateway\.log"):
        stack.up(timeout=30)
    assert stack.state() is not None
    shown = {process["name"]: process for process in report(stack.settings)["processes"]}["gateway"]
    assert (shown["state"], shown["reason"]) == ("failed", "ended with exit code 7 before it was ready: gateway says hello")
    failing.unlink()
    stack.up()
    assert {status.state for status in statuses(stack.data)} == {"ready"}


def test_the_stack_answers_for_its_whole_and_counts_restarts(stack: Stack) -> None:
    state = stack.up()
    url = state.health["stack"]
    assert httpx.get(url + "/readyz", trust_env=False).status_code == 401
    client = httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {load_secrets(stack.data)['operator_key']}"},
        trust_env=False,
    )
    with client:
        assert client.get("/readyz").status_code == 200
        os.kill(pids(stack)["gateway"], signal.SIGKILL)
        until(lambda: 'livetide_restarts_total{process="gateway"} 1.0' in client.get("/metrics").text)
        until(lambda: client.get("/readyz").status_code == 200)


def test_progress_is_told(stack: Stack) -> None:
    seen: list[str] = []
    stack.up(lambda found: seen.extend(status.state for status in found))
    assert seen[-2:] == ["ready", "ready"]


def test_other_commands_find_the_stack_by_its_data_folder(stack: Stack) -> None:
    state = stack.up()
    settings = connected(stack.settings)
    assert state.kafka == f"127.0.0.1:{settings.kafka_port}" == settings.cluster().servers
    assert state.gateway.endswith(str(settings.gateway_port))
    stack.down()
    assert connected(stack.settings).kafka_port == Settings().kafka_port


def test_nothing_that_is_written_down_holds_a_secret(stack: Stack) -> None:
    stack.up()
    secrets = json.loads((stack.data / "secrets.json").read_text()).values()
    for path in stack.data.rglob("*"):
        if path.is_file() and path.name != "secrets.json":
            assert not any(secret in path.read_text() for secret in secrets), path
    assert (stack.data / "secrets.json").stat().st_mode & 0o077 == 0
    assert stack.data.stat().st_mode & 0o077 == 0


def test_the_ports_of_a_stack_are_its_own_also_while_nobody_listens(stack: Stack, tmp_path: Path) -> None:
    ports = {name: port for name, port in stack.up().environment.items() if name.endswith("PORT")}
    assert not any(is_free(int(port)) for port in ports.values())  # the small programs open none of them
    with Claims() as claims:
        settings = Settings(data=tmp_path / "other")
        others = choose(settings, placed_names(settings), is_free=claims.take)
    assert not set(ports.values()) & set(others.values())
    stack.down()
    again = stack.up().environment
    assert {name: again[name] for name in ports} == ports


def test_a_preferred_port_that_is_taken_is_replaced_and_remembered(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    names = placed_names(settings)
    taken = {settings.kafka_port, settings.gateway_port, settings.health_port}
    ports = choose(settings, names, is_free=lambda port: port not in taken)
    assert len(set(ports.values())) == len(ports)
    assert not taken & {int(port) for port in ports.values()}
    assert all(int(port) < 32768 for port in ports.values())
    assert ports["LIVETIDE_CONSOLE_PORT"] == str(settings.console_port)
    again = choose(settings, names, ports, is_free=lambda port: True)
    assert again == ports


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_that_names_the_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(RetryError, match=rf"port {port} \(LIVETIDE_GATEWAY_PORT\) is taken by process {os.getpid()}"):
            choose(Settings(data=tmp_path, gateway_port=port), ["gateway"])


def test_a_cluster_that_is_set_needs_no_embedded_one(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path, kafka="broker:9092", clickhouse=SecretStr("clickhouse://me:pass@store:9000/live"), workers=3
    )
    names = process_names(settings)
    assert not {"kafka", "store"} & set(names)
    assert {"worker", "worker-2", "worker-3"} <= set(names)
    ports = choose(settings, placed_names(settings), is_free=lambda port: True)
    assert not {"LIVETIDE_KAFKA_PORT", "LIVETIDE_STORE_PORT"} & set(ports)
    state = state_of(settings, ports, 0)
    assert (state.kafka, state.clickhouse) == ("broker:9092", "store:9000")


def test_everybody_comes_after_what_it_needs_while_it_runs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    after = {spec.name: spec.after for spec in specs(settings, choose(settings, placed_names(settings)), "key")}
    assert (after["kafka"], after["store"], after["setup"]) == ((), (), ("kafka", "store"))
    assert after["worker"] == after["gateway"] == after["host"] == ("kafka", "setup")
    assert after["sink"] == ("kafka", "store", "setup")
    outside = Settings(data=tmp_path, kafka="broker:9092")
    after = {spec.name: spec.after for spec in specs(outside, choose(outside, placed_names(outside)), "key")}
    assert (after["worker"], after["sink"]) == (("setup",), ("store", "setup"))


def test_children_get_settings_by_environment_and_secrets_never_by_command_line(tmp_path: Path) -> None:
    settings = Settings(data=Path("relative"), kafka_sasl_password=SecretStr("hidden-password"), workers=2)
    ports = choose(settings, placed_names(settings), is_free=lambda port: True)
    table = {spec.name: spec for spec in specs(settings, ports, "operator-key-value")}
    for spec in table.values():
        assert "hidden-password" not in " ".join(spec.command)
        assert "operator-key-value" not in " ".join((*spec.command, *spec.environment.values()))
        assert spec.environment["LIVETIDE_KAFKA_SASL_PASSWORD"] == "hidden-password"
        assert Path(spec.environment["LIVETIDE_DATA"]).is_absolute()
    own = [
        spec.environment["LIVETIDE_HEALTH_PORT"] for name, spec in table.items() if name not in ("setup", "gateway", "console")
    ]
    assert len(set(own)) == len(own)
    assert table["worker-2"].environment["LIVETIDE_INSTANCE"] == "2"
    assert table["worker-2"].command[-1] == "worker"
    assert table["setup"].after == ("kafka", "store")


def test_settings_survive_the_way_through_the_environment(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, keep_names=True, room_rate=5, webhook_secret=SecretStr("whsec_x"))
    environment = environment_of(settings)
    assert environment == {
        "LIVETIDE_DATA": str(tmp_path),
        "LIVETIDE_KEEP_NAMES": "True",
        "LIVETIDE_ROOM_RATE": "5",
        "LIVETIDE_WEBHOOK_SECRET": "whsec_x",
    }


def test_a_pid_file_of_the_stack_is_gone_after_down(stack: Stack) -> None:
    stack.up()
    stack.down()
    assert read_pid_file(stack.data / "run" / "stack.pid") is None
    assert not list((stack.data / "run").glob("*.pid"))
