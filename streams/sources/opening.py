"""From what a person names to a source: by scheme, then by content. A file's name is never trusted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from streams.records import InvalidError
from streams.sources import chat_downloader, danmaku_xml, files, jsonl, live_chat_json, sales_csv, twitch_downloader
from streams.sources.base import Source
from streams.sources.recording import Recording

UNDERSTOOD = (
    "danmaku XML (BililiveRecorder, blrec, biliup, biliLive-tools, rust-srec, DanmakuFactory, bilibili's archive)",
    "yt-dlp live_chat.json",
    "chat-downloader JSON",
    "TwitchDownloader JSON",
    "Livetide events, chat rows (ts_ms, user, text) or bilibili's raw messages as JSON lines",
    "sales as CSV",
    "a video file, an .m3u8 playlist, an RTMP or HTTP stream",
    "sim:SEED",
)

MEDIA_URL = re.compile(r"(?:rtmps?|rtsp|srt|udp|https?)://", re.IGNORECASE)
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"),
    (b"BZh", "bzip2; unpack it first"),
    (b"\xfd7zXZ\x00", "xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


def open_source(uri: str, *, start_ms: int | None = None, zone: str = sales_csv.ZONE, **media: Any) -> Source:
    """Open what ``uri`` names: ``sim:SEED``, a stream's URL, or a file of any kind in :data:`UNDERSTOOD`, gzip or not.

    ``start_ms`` times a recording by position from there; ``zone`` is for spreadsheets without one. ``media`` goes to the
    simulator and the video sources. Raises ``InvalidError`` for what is not understood, and says what it looks like.
    """
    if uri.startswith("sim:"):
        from streams.sources.simulator import open_simulation

        return open_simulation(_seed(uri), **media)
    if MEDIA_URL.match(uri):
        return _open_media(uri, start_ms, media)
    path = Path(uri.removeprefix("file://"))
    head = files.head(path)
    if is_media(head):
        return _open_media(str(path), start_ms, media)
    return open_file(path, head, start_ms=start_ms, zone=zone)


def open_file(path: Path, head: bytes | None = None, *, start_ms: int | None = None, zone: str = sales_csv.ZONE) -> Source:
    """A chat or sales recording. The same errors as :func:`open_source`."""
    head = files.head(path) if head is None else head
    opener = _text_dialect(_text(path, head)) or _csv_dialect(head)
    if opener is None:
        raise _refusal(path, f"it is text that begins {_text(path, head).lstrip()[:60]!r}")
    options: dict[str, Any] = {}
    if opener in _BY_POSITION:
        options["start_ms"] = start_ms
    elif start_ms is not None:
        raise InvalidError(f"{path}: its rows carry their own times and no positions, so that a start cannot be given")
    if opener is sales_csv.open_sales_csv:
        options["zone"] = zone
    return opener(path, **options)


_BY_POSITION: tuple[Callable[..., Source], ...] = (
    danmaku_xml.open_danmaku_xml,
    live_chat_json.open_live_chat_json,
    chat_downloader.open_chat_downloader,
    twitch_downloader.open_twitch_downloader,
)

_LINES: tuple[tuple[Callable[[object], bool], Callable[..., Source]], ...] = (
    (jsonl.is_border_event, jsonl.open_border_lines),
    (jsonl.is_row, jsonl.open_rows),
    (live_chat_json.looks_like, live_chat_json.open_live_chat_json),
    (jsonl.is_bilibili_raw, jsonl.open_bilibili_raw),
    (chat_downloader.looks_like, chat_downloader.open_chat_downloader),
)


def is_media(head: bytes) -> bool:
    """Whether these first bytes are a video container's (MP4, FLV, Matroska, MPEG-TS) or a playlist's."""
    return (
        head[4:8] in {b"ftyp", b"styp"}
        or head.startswith((b"FLV\x01", b"\x1a\x45\xdf\xa3", b"#EXTM3U", b"\xef\xbb\xbf#EXTM3U"))
        or (len(head) > 376 and head[0] == head[188] == head[376] == 0x47)
    )


def _seed(uri: str) -> int:
    seed = uri.removeprefix("sim:")
    if not re.fullmatch(r"\d{1,18}", seed):
        raise InvalidError(f"{uri[:60]!r}: the simulation's seed must be a number, such as sim:7")
    return int(seed)


def _open_media(uri: str, start_ms: int | None, options: dict[str, Any]) -> Source:
    from streams.sources.media import open_media

    return open_media(uri, **options) if start_ms is None else open_media(uri, start_ms=start_ms, **options)


def _text(path: Path, head: bytes) -> str:
    """The head as text. Raises ``InvalidError`` for binary."""
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise _refusal(path, f"it looks like {what}")
    encoding = files.encoding_of(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    control = sum(character < " " and character not in "\t\r\n\f" for character in text[:4096])
    if text[:4096].count("\0") or control > len(text[:4096]) // 10:
        raise _refusal(path, f"it is binary and begins {head[:8].hex(' ')}")
    return text


def _text_dialect(text: str) -> Callable[..., Source] | None:
    start = text.lstrip()
    if start.startswith("<"):
        return danmaku_xml.open_danmaku_xml if danmaku_xml.recognise(text) else None
    if opener := _line_dialect(start):
        return opener
    if start.startswith("{") and twitch_downloader.recognise(start):
        return twitch_downloader.open_twitch_downloader
    messages = ('"message_id"', '"time_in_seconds"', '"message_type"')
    if start.startswith("[") and any(name in start for name in messages):
        return chat_downloader.open_chat_downloader
    return None


def _line_dialect(start: str) -> Callable[..., Source] | None:
    """The dialect that most of the first lines speak: the first line alone may be a planted poison."""
    votes = [0] * len(_LINES)
    for line in start.split("\n")[:200]:
        try:
            item = msgspec.json.decode(line.strip())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        for number, (speaks, _) in enumerate(_LINES):
            if speaks(item):
                votes[number] += 1
                break
    return _LINES[votes.index(max(votes))][1] if any(votes) else None


def _csv_dialect(head: bytes) -> Callable[..., Recording] | None:
    text = head.decode(sales_csv.sales_encoding(head), "ignore")
    return sales_csv.open_sales_csv if sales_csv.recognise(text) else None


def _refusal(path: Path, looks: str) -> InvalidError:
    return InvalidError(f"{path} is not understood: {looks}. Understood are: {'; '.join(UNDERSTOOD)}")
