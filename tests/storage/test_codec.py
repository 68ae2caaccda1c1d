from __future__ import annotations

import string as letters
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import httpx
import pytest
from clickhouse_driver.columns.service import write_column
from clickhouse_driver.context import Context
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.server import blocks, codec
from storage.server.codec import ProtocolError, Reader
from tests.storage.support import PASSWORD, StoreProcess

NAMES = st.text(letters.ascii_letters, min_size=1, max_size=6)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "UInt8": st.integers(0, 255),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "Float64": st.floats(allow_nan=False),
    "String": st.text(max_size=20) | st.just("长" * 100),
    "Bool": st.booleans(),
    "DateTime64(3, 'UTC')": st.integers(0, 10**13),
    "Decimal(18, 2)": st.integers(0, 10**12),
    "FixedString(5)": st.just("abcde"),
    "Enum8('a' = 1, 'b' = 2)": st.sampled_from([1, 2]),
}


def _kinds() -> st.SearchStrategy[tuple[str, st.SearchStrategy[Any]]]:
    """Types that clickhouse-driver can write in all values: no tuple inside an array, no map inside a map."""
    plain = st.sampled_from(sorted(VALUES)).map(lambda kind: (kind, VALUES[kind]))
    special = st.sampled_from(
        [
            ("LowCardinality(String)", VALUES["String"]),
            ("LowCardinality(Nullable(String))", st.none() | VALUES["String"]),
            ("Nullable(Int64)", st.none() | VALUES["Int64"]),
            ("Nullable(String)", st.none() | VALUES["String"]),
        ]
    )
    simple = plain | special
    lists = simple.map(lambda k: (f"Array({k[0]})", st.lists(k[1], max_size=4)))
    return st.one_of(
        simple,
        lists,
        lists.map(lambda k: (f"Array({k[0]})", st.lists(k[1], max_size=3))),
        st.sampled_from(["UInt8", "String", "Bool", "Int64"]).map(
            lambda kind: (f"Map(String, {kind})", st.dictionaries(st.text(max_size=5), VALUES[kind], max_size=3))
        ),
        st.tuples(special, special).map(lambda k: (f"Tuple(a {k[0][0]}, b {k[1][0]})", st.tuples(k[0][1], k[1][1]))),
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, str]], int, list[list[Any]]]:
    rows = draw(st.integers(0, 6))
    columns, data = [], []
    for _ in range(draw(st.integers(1, 3))):
        kind, values = draw(_kinds())
        columns.append((draw(NAMES), kind))
        data.append(draw(st.lists(values, min_size=rows, max_size=rows)))
    return columns, rows, data


class Sink(BytesIO):
    """A buffer for clickhouse-driver's writer."""

    def write_strings(self, items: Any, encoding: str | None = None) -> None:
        for item in items:
            data = item.encode(encoding or "utf-8") if isinstance(item, str) else item
            self.write(codec.string(data))

    def write_fixed_strings(self, items: Any, length: int, encoding: str | None = None) -> None:
        for item in items:
            self.write(item.encode(encoding or "utf-8").ljust(length, b"\0"))

    write_fixed_strings_as_bytes = write_fixed_strings
    write_strings_as_bytes = write_strings


def encode(columns: list[tuple[str, str]], rows: int, data: list[list[Any]]) -> bytes:
    """A block as clickhouse-driver writes it."""
    context = Context()
    context.client_settings = {"strings_as_bytes": False, "strings_encoding": "utf-8", "use_numpy": False}
    context.settings = {}
    out = Sink()
    out.write(codec.varint(len(columns)) + codec.varint(rows))
    for (name, kind), values in zip(columns, data, strict=True):
        out.write(codec.string(name) + codec.string(kind))
        if rows:
            write_column(context, name, kind, list(values), out)
    return out.getvalue()


def trickle(data: bytes, size: int) -> Callable[[], bytes]:
    """``data`` in pieces, as a socket gives them."""
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    return lambda: next(pieces, b"")


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 40))
def test_a_block_ends_where_its_writer_ended_it(table: tuple[list[tuple[str, str]], int, list[list[Any]]], size: int) -> None:
    columns, rows, _ = table
    block = encode(*table)
    source = Reader(trickle(block + b"next", size))
    assert blocks.skip_block(source) == (rows, columns)
    assert bytes(source.data[: source.at]) == block
    assert source.take(4) == b"next"


