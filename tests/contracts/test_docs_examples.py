"""The examples of the documentation run, and its tables say what the code does."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from analytics.opinion_rules import RULES
from livetide.delivery.payload import payload
from storage.rows import TABLES
from streams.gateway import events
from streams.gateway.app import GatewayConfig, create_app
from streams.gateway.auth import bearer_key, signature, webhook_secret
from streams.gateway.intake import MOST_DAYS
from streams.gateway.memory_log import MemoryLog
from streams.gateway.openapi import document
from streams.records import Alert, RetryError
from streams.topics import DANMAKU
from tests.contracts.pages import ROOT, block, blocks, pages, table
from tests.support.gateway import MASTER, Counts, config


def run(page: str, *names: str, **given: Any) -> dict[str, Any]:
    """What the named blocks of a page define, run one after the other."""
    namespace: dict[str, Any] = dict(given)
    for name in names:
        exec(compile(block(page, name), page, "exec"), namespace)
    return namespace


# ── The border ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def gateway(log: MemoryLog) -> Iterator[httpx.Client]:
    """The real gateway over a log in memory, by the wall clock, on a port of its own."""
    app = create_app(config(), log, meter=Counts(), clock=lambda: time.time_ns() // 1_000_000, scrape=lambda: b"")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the gateway did not start"
        assert time.monotonic() < until
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(20)


def chat(identity: str) -> dict[str, Any]:
    return {"kind": "chat", "id": identity, "ts": time.time_ns() // 1_000_000, "user": "u", "text": "有蓝色的吗"}


URL = "/v1/rooms/my-room/events"
SECRET = webhook_secret(MASTER, "my-room")


def test_the_signing_example_is_let_in_once(gateway: httpx.Client) -> None:
    signed_headers = run("border.md", "sign")["signed_headers"]
    body = json.dumps({"events": [chat("1")]}).encode()
    headers = signed_headers(SECRET, body)
    first = gateway.post(URL, content=body, headers=headers)
    assert (first.status_code, first.json()["accepted"]) == (202, 1)
    assert gateway.post(URL, content=body, headers=headers).status_code == 409
    assert gateway.post(URL, content=body + b" ", headers=signed_headers(SECRET, body)).status_code == 401
    again = gateway.post(URL, content=body, headers=signed_headers(SECRET, body))
    assert (again.status_code, again.json()["duplicates"]) == (202, 1)


def test_the_sending_example_sends_until_it_is_taken(gateway: httpx.Client, log: MemoryLog) -> None:
    send = run("border.md", "sign", "send")["send"]
    assert send(gateway, URL, SECRET, [chat("1"), {"kind": "nonsense"}])["accepted"] == 1
    with pytest.raises(RuntimeError, match="401"):
        send(gateway, URL, webhook_secret(MASTER, "another"), [chat("2")])

    class Healing:
        """A client whose gateway's log heals after the first refusal."""

        def post(self, *arguments: Any, **named: Any) -> Any:
            answer = gateway.post(*arguments, **named)
            statuses.append(answer.status_code)
            log.fail(None)
            return answer

    statuses: list[int] = []
    log.fail(RetryError("away"), DANMAKU.name)
    assert send(Healing(), URL, SECRET, [chat("3")])["accepted"] == 1
    assert statuses == [503, 202]


def curl_lines() -> list[list[str]]:
    """Every curl command line of the documentation that posts events, as words."""
    found = []
    for page in pages():
        for one in blocks(page):
            text = one.text.replace("$(date +%s)", str(int(time.time())))
            words = shlex.split(text, comments=True) if one.language == "sh" and "curl " in one.text else []
            starts = [at for at, word in enumerate(words) if word == "curl"]
            found += [words[start:end] for start, end in pairwise([*starts, len(words)])]
    return [words for words in found if any("/v1/rooms/" in word for word in words)]


