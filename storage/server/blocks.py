"""Blocks in ClickHouse's Native format: where one ends, and its column names and types, without decoding a value.

The bytes of a block are the same in the protocol and in the engine's ``Native`` format (below revision 54454), so blocks are
passed through; only their borders have to be found. Layouts follow the format's serialisations: fixed-width types, strings with
a varint length, nullable masks, array offsets, and the dictionary of a low-cardinality column.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import cache
from typing import Final

from storage.server.codec import ProtocolError, Reader, string, varint

FIXED: Final = {
    "Int8": 1, "UInt8": 1, "Bool": 1, "Enum8": 1, "Nothing": 1,
    "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "IPv4": 4, "Decimal32": 4, "Time": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Decimal64": 8, "Time64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
    "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
BLOCK_LIMIT: Final = 1 << 29
NO_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # block info: no overflows, bucket -1


class Unknown(ProtocolError):
    """A type whose layout is not known here."""


def empty_block(columns: Iterable[tuple[str, str]] = ()) -> bytes:
    """A block without rows: the header that says which columns are meant."""
    given = list(columns)
    return varint(len(given)) + b"\0" + b"".join(string(name) + string(kind) for name, kind in given)


@cache
def parse(kind: str) -> tuple[str, tuple[str, ...]]:
    """A type's name and its arguments: ``Map(String, Array(UInt8))`` → ``("Map", ("String", "Array(UInt8)"))``."""
    name, paren, rest = kind.partition("(")
    if not paren:
        return name, ()
    parts, depth, quoted, start = [], 0, False, 0
    body = rest[:-1]
    position = 0
    while position < len(body):
        char = body[position]
        if quoted and char == "\\":
            position += 1
        elif char == "'":
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
        elif not quoted and char == "," and depth == 0:
            parts.append(body[start:position].strip())
            start = position + 1
        position += 1
    return name, (*parts, body[start:].strip())


def _width(name: str, arguments: tuple[str, ...]) -> int | None:
    if name in FIXED:
        return FIXED[name]
    if name == "FixedString":
        return int(arguments[0])
    if name == "Decimal":
        precision = int(arguments[0])
        return 4 if precision <= 9 else 8 if precision <= 18 else 16 if precision <= 38 else 32
    if name.startswith("Interval"):
        return 8
    return None


def _element(argument: str) -> str:
    """The type of a tuple's element, which may be named."""
    named = re.match(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])", argument)
    return argument[named.end() :] if named else argument


def _jump(source: Reader, size: int) -> None:
    if size < 0 or size > BLOCK_LIMIT or source.at + size > BLOCK_LIMIT:
        raise ProtocolError(f"a block of more than {BLOCK_LIMIT} bytes: send smaller batches")
    source.need(size)
    source.at += size


def _skip_strings(source: Reader, count: int) -> None:
    data, at = source.data, source.at
    for _ in range(count):
        try:
            size = data[at]
        except IndexError:
            source.at = at
            source.need(1)
            size = data[at]
        if size < 0x80:
            at += 1 + size
        else:
            source.at = at
            size = source.varint()
            if size > BLOCK_LIMIT:
                raise ProtocolError(f"a string of {size} bytes")
            at = source.at + size
    behind = at - len(data)
    if behind > 0:
        source.at = len(data)
        source.need(behind)
    source.at = at


def _prefix(source: Reader, kind: str) -> None:
    """The state that stands before the data of a column: of low-cardinality parts only, in the order of their nesting."""
    name, arguments = parse(kind)
    if name == "LowCardinality":
        _jump(source, 8)
    elif name in ("Array", "Nullable"):
        _prefix(source, arguments[0])
    elif name == "SimpleAggregateFunction":
        _prefix(source, arguments[1])
    elif name == "Map":
        for argument in arguments:
            _prefix(source, argument)
    elif name in ("Tuple", "Nested"):
        for argument in arguments:
            _prefix(source, _element(argument))


def _last_offset(source: Reader, rows: int) -> int:
    if not rows:
        return 0
    _jump(source, 8 * rows)
    total: int = struct.unpack_from("<Q", source.data, source.at - 8)[0]
    if total > BLOCK_LIMIT:
        raise ProtocolError(f"an array column of {total} elements")
    return total


def _low_cardinality(source: Reader, inner: str, rows: int) -> None:
    if not rows:
        return
    flags, size = struct.unpack("<QQ", source.take(16))
    name, arguments = parse(inner)
    _body(source, arguments[0] if name == "Nullable" else inner, size)
    keys = source.u64()
    _jump(source, keys * (1 << (flags & 0xF)))


def _body(source: Reader, kind: str, rows: int) -> None:
    name, arguments = parse(kind)
    width = _width(name, arguments)
    if width is not None:
        _jump(source, width * rows)
    elif name == "String":
        _skip_strings(source, rows)
    elif name == "Nullable":
        _jump(source, rows)
        _body(source, arguments[0], rows)
    elif name == "Array":
        _body(source, arguments[0], _last_offset(source, rows))
    elif name == "Map":
        total = _last_offset(source, rows)
        for argument in arguments:
            _body(source, argument, total)
    elif name == "Nested":
        total = _last_offset(source, rows)
        for argument in arguments:
            _body(source, _element(argument), total)
    elif name == "Tuple":
        for argument in arguments:
            _body(source, _element(argument), rows)
    elif name == "LowCardinality":
        _low_cardinality(source, arguments[0], rows)
    elif name == "SimpleAggregateFunction":
        _body(source, arguments[1], rows)
    elif name == "Point":
        _jump(source, 16 * rows)
    else:
        raise Unknown(f"type {kind}: its layout is not known here; send it over HTTP, or as a String to be cast")


def skip_block(source: Reader) -> tuple[int, list[tuple[str, str]]]:
    """Read over one block; its rows, and the names and types of its columns."""
    width, rows = source.varint(), source.varint()
    if width > 10_000 or rows > BLOCK_LIMIT:
        raise ProtocolError(f"a block of {width} columns and {rows} rows")
    columns = []
    for _ in range(width):
        name, kind = source.string(), source.string()
        columns.append((name, kind))
        if rows:
            _prefix(source, kind)
            _body(source, kind, rows)
    return rows, columns


def read_info(source: Reader) -> None:
    """Block info stands before every block of the protocol, and says nothing that matters here."""
    while field := source.varint():
        source.take({1: 1, 2: 4}.get(field) or _bad_field(field))


def _bad_field(field: int) -> int:
    raise ProtocolError(f"block info with field {field}")
