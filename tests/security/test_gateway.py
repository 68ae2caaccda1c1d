"""Nobody gets past the gateway without the right key, and no key comes out of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.routing import Route

from streams.gateway.app import create_app
from streams.gateway.auth import bearer_key, webhook_secret
from streams.gateway.memory_log import MemoryLog
from streams.records import RetryError
from tests.support.gateway import (
    MASTER,
    NOW,
    OPERATOR,
    USER_HASH,
    Clock,
    Counts,
    Harness,
    answer,
    chat,
    config,
    gateway,
    lines,
    sale,
    until,
)

PATH = "/v1/rooms/r1/events"
NDJSON = {"Content-Type": "application/x-ndjson"}
APP = create_app(config(), MemoryLog(), meter=Counts(), clock=Clock(), scrape=bytes)
ROUTES = [route for route in APP.routes if isinstance(route, Route)]
WRONG = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer lt_wrong",
    f"Bearer {bearer_key(MASTER, 'r1')}x",
    f"Bearer {bearer_key(MASTER, 'r1')[:-1]}",
    f"Bearer {bearer_key(MASTER, 'r2')}",
    f"Bearer {bearer_key('another master', 'r1')}",
    f"Bearer {webhook_secret(MASTER, 'r1')}",
    f"Bearer {MASTER}",
    f"Basic {base64.b64encode(b'x:lt_wrong').decode()}",
    bearer_key(MASTER, "r1"),
]


def signed(body: bytes, at_ms: int = NOW, identity: str = "msg_1", secret: str | None = None) -> dict[str, str]:
    """Headers by the Standard Webhooks library."""
    when = datetime.fromtimestamp(at_ms // 1000, UTC)
    signature = Webhook(secret or webhook_secret(MASTER, "r1")).sign(identity, when, body.decode())
    return NDJSON | {"webhook-id": identity, "webhook-timestamp": str(at_ms // 1000), "webhook-signature": signature}


async def send(g: Harness, body: bytes, headers: dict[str, str], path: str = PATH) -> httpx.Response:
    return await g.client.post(path, content=body, headers=headers)


def test_there_are_routes_to_try() -> None:
    assert {route.path for route in ROUTES} >= {
        "/v1/rooms/{room}/events",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
        "/openapi.json",
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("authorization", [None, *WRONG])
async def test_every_route_is_closed_without_its_key(route: Route, authorization: str | None) -> None:
    headers = NDJSON if authorization is None else NDJSON | {"Authorization": authorization}
    async with gateway() as g:
        for method in route.methods or ():
            told = await g.client.request(method, route.path.replace("{room}", "r1"), headers=headers, content=lines(chat()))
            assert told.status_code == 401
            assert told.headers["www-authenticate"].startswith(("Bearer", "Basic"))
        assert g.log.records == []


async def test_keys_do_not_open_each_other_s_doors() -> None:
    async with gateway() as g:
        assert (await g.post(chat(), key=OPERATOR)).status_code == 401
        for path in ("/metrics", "/docs", "/readyz"):
            headers = {"Authorization": f"Bearer {bearer_key(MASTER, 'r1')}"}
            assert (await g.client.get(path, headers=headers)).status_code == 401


async def test_a_browser_is_asked_for_the_operator_key() -> None:
    async with gateway() as g:
        told = await g.client.get("/docs")
        assert told.headers["www-authenticate"].startswith("Basic realm=")
        assert (await g.client.get("/docs", auth=("", OPERATOR))).status_code == 200
        assert (await g.client.get("/docs", auth=(OPERATOR, ""))).status_code == 401


async def test_a_signed_request_is_taken() -> None:
    async with gateway() as g:
        body = lines(chat("a"), sale("b"))
        assert answer(await send(g, body, signed(body))) == (202, 2, 0, [])


async def test_the_signature_of_a_compressed_body_covers_what_was_sent() -> None:
    async with gateway() as g:
        body = gzip.compress(lines(chat("a")))
        content = f"msg_1.{NOW // 1000}.".encode() + body
        key = base64.b64decode(webhook_secret(MASTER, "r1").removeprefix("whsec_"))
        signature = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        headers = signed(b"") | {"webhook-signature": signature, "Content-Encoding": "gzip"}
        assert answer(await send(g, body, headers)) == (202, 1, 0, [])


async def test_a_changed_body_is_refused() -> None:
    async with gateway() as g:
        body = lines(sale("b", amount="12.30"))
        assert (await send(g, body.replace(b"12.30", b"92.30"), signed(body))).status_code == 401
        assert g.log.records == []


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_changed_or_missing_header_is_refused(header: str) -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        for headers in (signed(body) | {header: "2" + signed(body)[header][1:]}, signed(body) | {header: ""}):
            assert (await send(g, body, headers)).status_code == 401
        headers = signed(body)
        del headers[header]
        assert (await send(g, body, headers)).status_code == 401
        assert g.log.records == []


async def test_a_signature_for_another_room_is_refused() -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        assert (await send(g, body, signed(body), "/v1/rooms/r2/events")).status_code == 401
        assert (await send(g, body, signed(body, secret=webhook_secret(MASTER, "r2")))).status_code == 401


@pytest.mark.parametrize("off_ms", [-301_000, 301_000])
async def test_a_stale_signature_is_refused(off_ms: int) -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        told = await send(g, body, signed(body, NOW + off_ms))
        assert told.status_code == 401
        assert "from our clock" in told.json()["error"]
        assert g.log.records == []


async def test_a_replayed_request_is_refused_for_as_long_as_its_signature_would_be_good() -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        headers = signed(body, NOW + 299_000)
        assert (await send(g, body, headers)).status_code == 202
        for _ in range(20):
            g.clock.now += 29_900
            told = await send(g, body, headers)
            assert told.status_code == 409
            assert "replayed" in told.json()["error"]
        g.clock.now += 29_900
        assert (await send(g, body, headers)).status_code == 401
        assert len(g.log.records) == 1


async def test_a_request_that_was_not_taken_may_come_again_as_it_was() -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        g.log.fail(RetryError("gone"))
        assert (await send(g, body, signed(body))).status_code == 503
        g.log.fail(None)
        assert answer(await send(g, body, signed(body))) == (202, 1, 0, [])
        assert (await send(g, body, signed(body))).status_code == 409


async def test_a_new_attempt_of_the_sender_finds_its_events_taken() -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        assert (await send(g, body, signed(body))).status_code == 202
        g.clock.now += 5000
        assert answer(await send(g, body, signed(body, NOW + 5000))) == (202, 0, 1, [])
        assert len(g.log.records) == 1


async def test_unreadable_signed_requests_fill_the_dead_letters_once() -> None:
    async with gateway() as g:
        assert (await send(g, b"{", signed(b"{"))).status_code == 422
        assert (await send(g, b"{", signed(b"{"))).status_code == 409
        assert len(g.log.records) == 1


async def test_a_wrong_signature_does_not_use_up_the_id() -> None:
    async with gateway() as g:
        body = lines(sale("b"))
        assert (await send(g, body + b" ", signed(body))).status_code == 401
        assert (await send(g, body, signed(body))).status_code == 202


async def test_bodies_of_unknown_senders_keep_nobody_out_and_end_at_their_deadline() -> None:
    """As many large bodies as all bodies together may be, with an invented signature, that never end."""
    body = lines(sale("b"))
    begun = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal begun
        yield b"x" * 100_000
        begun += 1
        await asyncio.Event().wait()

    async with gateway(max_memory=1_000_000, max_unverified=250_000, unverified_s=0.5) as g:
        invented = NDJSON | signed(b"") | {"webhook-signature": "v1,AAAA"}
        held = [asyncio.create_task(g.client.post(PATH, content=endless(), headers=invented)) for _ in range(10)]
        await until(lambda: begun > 0)
        assert answer(await g.post(sale("a"))) == (202, 1, 0, [])
        statuses = [told.status_code for told in await asyncio.gather(*held)]
        assert set(statuses) == {408, 503}
        assert statuses.count(408) == 1  # half of what all may hold is one peer's
        assert answer(await send(g, body, signed(body))) == (202, 1, 0, [])


async def test_no_secret_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [MASTER, OPERATOR, USER_HASH, bearer_key(MASTER, "r1"), webhook_secret(MASTER, "r1")]
    body = lines(chat("a"), b"{oops")
    said: list[Any] = []
    async with gateway() as g:
        said += [await send(g, body, signed(body)), await send(g, body, signed(body)), await send(g, body + b" ", signed(body))]
        said += [await g.post(chat("b")), await g.post(chat("b"), key="lt_wrong"), await g.post(chat("b"), source="a/b")]
        said += [await g.operator(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/nowhere")]
        g.log.fail(RetryError("gone"))
        said += [await g.post(sale("c")), await g.operator("/readyz")]
        kept = b"".join(record.value + record.key for record in g.log.records)
    shown = "".join(one.text + str(one.headers) for one in said) + caplog.text + repr(config()) + kept.decode(errors="replace")
    assert [secret for secret in secrets if secret in shown] == []
