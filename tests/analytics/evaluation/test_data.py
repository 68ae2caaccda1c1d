"""Files of examples: what is read, what is counted, and what every kind of bad file is told."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.evaluation import data, lines
from analytics.evaluation.data import Labelled, Pairs, components, groups_of_pairs
from streams.records import InvalidError

GOOD = "positive\t好看\nnegative\t太贵了\nneutral\t多少钱\npositive\t好看\n"
PAIRS = "多少钱\t怎么卖\t1\n多少钱\t包邮吗\t0\n怎么卖\t啥价\t1\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def made(content: str | bytes, name: str = "examples.tsv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return made


Write = Callable[..., Path]

WAYS = [
    pytest.param(lambda raw: raw, id="plain"),
    pytest.param(lambda raw: b"\xef\xbb\xbf" + raw, id="mark"),
    pytest.param(lambda raw: raw.replace(b"\n", b"\r\n"), id="windows"),
    pytest.param(lambda raw: raw.rstrip(b"\n"), id="no last end"),
    pytest.param(lambda raw: b"\n  \n" + raw + b"\n\n", id="blank lines"),
    pytest.param(gzip.compress, id="gzip"),
]


@pytest.mark.parametrize("packed", WAYS)
def test_labelled_lines_however_they_are_written(write: Write, packed: Callable[[bytes], bytes]) -> None:
    raw = packed(GOOD.encode())
    read = data.read_labelled(write(raw))
    assert read.rows == [("positive", "好看"), ("negative", "太贵了"), ("neutral", "多少钱"), ("positive", "好看")]
    assert read.labels == ["negative", "neutral", "positive"]
    assert (read.duplicates, read.conflicts) == (1, 0)
    unpacked = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    assert read.sha256 == hashlib.sha256(unpacked).hexdigest()


def test_the_number_of_a_line_is_that_of_the_file(write: Write) -> None:
    assert data.read_labelled(write("\na\tx\n\nb\ty\n")).numbers == [2, 4]


def test_a_column_between_is_passed_over(write: Write) -> None:
    assert data.read_labelled(write("a\tanger\t退钱\nb\tjoy\t好\n")).rows == [("a", "退钱"), ("b", "好")]


def test_lines_end_where_files_say_and_nowhere_else(write: Write) -> None:
    read = data.read_labelled(write("a\t一\u2028二\x85三\x0b四\nb\t五\n"))
    assert read.rows[0] == ("a", "一\u2028二\x85三\x0b四")


def test_repeats_and_contradictions_are_counted_and_told(write: Write) -> None:
    read = data.read_labelled(write("a\tx\nb\tx\na\tx\nb\ty\n"))
    assert (read.duplicates, read.conflicts, len(read.rows)) == (1, 1, 4)
    assert read.notes == ["repeats of earlier lines: 1 of 4", "texts under more than one label: 1"]
    pairs = data.read_pairs(write("a\tb\t1\nb\ta\t1\nb\ta\t0\na\tc\t0\n"))
    assert (pairs.duplicates, pairs.conflicts, len(pairs.rows)) == (1, 1, 4)
    assert len(pairs.notes) == 2


def test_pairs(write: Write) -> None:
    read = data.read_pairs(write(PAIRS))
    assert read.rows == [("多少钱", "怎么卖", True), ("多少钱", "包邮吗", False), ("怎么卖", "啥价", True)]
    assert read.notes == []
    assert groups_of_pairs(read.rows) == {"多少钱": ["多少钱", "怎么卖", "啥价"]}


def test_pairs_and_groups_are_told_apart_by_their_first_line(write: Write) -> None:
    assert isinstance(data.read_pairs_or_groups(write(PAIRS)), Pairs)
    families = data.read_pairs_or_groups(write("price\task_price\t多少钱\nprice\task_price\t怎么卖\n"))
    assert isinstance(families, Labelled)
    assert families.rows == [("price", "多少钱"), ("price", "怎么卖")]
    assert isinstance(data.read_pairs_or_groups(write("g\tx\ng\ty\n-\tz\n")), Labelled)


LONG = b"positive\t" + "好".encode() * 3_500_000  # 10 MB

BAD = [
    pytest.param(b"", r"is empty: one example a line", id="empty"),
    pytest.param(b"\xef\xbb\xbf", r"is empty", id="a mark alone"),
    pytest.param(b"\n\n \n", r"is empty", id="blank"),
    pytest.param(gzip.compress(b""), r"is empty", id="empty gzip"),
    pytest.param(bytes(range(256)) * 64, r"line 1: it holds a NUL byte", id="binary"),
    pytest.param(b"a\tx\nb\ty\0z\n", r"line 2: it holds a NUL byte", id="NUL"),
    pytest.param(GOOD.encode("utf-16"), r"is UTF-16: save it as UTF-8 \(iconv -f UTF-16", id="UTF-16"),
    pytest.param(GOOD.encode("utf-16-le"), r"line 1: it holds a NUL byte, so this is no text in UTF-8", id="UTF-16, no mark"),
    pytest.param(
        "positive\t好看\n".encode() + "negative\t太贵了不要\n".encode("gb18030"),
        r"line 2: byte 12 is no UTF-8\. It reads as Chinese in GB18030: iconv -f GB18030 -t UTF-8",
        id="GB18030",
    ),
    pytest.param(b"a\tx\nb\t\xff\xfe\xfd\n", r"line 2: byte 3 is no UTF-8\. It is no text, or one in", id="no encoding"),
    pytest.param(LONG, r"line 1: it is longer than 65,536 bytes", id="10 MB of one line"),
    pytest.param(gzip.compress(LONG), r"line 1: it is longer than 65,536 bytes", id="10 MB of one line, packed"),
    pytest.param(b"a\tx\n" * 6 + b"ax\n", r"line 7: 1 column, where label<TAB>text belongs: put one tab", id="a column short"),
    pytest.param(b"a\tx\nb\ty\tz\tw\n", r"line 2: 4 columns, where label<TAB>text", id="columns too many"),
    pytest.param(b"a\tx\n \ty\n", r"line 2: there is no label: the first column", id="no label"),
    pytest.param(b"a" * 101 + b"\tx\n", r"line 1: the label is longer than 100 characters", id="text first"),
    pytest.param(b"a\tx\na\ty\n", r"every line has the label 'a', and one class tells nothing", id="one class"),
    pytest.param(gzip.compress(GOOD.encode())[:-9], r"is a damaged gzip file", id="gzip cut"),
    pytest.param(b"\x1f\x8b" + b"junk" * 9, r"is a damaged gzip file", id="gzip of junk"),
]


@pytest.mark.parametrize(("content", "told"), BAD)
def test_a_bad_file_is_told_with_its_place(write: Write, content: bytes, told: str) -> None:
    path = write(content)
    with pytest.raises(InvalidError, match=told) as raised:
        data.read_labelled(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 400 + 2 * len(str(path))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"there is no file .*nothing\.tsv: check the path"):
        data.read_labelled(tmp_path / "nothing.tsv")
    with pytest.raises(InvalidError, match="is a folder: give one file"):
        data.read_labelled(tmp_path)
    locked = tmp_path / "loop"
    locked.symlink_to(locked)
    with pytest.raises(InvalidError, match="cannot be read"):
        data.read_labelled(locked)


def test_too_many_lines_labels_and_bytes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 3)
    with pytest.raises(InvalidError, match=r"line 4: more than 3 lines or"):
        data.read_labelled(write(GOOD))
    monkeypatch.setattr(lines, "MOST_LINES", 9_999)
    with pytest.raises(InvalidError, match=r"line 1001: there are more than 1,000 labels"):
        data.read_labelled(write("".join(f"label {n}\tx{n}\n" for n in range(1_200))))
    monkeypatch.setattr(lines, "MOST_BYTES", 2_000)
    bomb = gzip.compress(b"a\tx\n" * 4_000)
    with pytest.raises(InvalidError, match=r"line 501: more than 9,999 lines or 2,000 bytes: take a sample"):
        data.read_labelled(write(bomb))


def test_bad_pairs(write: Write) -> None:
    for content, told in (
        (PAIRS + "a\tb\n", r"line 4: 2 columns, where text<TAB>text<TAB>0 or 1 belongs"),
        (PAIRS + "a\tb\tyes\n", r"line 4: the third column is 'yes': it is 1 where both texts ask the same"),
        ("a\tb\t0\na\ta\t1\n", r"no two texts are marked 1"),
    ):
        with pytest.raises(InvalidError, match=told):
            data.read_pairs(write(content))


def test_bad_groups(write: Write) -> None:
    for content in ("a\tx\nb\ty\n", "-\tx\n-\ty\na\tz\n", "sentence1\tsentence2\tlabel\na\tb\t1\n"):
        with pytest.raises(InvalidError, match="no group has two lines"):
            data.read_pairs_or_groups(write(content))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), st.booleans()), max_size=20))
def test_components_are_those_of_a_walk(pairs: list[tuple[str, str, bool]]) -> None:
    texts = list("abcdefgh")
    found = components(texts, pairs)
    for start in texts:
        reached, waiting = {start}, [start]
        while waiting:
            at = waiting.pop()
            near = {b if a == at else a for a, b, alike in pairs if alike and at in (a, b)} - reached
            reached |= near
            waiting += near
        assert {text for text, one in zip(texts, found, strict=True) if one == found[texts.index(start)]} == reached


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(content)
        for read in (data.read_labelled, data.read_groups, data.read_pairs):
            with suppress(InvalidError):  # nothing else is raised
                assert read(path).rows
