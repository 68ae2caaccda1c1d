"""Kafka's protocol by hand: what a listener answers somebody who has shown no password."""

from __future__ import annotations

import socket
import struct

HANDSHAKE, VERSIONS = 17, 18
"""The two requests that come before a password: which mechanisms there are, and which versions."""


def answer(port: int, api: int, version: int) -> bytes:
    """The answer to one request without a body; empty when the connection is closed instead."""
    header = struct.pack(">hhih", api, version, 7, -1)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(header)) + header)
        try:
            return _exactly(connection, struct.unpack(">i", _exactly(connection, 4))[0])
        except (ConnectionError, EOFError):
            return b""


def offered(port: int) -> dict[int, int]:
    """Every request that the listener knows, with the oldest version that it takes."""
    told = answer(port, VERSIONS, 0)
    code, count = struct.unpack_from(">hi", told, 4)
    assert code == 0
    return {api: oldest for api, oldest, _ in (struct.unpack_from(">hhh", told, 10 + 6 * i) for i in range(count))}


def answered(port: int) -> list[int]:
    """Every other request that is answered without a password: none should be."""
    known = offered(port)
    assert len(known) > 10
    return [api for api, oldest in known.items() if api not in (HANDSHAKE, VERSIONS) and answer(port, api, oldest)]


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        if not (more := connection.recv(count - len(got))):
            raise EOFError
        got += more
    return got
