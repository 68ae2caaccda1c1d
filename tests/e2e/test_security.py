"""A running stack from outside: what it listens on, whom it lets in, and where its secrets are not."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets as random_secrets
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka.admin import AdminClient
from standardwebhooks.webhooks import Webhook
from starlette.routing import Route

from livetide.console.app import Console
from livetide.console.faq_desk import FaqDesk
from livetide.console.queries import Queries
from livetide.console.sessions import Sessions
from livetide.metrics import PrometheusMeter
from livetide.settings import SECRETS
from storage.server import reader_password
from streams.admin import list_topics
from streams.gateway.app import GatewayConfig, create_app
from streams.gateway.auth import bearer_key, webhook_secret
from streams.gateway.memory_log import MemoryLog
from streams.reach import admin_client
from streams.records import FatalError
from tests.e2e.running import Demo, listening, now_ms
from tests.support.kafka_wire import answered

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]

PREALLOCATED = {".index", ".timeindex"}
"""Files that the broker makes 10 MB long and fills with numbers."""
REFUSED = (401, 403)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def known(demo: Demo) -> dict[str, str]:
    """Every secret of the installation, and those derived from them that this stack has been used with."""
    kept = demo.secrets
    rooms = {row["room_id"] for row in demo.rows("SELECT DISTINCT room_id FROM danmaku")}
    derived = {f"bearer key of {room}": bearer_key(kept["master"], room) for room in rooms}
    derived |= {f"webhook secret of {room}": webhook_secret(kept["master"], room) for room in rooms}
    assert demo.room in rooms
    return kept | derived | {"reader's password": reader_password(kept["store_password"])}


def found_in(text: str, known: dict[str, str]) -> list[str]:
    """The names of the secrets that stand in ``text``."""
    return [name for name, secret in known.items() if secret in text]


# ── Who can reach it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_listens_on_loopback_only(demo: Demo) -> None:
    places = listening(demo.processes())
    state = demo.state
    addresses = (*state.health.values(), state.gateway, state.console, state.kafka, state.clickhouse, state.clickhouse_http)
    expected = {int(address.rpartition(":")[2]) for address in addresses}
    assert expected <= {port for _, port in places}
    for (address, port), process in places.items():
        bound = ipaddress.ip_address(address)
        mapped = getattr(bound, "ipv4_mapped", None) or bound
        assert mapped.is_loopback, f"{process} listens on {address}:{port}"


def test_the_address_of_this_machine_is_refused(demo: Demo) -> None:
    addresses = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    beyond = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    if not beyond:
        pytest.skip("this machine has no address beyond loopback")
    for _, port in listening(demo.processes()):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((beyond[0], port), timeout=5).close()


# ── Whom it lets in ──────────────────────────────────────────────────────────────────────────────────────────────────────


def gateway_routes() -> list[tuple[str, str]]:
    app = create_app(GatewayConfig("m", "u", "o"), MemoryLog(), meter=PrometheusMeter(), clock=lambda: 0, scrape=lambda: b"")
    return _routes(app.routes)


def console_routes(tmp_path: Path) -> list[tuple[str, str]]:
    console = Console(
        Queries(lambda _sql, _parameters: []),
        Sessions("password", lambda: 0),
        clips=tmp_path,
        speech=tmp_path,
        set_alert=lambda _row, _state, _by: None,
        faq=FaqDesk(Queries(lambda _sql, _parameters: []), lambda _record: None, lambda: 0),
        health=dict,
        operator_key="key",
        meter=PrometheusMeter(),
    )
    return _routes(console.app().routes)


def _routes(routes: list[Any]) -> list[tuple[str, str]]:
    """Method and path of every route, with a name in place of each parameter."""
    found = [(method, route) for route in routes if isinstance(route, Route) for method in route.methods or ()]
    assert len(found) > 5
    named = {"{id:path}": "x", "{room}": "r", "{name}": "x"}
    return [(method, re.sub(r"\{[^}]+\}", lambda name: named[name[0]], route.path)) for method, route in found]


WRONG: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer wrong"},
    {"authorization": "Basic bGl2ZTp3cm9uZw=="},
    {"cookie": "livetide_session=wrong"},
)


@pytest.mark.parametrize("headers", WRONG, ids=["nothing", "wrong key", "wrong password", "wrong cookie"])
def test_no_route_answers_without_a_key_or_password(
    demo: Demo, client: httpx.Client, known: dict[str, str], tmp_path: Path, headers: dict[str, str]
) -> None:
    asked = [(method, demo.state.gateway + path) for method, path in gateway_routes()]
    asked += [(method, demo.state.console + path) for method, path in console_routes(tmp_path)]
    names = ("/healthz", "/readyz", "/metrics", "/", "/nothing")
    parts = [url for name, url in demo.state.health.items() if name not in ("gateway", "console")]
    assert len(parts) >= 7
    asked += [("GET", url + name) for url in parts for name in names]
    store = demo.state.clickhouse_http
    asked += [
        ("GET", f"{store}/ping"),
        ("GET", store),
        ("GET", f"{store}/?query=SELECT+1"),
        ("POST", f"{store}/?query=SELECT+1"),
    ]
    for method, url in asked:
        answer = client.request(method, url, headers=headers, content=b"{}" if method == "POST" else None)
        told = f"{method} {url} answers {answer.status_code}: {answer.text[:200]}"
        if url == f"{demo.state.console}/login":
            assert answer.status_code in (200, 413, 403), told
            assert demo.room not in answer.text
        elif answer.status_code == 303:
            assert url.startswith(demo.state.console), told
            assert answer.headers["location"].startswith("/login?"), told
            assert answer.text == "", told
        else:
            assert answer.status_code in REFUSED, told
        assert found_in(answer.text + str(answer.headers), known) == [], told


@pytest.mark.parametrize("door", ["kafka_port", "kafka_controller_port"])
def test_kafka_answers_nothing_without_a_password(demo: Demo, door: str) -> None:
    assert answered(getattr(demo.settings, door)) == []


@pytest.mark.parametrize("wrong", [{"sasl_password": "wrong"}, {"sasl_mechanism": "PLAIN"}, {"sasl_user": "inner"}], ids=str)
def test_kafka_refuses_who_is_not_its_user(demo: Demo, wrong: dict[str, str]) -> None:
    with pytest.raises(FatalError, match="refuses us"):
        admin_client(replace(demo.settings.cluster(), **wrong))  # type: ignore[arg-type] # all of these fields are strings


def test_the_same_doors_answer_who_has_the_key(demo: Demo, client: httpx.Client) -> None:
    """Else the tests above would also pass before a server that refuses everybody."""
    assert "live.danmaku" in {topic.name for topic in list_topics(demo.settings.cluster())}
    key = {"authorization": f"Bearer {demo.secrets['operator_key']}"}
    for url in (*demo.state.health.values(), demo.state.gateway):
        assert client.get(f"{url}/readyz", headers=key).status_code == 200
    reader = ("reader", reader_password(demo.secrets["store_password"]))
    assert client.get(f"{demo.state.clickhouse_http}/?query=SELECT+1", auth=reader).text == "1\n"


@pytest.fixture
def signed(demo: Demo, client: httpx.Client) -> Any:
    """``signed(...)`` posts one message to a room as a webhook's sender would, with whatever is to be wrong about it."""
    room = "signed"

    def post(*, secret: str = "", age_s: int = 0, body: bytes = b"") -> httpx.Response:
        event = {"kind": "chat", "id": random_secrets.token_hex(8), "ts": now_ms(), "user": "u", "text": "你好"}
        sent = json.dumps({"events": [event]}).encode()
        name, when = random_secrets.token_hex(8), datetime.now(UTC) - timedelta(seconds=age_s)
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": Webhook(secret or webhook_secret(demo.secrets["master"], room)).sign(
                name, when, sent.decode()
            ),
        }
        return client.post(f"{demo.state.gateway}/v1/rooms/{room}/events", headers=headers, content=body or sent)

    return post