@pytest.mark.parametrize("words", curl_lines(), ids=lambda words: words[3])
def test_curl_examples_are_taken(gateway: httpx.Client, words: list[str]) -> None:
    url = next(word for word in words if word.startswith("http://"))
    headers = {"content-type": "application/x-www-form-urlencoded"}  # what curl says by itself
    for at, word in enumerate(words):
        if word == "-H":
            name, _, value = words[at + 1].partition(": ")
            headers[name.lower()] = value.replace("$KEY", bearer_key(MASTER, "my-room"))
    data = next(words[at + 1] for at, word in enumerate(words) if word in ("-d", "--data-binary"))
    answer = gateway.post(url.split(":18080", 1)[1], content=data.encode(), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["rejected"] == []


def test_the_table_of_events_is_what_the_border_takes() -> None:
    rows = {row[0]: row[1:] for row in table("border.md", "kind", "required", "optional")}
    kinds = {name: kind for kind, name in events.KIND_OF.items()}
    assert set(rows) == set(kinds)
    for name, kind in kinds.items():
        fields = msgspec.structs.fields(kind)
        for told, required in zip(rows[name], (True, False), strict=True):
            assert sorted(filter(None, told.split(", "))) == sorted(one.name for one in fields if one.required == required), (
                name
            )


def test_the_statuses_and_limits_are_the_gateways() -> None:
    responses = document(1, 1)["paths"]["/v1/rooms/{room}/events"]["post"]["responses"]
    assert {row[0] for row in table("border.md", "status", "means", "what to do")} == set(responses)
    limits = {row[0]: row[1] for row in table("border.md", "limit", "value", "beyond it")}
    given = GatewayConfig("", "", "")
    assert limits["events in a request"] == f"{given.max_events:,}"
    assert limits["bytes of a body, as sent and expanded"] == f"{given.max_body >> 20} MiB"
    assert limits["time until the whole body has arrived"] == f"{given.body_s:g} s; {given.unverified_s:g} s when it is signed"
    unverified = f"{given.max_unverified >> 20} MiB and {given.max_unverified_bodies} at a time; "
    assert limits["signed bodies that are being read, since nobody knows yet who sends them"].startswith(unverified)
    assert limits["days that the events of one request lie on, in a replay"] == str(MOST_DAYS)
    assert limits["bodies being worked on, all together"] == f"{given.max_memory >> 20} MiB"


# ── Alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

CRISIS = Alert(
    room="my-room", event_ts=1795550012400, ingest_ts=1795550012650, id="alert:my-room:counterfeit:1795550008100",
    revision=41876, topic="counterfeit", level=2, state="firing", started_ts=1795550008100, evidence_ts=1795550012650,
    score=4.37, share=0.1633, baseline=0.00204, messages=11, users=9,
    examples=["这是假货吧 @客服", "贾货，退钱", "专柜不认这个"], words=["假货", "专柜不认"],
)  # fmt: skip


def test_the_payload_is_what_the_code_makes() -> None:
    assert json.loads(block("alerts.md", "payload")) == payload(CRISIS, "http://127.0.0.1:18081")


def test_the_receivers_example_believes_us_and_nobody_else() -> None:
    verify = run("alerts.md", "verify")["verify"]
    body, now = block("alerts.md", "payload").encode(), 1_795_550_013
    headers = {
        "webhook-id": "a.1",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(SECRET, "a.1", str(now), body),
    }
    verify(SECRET, headers, body, now)
    verify(SECRET, headers | {"webhook-signature": "v1,AAAA " + headers["webhook-signature"]}, body, now + 299)
    wrong = [
        (SECRET, headers, body + b" ", now),
        (SECRET, headers | {"webhook-id": "a.2"}, body, now),
        (SECRET, headers, body, now + 301),
        (webhook_secret(MASTER, "another"), headers, body, now),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match=r"old|signed"):
            verify(*arguments)


def test_the_rules_are_the_detectors() -> None:
    rows = {row[0]: row[1:] for row in table("alerts.md", "topic", "usual share at first", "follows from a cause")}
    assert rows == {name: [f"{100 * rule.prior:.1f} %", "yes" if rule.follows else ""] for name, rule in RULES.items()}
    head = ("level", "score", "people", "different texts", "or people, with fewer texts", "what happens")
    levels = {row[0]: row[1:5] for row in table("alerts.md", *head)}
    for name, rule in RULES.items():
        for number, level in enumerate(rule.levels, 1):
            told = levels[f"{number} of {name}"] if name == "negative" else levels[str(number)]
            assert told == [str(level.score), str(level.users), str(level.texts), str(level.unison)], name


# ── Sources and data ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_truth_example_writes_one(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", block("sources.md", "truth")]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "2 alerts are planted\n"
    assert json.loads((tmp_path / "truth.json").read_text())["seed"] == 7


def test_the_tables_are_the_stores() -> None:
    rows = {
        name.strip()
        for row in table("data.md", "name", "a row is", "key", "kept, by ingest time")
        for name in row[0].split(",")
    }
    views = {"chat_minutes", "sales_minutes", "sales_once", "sink_progress", "alerts_now", "intents_now", "faq_now"}
    assert {one.name for one in TABLES} | views <= rows
