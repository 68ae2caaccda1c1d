"""What is not understood is refused with a message that helps."""

import contextlib
import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import InvalidError
from streams.sources.opening import UNDERSTOOD, is_media, open_file, open_source

REFUSED = {
    "text": (b"just some notes\nabout nothing\n", "just some notes"),
    "page": (b"<!doctype html><html><body>404</body></html>", "doctype html"),
    "other XML": (b"<?xml version='1.0'?><rss><channel/></rss>", "rss"),
    "other JSON": (b'{"name": "livetide", "version": 1}', "livetide"),
    "other array": (b"[1, 2, 3]", "[1, 2, 3]"),
    "other CSV": (b"name,age\nx,3\n", "name,age"),
    "binary": (bytes(range(256)) * 4, "binary and begins 00 01 02"),
    "workbook": (b"PK\x03\x04" + bytes(100), "save the sheet as CSV"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(50), "zstd"),
    "packed binary": (gzip.compress(bytes(range(256)) * 9), "binary"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood(tmp_path: Path, name: str) -> None:
    content, looks = REFUSED[name]
    path = tmp_path / "recording.xml"  # the name promises what the content does not keep
    path.write_bytes(content)
    with pytest.raises(InvalidError) as caught:
        open_source(str(path))
    assert looks in str(caught.value)
    assert all(kind in str(caught.value) for kind in UNDERSTOOD)


@pytest.mark.parametrize("content", [b"", b" \n\n", gzip.compress(b"")], ids=["nothing", "blank lines", "packed nothing"])
def test_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidError, match="is empty"):
        open_source(str(path))


def test_missing_folder_pipe_and_broken_gzip(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="does not exist"):
        open_source(str(tmp_path / "nothing.xml"))
    with pytest.raises(InvalidError, match="is a folder"):
        open_source(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidError, match="no regular file"):
        open_source(str(tmp_path / "pipe"))
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8b\x08\x00garbage")
    with pytest.raises(InvalidError, match="cannot be unpacked"):
        open_source(str(broken))


@pytest.mark.parametrize("uri", ["sim:", "sim:seven", "sim:-1", "sim:1 2"])
def test_seeds_are_numbers(uri: str) -> None:
    with pytest.raises(InvalidError, match="sim:7"):
        open_source(uri)


@pytest.mark.parametrize("file", ["bililive_recorder.xml", "twitch_downloader.json", "sales_cn.csv", "events.jsonl"])
def test_gzip_by_content_not_by_name(samples: Path, tmp_path: Path, file: str) -> None:
    packed = tmp_path / "recording.bin"
    packed.write_bytes(gzip.compress((samples / file).read_bytes()))
    plain, unpacked = open_source(str(samples / file)), open_source(str(packed))
    assert list(plain.events()) == list(unpacked.events())
    assert plain.dialect == unpacked.dialect


def test_utf16(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes((samples / "sales_en.csv").read_text().replace(";", "\t").encode("utf-16"))
    assert [e.line for e in open_source(str(path)).events()] == [
        e.line for e in open_source(str(samples / "sales_en.csv")).events()
    ]


def test_the_majority_of_lines_decides(tmp_path: Path) -> None:
    path = tmp_path / "planted.jsonl"
    path.write_text('{"broken\n{"ts_ms": 1764000000000, "text": "x"}\n' + '{"kind":"chat","ts":1764000000000}\n' * 5)
    assert open_source(str(path)).dialect == "Livetide events (JSON lines)"


def test_a_start_is_refused_where_rows_have_no_position(samples: Path) -> None:
    with pytest.raises(InvalidError, match="no positions"):
        open_source(str(samples / "chat_rows.jsonl.gz"), start_ms=1)


def test_positions_without_any_time_ask_for_a_start(samples: Path) -> None:
    with pytest.raises(InvalidError, match="start_ms"):
        open_source(str(samples / "danmaku_factory.xml"))


@pytest.mark.parametrize(
    "head",
    [b"\0\0\0 ftypisom", b"FLV\x01\x05", b"\x1a\x45\xdf\xa3", b"#EXTM3U\n#EXT", (b"G" + bytes(187)) * 3],
)
def test_video_is_known_by_its_first_bytes(head: bytes) -> None:
    assert is_media(head)


@given(st.binary(min_size=1, max_size=400))
def test_any_bytes_are_opened_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.bin"
    path.write_bytes(content)
    with contextlib.suppress(InvalidError):
        list(open_file(path).events())


@given(st.sampled_from(["bililive_recorder.xml", "yt_dlp.live_chat.json", "chat_downloader.json", "twitch_downloader.json",
                        "sales_en.csv", "sales_cn.csv", "blrec_raw.jsonl", "events.jsonl"]), st.data())  # fmt: skip
def test_a_damaged_file_is_read_or_refused(
    samples: Path, tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject
) -> None:
    content = bytearray((samples / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(content)
    try:
        events = list(open_file(path).events())
    except InvalidError:
        return
    assert [event.at for event in events] == sorted(event.at for event in events)


@pytest.mark.parametrize("number", ["1e300", "-1e300", "Infinity", "NaN", "9" * 30, "-1", '"x"', "null", "[]", "1e18", "true"])
@pytest.mark.parametrize(
    "layout",
    [
        '[{"message_id": "1", "timestamp": %s, "time_in_seconds": %s, "message": "x"}]',
        '{"streamer": {}, "video": {}, "comments": [{"created_at": %s, "content_offset_seconds": %s, '
        '"message": {"body": "x"}}]}',
        '{"replayChatItemAction": {"actions": [{"addChatItemAction": {"item": {"liveChatTextMessageRenderer": {"id": "1", '
        '"timestampUsec": %s, "message": {"runs": [{"text": "x"}]}}}}}], "videoOffsetTimeMsec": %s}}',
        '{"cmd": "DANMU_MSG", "info": [[0, 1, 2, 3, %s], "x", [%s, "u"]]}',
        '{"ts_ms": %s, "text": "x", "user": %s}',
        "<i><d p='%s,1,25,0,%s,0,u,0'>x</d></i>",
        "order,ts,amount,quantity\n1,%s,1,%s\n",
    ],
    ids=["chat-downloader", "twitch", "yt-dlp", "raw", "rows", "xml", "csv"],
)
@pytest.mark.parametrize("start_ms", [None, 1_764_000_000_000])
def test_numbers_that_are_no_times(tmp_path: Path, layout: str, number: str, start_ms: int | None) -> None:
    path = tmp_path / "odd.bin"
    path.write_text(layout % (number, number))
    with contextlib.suppress(InvalidError):
        for event in open_source(str(path), start_ms=start_ms).events():
            assert 0 <= event.at < 1 << 53
