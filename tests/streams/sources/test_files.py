"""Bytes from disk: lines, gzip that breaks off, lines without end."""

import gzip
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.base import Tally
from streams.sources.files import CHUNK, LINE, lines, text


def numbered(path: Path) -> tuple[list[tuple[int, bytes]], Tally]:
    tally = Tally()
    return list(lines(path, tally)), tally


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=30), st.booleans())
def test_lines_have_the_numbers_that_an_editor_shows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes], end: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(b"\n".join(rows) + (b"\n" if end else b""))
    shown = [(number, row.removeprefix(b"\xef\xbb\xbf") if number == 1 else row) for number, row in enumerate(rows, start=1)]
    if path.read_bytes()[:2] != b"\x1f\x8b":
        assert numbered(path)[0] == [(number, row.strip(b" \t\r")) for number, row in shown if row.strip(b" \t\r")]


def test_a_gzip_stream_that_breaks_off_gives_what_lies_before(tmp_path: Path) -> None:
    rows = [Random(n).randbytes(30).hex().encode() for n in range(20_000)]
    packed = gzip.compress(b"\n".join(rows))
    path = tmp_path / "cut.gz"
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(packed[: int(len(packed) * share)])
        found, tally = numbered(path)
        assert len(found) > share * len(rows) * 0.9
        assert [line for _, line in found[:-1]] == rows[: len(found) - 1]
        assert tally.damaged == {"the gzip stream is cut or damaged": 1}


def test_a_damaged_gzip_stream_says_where(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"\n".join(b"%d" % n for n in range(50_000))))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    _, tally = numbered(path)
    assert "unpacked bytes" in tally.examples[0]


def test_a_line_without_end_is_damage_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b"first\n")
        for _ in range(3 * LINE // CHUNK):
            file.write(b"x" * CHUNK)
        file.write(b"\nlast\n")
    found, tally = numbered(path)
    assert found == [(1, b"first"), (3, b"last")]
    assert tally.damaged.total() == 1
    assert tally.examples[0].startswith("line 2: ")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=200),
    st.sampled_from(["utf-8", "utf-16-le", "gb18030"]),
)
def test_text_is_whole_across_chunks(tmp_path_factory: pytest.TempPathFactory, content: str, encoding: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text.txt"
    padding = "好" * (CHUNK // 2 - 5)
    path.write_bytes((padding + content).encode(encoding))
    assert "".join(text(path, Tally(), encoding)) == padding + content
