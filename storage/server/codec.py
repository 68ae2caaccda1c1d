"""The primitives of ClickHouse's native protocol: varints, strings, and compressed frames. Bytes in, bytes out, no sockets.

A reader is anything with ``need(n)`` (make ``n`` more bytes available, or raise :class:`EOFError`), the buffer ``data`` and the
position ``at``: the same code reads a socket, the content of compressed frames and a block in memory.
Lengths that a peer announces are checked against a limit before memory is given to them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

LZ4: Final = 0x82
STORED: Final = 0x02
FRAME_HEADER: Final = 16 + 1 + 4 + 4  # checksum, method, compressed size, size
FRAME_LIMIT: Final = 1 << 28
FRAME_TARGET: Final = 1 << 20


class ProtocolError(Exception):
    """The peer does not speak the protocol, or asks for more than the limits allow: the connection ends."""


class Reader:
    """Bytes that come from ``fill`` when they are needed. ``taken`` bytes before ``at`` may be dropped by :meth:`compact`."""

    def __init__(self, fill: Callable[[], bytes] | None = None, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.at = 0
        self._fill = fill

    def need(self, size: int) -> None:
        """Make ``size`` bytes from ``at`` on available; raises :class:`EOFError` when the peer is gone."""
        while len(self.data) - self.at < size:
            more = self._fill() if self._fill else b""
            if not more:
                raise EOFError("the connection ended within a packet")
            self.data += more

    def buffered(self) -> int:
        return len(self.data) - self.at

    def compact(self) -> None:
        """Forget what has been read; only between packets, since blocks are cut out of ``data`` by position."""
        del self.data[: self.at]
        self.at = 0

    def take(self, size: int) -> bytes:
        self.need(size)
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def varint(self) -> int:
        value = shift = 0
        while True:
            self.need(1)
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ProtocolError("a number of more than 64 bits")

    def binary(self, limit: int) -> bytes:
        size = self.varint()
        if size > limit:
            raise ProtocolError(f"a string of {size} bytes where at most {limit} are taken")
        return self.take(size)

    def string(self, limit: int = 1 << 16) -> str:
        try:
            return self.binary(limit).decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("a string that is not UTF-8") from error

    def u8(self) -> int:
        return self.take(1)[0]

    def u64(self) -> int:
        value: int = struct.unpack("<Q", self.take(8))[0]
        return value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return varint(len(data)) + data


def _checksum(data: bytes) -> bytes:
    digest = CityHash128(data)  # clickhouse-driver's order of the two halves, which is the server's
    return struct.pack("<QQ", digest >> 64, digest & 0xFFFFFFFFFFFFFFFF)


def compress(data: bytes) -> bytes:
    """``data`` as LZ4 frames of about a megabyte, each with its checksum."""
    frames = []
    for start in range(0, len(data), FRAME_TARGET):
        piece = data[start : start + FRAME_TARGET]
        packed = lz4.block.compress(piece, store_size=False)
        body = struct.pack("<BII", LZ4, len(packed) + 9, len(piece)) + packed
        frames += [_checksum(body), body]
    return b"".join(frames)


def read_frame(source: Reader) -> bytes:
    """The content of the next frame. Raises :class:`ProtocolError` for a wrong checksum, size or method."""
    checksum = source.take(16)
    method, packed_size, size = struct.unpack("<BII", source.take(9))
    if not 9 <= packed_size <= FRAME_LIMIT or size > FRAME_LIMIT:
        raise ProtocolError(f"a compressed frame of {packed_size} bytes for {size}")
    packed = source.take(packed_size - 9)
    if _checksum(struct.pack("<BII", method, packed_size, size) + packed) != checksum:
        raise ProtocolError("a compressed frame whose checksum does not match")
    if method == STORED:
        return packed
    if method != LZ4:
        raise ProtocolError(
            f"compression method {method:#x}: this server reads LZ4 and stored frames; choose lz4 in the client"
        )
    try:
        content: bytes = lz4.block.decompress(packed, uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise ProtocolError(f"a damaged LZ4 frame: {error}") from error
    return content


def frames(source: Reader) -> Reader:
    """A reader of what is inside the frames that ``source`` reads."""
    return Reader(lambda: read_frame(source))