def test_a_signed_request_is_taken_once(demo: Demo, client: httpx.Client, signed: Any) -> None:
    first = signed()
    assert (first.status_code, first.json()["accepted"]) == (202, 1)
    again = client.send(
        client.build_request("POST", first.request.url, headers=first.request.headers, content=first.request.content)
    )
    assert again.status_code == 409
    assert "replayed" in again.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"age_s": 301}, "webhook-timestamp"),
        ({"age_s": -301}, "webhook-timestamp"),
        ({"secret": "whsec_" + "d3Jvbmc="}, "no signature fits"),
        ({"body": b'{"events": []}'}, "no signature fits"),
    ],
    ids=["stale", "from the future", "wrong secret", "changed body"],
)
def test_a_signature_that_is_not_right_is_refused(signed: Any, wrong: dict[str, Any], said: str) -> None:
    answer = signed(**wrong)
    assert answer.status_code == 401
    assert said in answer.text


def test_the_secret_of_another_room_is_refused(demo: Demo, signed: Any) -> None:
    assert signed(secret=webhook_secret(demo.secrets["master"], "another")).status_code == 401


def test_what_the_documentation_says_of_a_kafka_tool_lets_it_in(demo: Demo, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    [block] = [text for text in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "> kcat.conf" in text]
    script = block.partition("kcat -F")[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "LIVETIDE_DATA": str(demo.data)}
    subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, env=environment, check=True, timeout=120)
    file = tmp_path / "kcat.conf"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    given: dict[str, Any] = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert "live.alerts" in AdminClient(given).list_topics(timeout=20).topics


