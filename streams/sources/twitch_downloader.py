"""TwitchDownloader's JSON: one object whose ``comments`` are the chat, beside embedded pictures that may be very large.

A comment carries ``created_at`` (ISO) and ``content_offset_seconds``. Only the comments are read; the rest is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from streams.sources import files
from streams.sources.base import Tally
from streams.sources.json_stream import CutError, JsonStream
from streams.sources.recording import Draft, Recording, chat, position_ms


def recognise(head: str) -> bool:
    """Whether ``head`` is the beginning of such an object."""
    named = [f'"{key}"' in head for key in ("streamer", "video", "FileInfo", "comments")]
    return head.lstrip().startswith("{") and sum(named) >= 2


def open_twitch_downloader(path: Path, *, start_ms: int | None = None) -> Recording:
    """``path`` as a source. With ``start_ms`` messages are timed by their position from there."""

    def drafts(tally: Tally) -> Iterator[Draft]:
        return _drafts(_comments(path, tally), start_ms, tally)

    return Recording("TwitchDownloader JSON", path, drafts)


def _comments(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    number, found = 0, False
    stream = JsonStream(files.text(path, tally, "utf-8"))
    try:
        for key in stream.members():
            if key == "comments":
                found = True
                for number, comment in enumerate(stream.elements(), start=1):
                    yield number, comment
                return  # what follows are pictures
    except CutError as error:
        tally.damage("the file is cut short or broken", f"after comment {number}: {error}")
    if not found:
        tally.damage("no list of comments in the file", "end of file")


def _drafts(comments: Iterator[tuple[int, Any]], start_ms: int | None, tally: Tally) -> Iterator[Draft]:
    for number, comment in comments:
        where = f"comment {number}"
        message = comment.get("message") if isinstance(comment, dict) else None
        text = message.get("body") if isinstance(message, dict) else None
        if not isinstance(text, str):
            tally.damage("a comment without a message body", where)
        elif (at := _at(comment, start_ms)) is None:
            tally.damage("a comment without a time", where)
        else:
            yield chat(at, number, _commenter(comment), text, str(comment.get("_id") or ""))


def _at(comment: dict[str, Any], start_ms: int | None) -> int | None:
    position = position_ms(comment.get("content_offset_seconds"))
    if start_ms is not None and position is not None:
        return start_ms + position
    try:
        # nanoseconds are cut: fromisoformat reads six decimals
        time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(comment.get("created_at"))))
    except ValueError:
        return None
    return round(time.timestamp() * 1000) if time.tzinfo else None


def _commenter(comment: dict[str, Any]) -> str:
    commenter = comment.get("commenter")
    known = commenter if isinstance(commenter, dict) else {}  # null for a deleted account
    return str(known.get("_id") or known.get("display_name") or "")
