"""What one client may take from the others: the rate of a room's chat, the bytes of a body, and the time it may need."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import math
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Protocol

from starlette.requests import ClientDisconnect, Request

from streams.gateway.refused import RefusedError


class Rates:
    """A token bucket per room: ``rate`` messages a second on average, with ``burst_s`` seconds' worth saved up.

    A request is let in while there are tokens, and may leave the room in debt: so a request larger than the burst gets in too,
    and the average still holds. A rate of 0 is no limit.
    """

    def __init__(self, rate: float, burst_s: float = 2, rooms: int = 10_000) -> None:
        self._rate = rate
        self._burst = rate * burst_s
        self._most = rooms
        self._rooms: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, room: str, messages: int, now_ms: int) -> int:
        """0 when the messages may pass, else whole seconds after which it is worth trying again."""
        if self._rate <= 0 or messages == 0:
            return 0
        tokens, since = self._rooms.pop(room, (self._burst, now_ms))
        tokens = min(self._burst, tokens + max(0, now_ms - since) / 1000 * self._rate)
        let_in = tokens > 0
        self._rooms[room] = (tokens - messages if let_in else tokens, now_ms)
        if len(self._rooms) > self._most:
            self._rooms.popitem(last=False)
        return 0 if let_in else max(1, math.ceil(-tokens / self._rate))


class Memory:
    """The bytes of all bodies that are being read or worked on; more than ``most`` are refused with 503."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        if self.held + size > self._most:
            raise RefusedError(503, "too many requests are being worked on; nothing was taken, send again", retry_after=1)
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size


class Budget(Protocol):
    """What the bytes of a body are taken from, and given back to."""

    def take(self, size: int) -> None: ...
    def give_back(self, size: int) -> None: ...


def peer_of(host: str) -> str:
    """Who is behind an address: of IPv6 the network of 64 bits, which is one customer's; anything else as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))


class _Guest:
    """The budget of one body whose sender is not known."""

    def __init__(self, strangers: Strangers, peer: str) -> None:
        self._strangers, self._peer = strangers, peer
        self.held = 0

    def take(self, size: int) -> None:
        self._strangers.hold(self._peer, size)
        self.held += size

    def give_back(self, size: int) -> None:
        self._strangers.hold(self._peer, -size)
        self.held -= size


class Strangers:
    """Bodies whose signature cannot be checked before they are here: anybody can send those.

    So they live apart, in ``most_bytes`` and at most ``most_bodies`` at a time, of which one peer may have half. Who is known
    by a bearer key never waits for them.
    """

    def __init__(self, most_bytes: int, most_bodies: int) -> None:
        self._most_bytes, self._most_bodies = most_bytes, most_bodies
        self._bytes: Counter[str] = Counter()
        self._bodies: Counter[str] = Counter()

    def hold(self, peer: str, size: int) -> None:
        """Bytes of a peer's bodies, more or fewer; 503 when that is too many."""
        if size > 0 and (self._bytes[peer] + size > self._most_bytes // 2 or self._bytes.total() + size > self._most_bytes):
            raise _too_many_strangers()
        _add(self._bytes, peer, size)

    @contextlib.contextmanager
    def admit(self, host: str) -> Iterator[Budget]:
        """A place for one body from ``host``; 503 when there is none. What it holds at the end is given back."""
        peer = peer_of(host)
        if self._bodies[peer] >= self._most_bodies // 2 or self._bodies.total() >= self._most_bodies:
            raise _too_many_strangers()
        _add(self._bodies, peer, 1)
        guest = _Guest(self, peer)
        try:
            yield guest
        finally:
            guest.give_back(guest.held)
            _add(self._bodies, peer, -1)


def _add(counter: Counter[str], peer: str, number: int) -> None:
    """Who has nothing is forgotten."""
    counter[peer] += number
    if not counter[peer]:
        del counter[peer]


def _too_many_strangers() -> RefusedError:
    return RefusedError(503, "too many signed requests are being read; nothing was taken, send again", retry_after=1)


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"the body is larger than {most} bytes; send smaller requests")


def gunzip(body: bytes, most: int) -> bytes:
    """The expanded body; 400 when it is no gzip, 413 when it would grow beyond ``most`` bytes (it is not expanded further)."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        expanded = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(400, "the body is not gzip, as Content-Encoding says") from error
    if len(expanded) > most:
        raise _too_large(most)
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(400, "the gzip body is cut short, or has something behind its end")
    return expanded


async def read_body(request: Request, most: int, memory: Budget, within_s: float) -> bytes:
    """The body as it was sent. What it holds in ``memory`` is the caller's to give back, on success only.

    413 beyond ``most`` bytes, as soon as that is known; 408 when it takes longer than ``within_s``.
    """
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                if size + len(chunk) > most:
                    raise _too_large(most)
                memory.take(len(chunk))
                size += len(chunk)
                chunks.append(chunk)
    except BaseException as error:
        memory.give_back(size)
        if isinstance(error, TimeoutError):
            raise RefusedError(408, f"the body did not arrive within {within_s:g} s") from error
        if isinstance(error, ClientDisconnect):
            raise RefusedError(400, "the client left before its body was complete") from error
        raise
    return b"".join(chunks)
