"""The application's routes, limits and answers. Keys are in tests/security/test_gateway.py."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from streams.gateway.auth import bearer_key
from streams.records import RetryError
from tests.support.gateway import MASTER, Harness, answer, chat, config, gateway, lines, sale


async def send(g: Harness, content: Any, content_type: str = "application/x-ndjson", **headers: str) -> httpx.Response:
    given = {"Authorization": f"Bearer {bearer_key(MASTER, 'r1')}", "Content-Type": content_type}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await g.client.post("/v1/rooms/r1/events", content=content, headers=given)


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/x-ndjson; charset=utf-8", "Application/JSONL"])
async def test_lines(content_type: str) -> None:
    async with gateway() as g:
        assert answer(await send(g, lines(chat(), sale()), content_type)) == (202, 2, 0, [])


async def test_a_document() -> None:
    async with gateway() as g:
        body = json.dumps({"events": [chat(), sale(), 7]})
        assert answer(await send(g, body, "application/json; charset=utf-8")) == (202, 2, 0, [2])


async def test_an_empty_document_has_no_event() -> None:
    async with gateway() as g:
        told = await send(g, b'{"events": []}', "application/json")
        assert answer(told) == (422, 0, 0, [])
        assert told.json()["error"] == "no event at all"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/cbor"])
async def test_other_content_types_are_415(content_type: str) -> None:
    async with gateway() as g:
        told = await send(g, lines(chat()), content_type)
        assert told.status_code == 415
        assert "application/x-ndjson" in told.json()["error"]


async def test_gzip_is_expanded_and_bounded() -> None:
    async with gateway(max_body=10_000) as g:
        assert answer(await send(g, gzip.compress(lines(chat())), Content_Encoding="gzip")) == (202, 1, 0, [])
        assert (await send(g, gzip.compress(bytes(20_000)), Content_Encoding="gzip")).status_code == 413
        assert (await send(g, lines(chat()), Content_Encoding="gzip")).status_code == 400
        assert (await send(g, lines(chat()), Content_Encoding="br")).status_code == 415
        assert answer(await send(g, lines(chat("b")), Content_Encoding="identity")) == (202, 1, 0, [])


async def test_a_large_body_is_413_with_and_without_a_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    async with gateway(max_body=1000) as g:
        assert (await send(g, b"x" * 1001)).status_code == 413
        assert (await send(g, chunks())).status_code == 413
        assert (await send(g, b"x" * 1000)).status_code == 422


async def test_too_many_events_are_413_and_none_is_taken() -> None:
    async with gateway(max_events=2) as g:
        assert (await g.post(chat("a"), chat("b"), chat("c"))).status_code == 413
        assert g.log.records == []


async def test_a_body_that_does_not_arrive_is_408() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with gateway(body_s=0.02) as g:
        assert (await send(g, stuck())).status_code == 408


async def test_bodies_that_are_worked_on_are_bounded_together() -> None:
    body = lines(sale("a"))
    async with gateway(max_memory=len(body) + 10) as g:
        g.log.hold()
        first = asyncio.create_task(g.post(sale("a")))
        async with asyncio.timeout(5):
            while g.log.backlog == 0:
                await asyncio.sleep(0)
        refused = await g.post(sale("b"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        g.log.release()
        assert answer(await first) == (202, 1, 0, [])
        assert answer(await g.post(sale("b"))) == (202, 1, 0, [])


async def test_what_a_body_expands_to_counts_too() -> None:
    async with gateway(max_memory=5000) as g:
        large = gzip.compress(lines(chat("a", note="x" * 6000)))
        assert (await send(g, large, Content_Encoding="gzip")).status_code == 503
        small = gzip.compress(lines(chat("a", note="x" * 4000)))
        assert answer(await send(g, small, Content_Encoding="gzip")) == (202, 1, 0, [])
        assert answer(await send(g, small, Content_Encoding="gzip")) == (202, 0, 1, [])


@pytest.mark.parametrize("room", ["..x", "a b", "房间", "x" * 65])
async def test_a_room_that_cannot_be_one_is_422(room: str) -> None:
    async with gateway() as g:
        told = await g.post(chat(), room=room)
        assert told.status_code == 422
        assert "room" in told.json()["error"]


@pytest.mark.parametrize(("name", "value"), [("source", "a/b"), ("source", ""), ("source", ".x"), ("clock", "mine")])
async def test_parameters_that_mean_nothing_are_422(name: str, value: str) -> None:
    async with gateway() as g:
        told = await (g.post(chat(), source=value) if name == "source" else g.post(chat(), clock=value))
        assert told.status_code == 422
        assert name in told.json()["error"]
        assert g.log.records == []


async def test_wrong_methods_and_paths_are_told_so() -> None:
    async with gateway() as g:
        told = await g.client.get("/v1/rooms/r1/events")
        assert (told.status_code, told.headers["allow"]) == (405, "POST")
        assert (await g.client.post("/healthz")).status_code == 405
        assert (await g.client.get("/")).json() == {"error": "Not Found"}


async def test_health_and_readiness() -> None:
    async with gateway() as g:
        assert (await g.operator("/healthz")).text == "alive\n"
        assert (await g.operator("/readyz")).text == "ready\n"
        g.log.fail(RetryError("gone"))
        told = await g.operator("/readyz")
        assert (told.status_code, told.json()["error"]) == (503, "the log in memory does not answer")
        assert (await g.operator("/healthz")).status_code == 200


async def test_what_happens_is_counted() -> None:
    async with gateway() as g:
        await g.post(chat("a"), sale("b"), b"{")
        await g.client.get("/nowhere")
        text = (await g.operator("/metrics")).text
        for line in (
            "gateway_events_chat_accepted 1",
            "gateway_events_sale_accepted 1",
            "gateway_events_unreadable_rejected 1",
            "gateway_requests_202 1",
            "gateway_requests_404 1",
            "gateway_ack_seconds 1",
        ):
            assert line in text.splitlines()
        assert g.meter.gauges["gateway_backlog"] == 0


async def test_the_document_describes_every_route_and_every_event() -> None:
    async with gateway(max_events=321) as g:
        told = await g.operator("/openapi.json")
        api = told.json()
        assert (told.headers["content-type"], api["openapi"]) == ("application/json", "3.1.0")
        assert {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"} < set(api["paths"])
        post = api["paths"]["/v1/rooms/{room}/events"]["post"]
        assert "321 events" in post["description"]
        assert set(post["responses"]) == {"202", "400", "401", "408", "409", "413", "415", "422", "429", "503"}
        schemas = api["components"]["schemas"]
        for name, fields in {"ChatEvent": {"id", "ts", "user", "text"}, "SpeechEvent": {"id", "ts", "end", "text"}}.items():
            assert set(schemas[name]["required"]) == fields | {"kind"}
        for reference in {part for part in json.dumps(api).split('"') if part.startswith("#/components/schemas/")}:
            assert reference.rsplit("/", 1)[1] in schemas


async def test_the_example_of_the_document_is_one() -> None:
    async with gateway() as g:
        api = (await g.operator("/openapi.json")).json()
        content = api["paths"]["/v1/rooms/{room}/events"]["post"]["requestBody"]["content"]
        assert answer(await g.post(body=content["application/x-ndjson"]["example"].encode(), clock="replay")) == (202, 2, 0, [])


async def test_the_page_shows_it_all_and_needs_nothing_from_elsewhere() -> None:
    async with gateway() as g:
        told = await g.operator("/docs")
        assert told.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in told.headers["content-security-policy"]
        for shown in ("/v1/rooms/{room}/events", "ChatEvent", "dwell_ms", "webhook-signature", "at most 128 characters"):
            assert shown in told.text
        for loaded in ("<script", "<link", "<img", "src=", "@import", "url("):
            assert loaded not in told.text


async def test_an_answer_is_json_that_nobody_keeps() -> None:
    async with gateway() as g:
        told = await g.post(chat())
        assert told.headers["content-type"] == "application/json"
        assert told.headers["cache-control"] == "no-store"
        assert msgspec.json.decode(told.content) == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_the_configuration_does_not_show_its_secrets() -> None:
    shown = repr(config())
    assert "room_rate" in shown
    assert "secret-of" not in shown
    assert "key-of" not in shown
