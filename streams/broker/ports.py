"""Ports: whether one is free, who holds it, one that is, and claims on those that will be used in a moment."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Callable, Iterable
from types import TracebackType

import psutil

LOWEST, HIGHEST = 20_000, 32_767
"""Below the range from which the kernel takes ports for clients: there, a client's own socket can take the port of a broker
that is away, and the broker cannot come back."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now and nobody has claimed the port (see :class:`Claims`)."""
    claim = _claim(port)
    if claim is None:
        return False
    claim.close()
    return can_listen(port, host)


def can_listen(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now: the question of one who may have the claim."""
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
    return "another program, or a stack that starts"


class Claims:
    """Ports that are given to servers which will listen in a moment, or which may be away for one.

    Seconds pass between the choice of a port and the first ``listen``, in which a second stack would choose the same. A claim
    is a name in Linux's abstract socket namespace: as wide as the ports themselves (every user, one network namespace), no
    file, and gone with the last process that holds it. Hand :meth:`filenos` to the process that is to hold the claims from
    then on. Elsewhere than on Linux nothing is claimed. A port must be free on loopback and on each of ``hosts``.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = {"127.0.0.1", *hosts}
        self._held: dict[int, socket.socket] = {}

    def take(self, port: int) -> bool:
        """Claim ``port`` if it is free and claimed by nobody else; whether it is ours now."""
        if port in self._held:
            return True
        claim = _claim(port)
        if claim is None:
            return False
        if not all(can_listen(port, host) for host in self._hosts):
            claim.close()
            return False
        self._held[port] = claim
        return True

    def filenos(self) -> tuple[int, ...]:
        return tuple(claim.fileno() for claim in self._held.values())

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for claim in self._held.values():
            claim.close()


def _claim(port: int) -> socket.socket | None:
    """The socket that is the claim, or None where another process has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform == "linux":
        try:
            claim.bind(f"\0livetide/port/{port}")
        except OSError:
            claim.close()
            return None
    return claim


def free_port(
    taken: set[int] | frozenset[int] = frozenset(),
    *,
    rng: random.Random | None = None,
    is_free: Callable[[int], bool] = is_free,
) -> int:
    """A free port in the safe range, none of ``taken``. Another program may still be quicker: be ready to ask again."""
    draw = rng or random.Random()  # noqa: S311 - no secret
    for _ in range(1000):
        port = draw.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")