# ── Where the secrets are not ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_data_folder_is_closed_to_others(demo: Demo) -> None:
    assert stat.S_IMODE((demo.data / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(demo.data.stat().st_mode) == 0o700
    assert set(demo.secrets) >= set(SECRETS)
    broker = demo.data / "kafka"
    assert stat.S_IMODE(broker.stat().st_mode) == 0o700
    assert stat.S_IMODE((broker / "server.properties").stat().st_mode) == 0o600
    assert all(len(secret) >= 30 for secret in demo.secrets.values())
    assert len(set(demo.secrets.values())) == len(demo.secrets)


def test_no_secret_stands_in_a_file(demo: Demo, known: dict[str, str]) -> None:
    """Neither in a log, nor in what the stack writes of itself, nor in the store's, the broker's and the video's files."""
    read = 0
    for path in demo.data.rglob("*"):
        if path.is_file() and path.name != "secrets.json" and path.suffix not in PREALLOCATED:
            content = path.read_bytes()
            assert [name for name, secret in known.items() if secret.encode() in content] == [], path
            read += 1
    logs = {path.name for path in (demo.data / "logs").iterdir()}
    assert {f"{name}.log" for name in demo.state.health} <= logs
    assert {"stack.json", "run"} <= {path.name for path in demo.data.iterdir()}
    assert read > len(logs)


def test_no_secret_stands_in_a_command_line(demo: Demo, known: dict[str, str]) -> None:
    processes = demo.processes()
    assert len(processes) > len(demo.state.health)
    for process in processes:
        line = Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8", errors="replace")
        assert line, process
        assert found_in(line, known) == [], process


def test_no_secret_stands_in_metrics_or_status(demo: Demo, client: httpx.Client, known: dict[str, str]) -> None:
    key = {"authorization": f"Bearer {demo.secrets['operator_key']}"}
    for url in demo.state.health.values():
        scrape = client.get(f"{url}/metrics", headers=key)
        assert scrape.status_code == 200
        assert "livetide_" in scrape.text
        assert found_in(scrape.text, known) == [], url
    for arguments in (("status",), ("status", "--json"), ("doctor",), ("query", "SELECT * FROM system.tables")):
        assert found_in(demo.livetide(*arguments).stdout, known) == [], arguments


def test_no_secret_stands_in_an_error(demo: Demo, client: httpx.Client, known: dict[str, str]) -> None:
    key = {"authorization": f"Bearer {bearer_key(demo.secrets['master'], demo.room)}"}
    events = f"{demo.state.gateway}/v1/rooms/{demo.room}/events"
    answers = [
        client.post(events, headers=key | {"content-type": "application/json"}, content=b"\xff{"),
        client.post(events, headers=key | {"content-type": "text/plain"}, content=b"hello"),
        client.post(events + "?clock=sundial", headers=key | {"content-type": "application/json"}, content=b"{}"),
        client.post(
            demo.state.clickhouse_http, auth=("reader", reader_password(demo.secrets["store_password"])), content="SELEKT"
        ),
        client.post(demo.state.clickhouse_http, auth=("live", demo.secrets["store_password"]), content="SELEKT"),
    ]
    assert [answer.status_code for answer in answers] == [422, 415, 422, 400, 400]
    assert [found_in(answer.text + str(answer.headers), known) for answer in answers] == [[]] * len(answers)
    failed = demo.livetide("query", "SELECT * FROM nowhere", code=1)
    assert found_in(failed.stderr, known) == []
