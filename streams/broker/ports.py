"""Ports: whether one is free, who holds it, and one that is."""

from __future__ import annotations

import random
import socket

import psutil

LOWEST, HIGHEST = 20_000, 32_767
"""Below the range from which the kernel takes ports for clients: there, a client's own socket can take the port of a broker
that is away, and the broker cannot come back."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on a port, in words, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another program"


def free_port(taken: set[int] | frozenset[int] = frozenset(), *, rng: random.Random | None = None) -> int:
    """A free port in the safe range, none of ``taken``. Another program may still be quicker: be ready to ask again."""
    draw = rng or random.Random()  # noqa: S311 - no secret
    for _ in range(1000):
        port = draw.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")
