"""chat-downloader's JSON: one array of messages, or one message a line; every field may be missing.

``timestamp`` is in microseconds; replays add ``time_in_seconds``, the position, which is negative before the stream began. What
is no message (memberships, gifts of memberships) is counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from streams.sources import files
from streams.sources.base import Tally
from streams.sources.json_stream import CutError, JsonStream
from streams.sources.recording import Draft, Recording, chat, epoch_ms, position_ms

SPOKEN = ("text_message", "paid_message", "ticker_paid_message_item", "chat", "subscription", "resubscription")


def looks_like(item: object) -> bool:
    """Whether a decoded JSON value is a message of chat-downloader's."""
    return isinstance(item, dict) and bool(
        item.keys() & {"message_id", "message_type"} and item.keys() & {"timestamp", "time_in_seconds", "author"}
    )


def open_chat_downloader(path: Path, *, start_ms: int | None = None) -> Recording:
    """``path`` as a source. With ``start_ms`` messages are timed by their position from there."""
    array = files.head(path).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["

    def drafts(tally: Tally) -> Iterator[Draft]:
        items = _array(path, tally) if array else _lines(path, tally)
        return _drafts(items, start_ms, tally)

    return Recording("chat-downloader JSON" if array else "chat-downloader JSON lines", path, drafts)


def _array(path: Path, tally: Tally) -> Iterator[tuple[str, Any]]:
    number = 0
    try:
        for number, item in enumerate(JsonStream(files.text(path, tally, "utf-8")).elements(), start=1):
            yield f"element {number}", item
    except CutError as error:
        tally.damage("the file is cut short or broken", f"after element {number}: {error}")


def _lines(path: Path, tally: Tally) -> Iterator[tuple[str, Any]]:
    for number, line in files.lines(path, tally):
        try:
            yield f"line {number}", msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tally.damage("a line that is no JSON", f"line {number}")


def _drafts(items: Iterator[tuple[str, Any]], start_ms: int | None, tally: Tally) -> Iterator[Draft]:
    for row, (where, item) in enumerate(items, start=1):
        if not isinstance(item, dict):
            tally.damage("an element that is no message object", where)
            continue
        kind, text = item.get("message_type") or "text_message", item.get("message")
        if kind not in SPOKEN:
            tally.ignore(f"{kind} (no chat)")
        elif not isinstance(text, str):
            tally.ignore(f"{kind} without text")
        elif (at := _at(item, start_ms)) is None:
            tally.damage("a message without a time (no timestamp; say when the recording began: --start)", where)
        else:
            yield chat(at, row, _author(item), text, str(item.get("message_id") or ""))


def _at(item: dict[str, Any], start_ms: int | None) -> int | None:
    position, timestamp = position_ms(item.get("time_in_seconds")), item.get("timestamp")
    if start_ms is not None and position is not None:
        return start_ms + position
    return epoch_ms(timestamp) if isinstance(timestamp, int | float) and 0 < timestamp < 1e19 else None


def _author(item: dict[str, Any]) -> str:
    author = item.get("author")
    known = author if isinstance(author, dict) else {}
    return str(known.get("id") or known.get("name") or "")
