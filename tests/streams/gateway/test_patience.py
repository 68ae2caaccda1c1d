"""Connections on which nothing, or too little, is said: over real sockets, with a patience of 50 ms."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from streams.gateway.patience import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Hasty(PatientProtocol):
    headers_s = 0.05


class Roomy(PatientProtocol):
    headers_s = 60
    headers_bytes = 4096


async def slow(request: Request) -> PlainTextResponse:
    await request.body()
    await asyncio.sleep(4 * Hasty.headers_s)
    return PlainTextResponse("done")


@contextlib.asynccontextmanager
async def connected(
    protocol: type[PatientProtocol] = Hasty,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server with little patience and one connection to it."""
    app = Starlette(routes=[Route("/", slow, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await serving


async def read(reader: asyncio.StreamReader) -> bytes:
    """One answer; nothing when the server closed the connection."""
    async with asyncio.timeout(5):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(4)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_who_says_too_little_is_left(said: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(said)
        assert await read(reader) == b""


async def test_headers_that_trickle_in_do_not_hold_a_connection() -> None:
    async with connected() as (reader, writer):
        reading = asyncio.create_task(read(reader))
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while not reading.done():
                writer.write(b"X-Slow: yes\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        assert await reading == b""


async def test_headers_without_end_are_cut_off() -> None:
    async with connected(Roomy) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                writer.write(b"X-Long: " + b"x" * 1000 + b"\r\n")
                await writer.drain()
        assert await read(reader) == b""


async def test_a_slow_answer_and_an_idle_connection_are_no_offence() -> None:
    async with connected() as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST)
            assert (await read(reader)).endswith(b"done")
            await asyncio.sleep(3 * Hasty.headers_s)


async def test_a_body_has_a_limit_of_its_own() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
        await asyncio.sleep(3 * Hasty.headers_s)
        writer.write(b"2")
        assert (await read(reader)).endswith(b"done")