@settings(max_examples=60, deadline=None)
@given(tables(), st.data())
def test_a_block_cut_short_is_noticed(table: tuple[list[tuple[str, str]], int, list[list[Any]]], data: st.DataObject) -> None:
    block = encode(*table)
    with pytest.raises(EOFError):
        blocks.skip_block(Reader(data=block[: data.draw(st.integers(0, len(block) - 1))]))


@given(st.binary(max_size=200))
def test_noise_never_takes_more_than_it_brings(noise: bytes) -> None:
    source = Reader(data=noise)
    with suppress(ProtocolError, EOFError):
        blocks.skip_block(source)
    assert len(source.data) <= len(noise)


@pytest.mark.parametrize("kind", ["JSON", "Variant(String, UInt8)", "Dynamic", "AggregateFunction(uniqExact, String)"])
def test_an_unknown_layout_is_named(kind: str) -> None:
    block = codec.varint(1) + codec.varint(1) + codec.string("x") + codec.string(kind) + b"????????"
    with pytest.raises(blocks.Unknown, match=kind.split("(")[0]):
        blocks.skip_block(Reader(data=block))


@given(st.integers(0, 2**63 - 1), st.binary(max_size=300), st.text(max_size=50))
def test_numbers_and_strings_come_back(number: int, data: bytes, text: str) -> None:
    source = Reader(trickle(codec.varint(number) + codec.string(data) + codec.string(text), 3))
    assert (source.varint(), source.binary(1000), source.string()) == (number, data, text)


def test_announced_lengths_are_limited() -> None:
    with pytest.raises(ProtocolError, match="at most 10"):
        Reader(data=codec.varint(11)).binary(10)
    with pytest.raises(ProtocolError, match="64 bits"):
        Reader(data=b"\xff" * 12).varint()
    with pytest.raises(ProtocolError, match="not UTF-8"):
        Reader(data=codec.string(b"\xff")).string()


@given(st.binary(max_size=5000))
def test_frames_come_back(data: bytes) -> None:
    source = codec.frames(Reader(data=codec.compress(data * 3)))
    assert source.take(len(data) * 3) == data * 3


def test_long_data_take_several_frames() -> None:
    data = bytes(range(256)) * 10_000
    packed = Reader(data=codec.compress(data))
    first = codec.read_frame(packed)
    assert len(first) == codec.FRAME_TARGET
    assert data == first + codec.read_frame(packed) + codec.read_frame(packed)
    assert not packed.buffered()


@pytest.mark.parametrize("at", [0, 16, 17, 21, 30])
def test_a_damaged_frame_is_noticed(at: int) -> None:
    frame = bytearray(codec.compress(b"some content that repeats, content that repeats"))
    frame[at] ^= 0x01
    with pytest.raises((ProtocolError, EOFError)):
        codec.read_frame(Reader(data=bytes(frame)))


@pytest.mark.store
@pytest.mark.parametrize(
    "structure",
    [
        "a UInt8, b String, c Float64, d DateTime64(3), e Decimal(30, 2), f UUID, g IPv6, h Date32, i FixedString(3)",
        "a Array(Array(String)), b Map(String, Map(UInt8, Array(String))), c Array(Tuple(x String, `y z` Nullable(Int32)))",
        "a LowCardinality(String), b Array(LowCardinality(Nullable(String))), c Map(LowCardinality(String), UInt64)",
        "a Tuple(Tuple(UInt8, String), Array(LowCardinality(String))), b Nullable(Decimal(9, 3))",
        "c Enum16('a' = -5, 'b,(' = 3)",
        "a Array(Map(String, Tuple(n Int128, s Array(Bool)))), c Point, d Nullable(String)",
        "a Nested(x UInt8, y String)",
    ],
)
def test_the_engines_own_blocks_are_understood(store: StoreProcess, structure: str) -> None:
    quoted = structure.replace("'", "\\'")
    answer = httpx.post(
        f"http://127.0.0.1:{store.http_port}/",
        content=f"SELECT * FROM generateRandom('{quoted}', 7, 40, 5) LIMIT 1000 FORMAT Native",
        auth=("live", PASSWORD),
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    source = Reader(data=answer.content)
    rows = 0
    while source.buffered():
        rows += blocks.skip_block(source)[0]
    assert (rows, source.at) == (1000, len(answer.content))


def test_types_are_taken_apart() -> None:
    assert blocks.parse("Map(String, Array(UInt8))") == ("Map", ("String", "Array(UInt8)"))
    assert blocks.parse("Enum8('a,)\\'' = 1, 'b' = 2)") == ("Enum8", ("'a,)\\'' = 1", "'b' = 2"))
    assert blocks.parse("UInt8") == ("UInt8", ())
