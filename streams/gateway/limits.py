"""What one client may take from the others: the rate of a room's chat, the bytes of a body, and the time it may need."""

from __future__ import annotations

import asyncio
import math
import zlib
from collections import OrderedDict

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


async def read_body(request: Request, most: int, memory: Memory, within_s: float) -> bytes:
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
