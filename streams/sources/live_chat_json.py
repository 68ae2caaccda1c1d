"""yt-dlp's ``.live_chat.json``: JSON lines of YouTube's own chat actions.

A line holds ``replayChatItemAction.actions`` and a position (``videoOffsetTimeMsec``, a string; in files of a running stream it
counts from the start of the download). The message is a renderer with ``timestampUsec``. A paid message is shown twice, as chat
and as a ticker with the same id: it becomes one event.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from streams.sources import files
from streams.sources.base import Tally
from streams.sources.recording import Draft, Recording, chat

SPOKEN = ("liveChatTextMessageRenderer", "liveChatPaidMessageRenderer")
TICKER = "liveChatTickerPaidMessageItemRenderer"


def looks_like(item: object) -> bool:
    """Whether a decoded JSON line is one of YouTube's chat actions."""
    return isinstance(item, dict) and bool(
        item.keys() & {"replayChatItemAction", "addChatItemAction", "addLiveChatTickerItemAction"}
    )


def open_live_chat_json(path: Path, *, start_ms: int | None = None) -> Recording:
    """``path`` as a source. With ``start_ms`` messages are timed by their position from there."""

    def drafts(tally: Tally) -> Iterator[Draft]:
        return _drafts(path, start_ms, tally)

    return Recording("yt-dlp live_chat.json", path, drafts)


def _drafts(path: Path, start_ms: int | None, tally: Tally) -> Iterator[Draft]:
    row = 0
    for number, line in files.lines(path, tally):
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tally.damage("a line that is no JSON", f"line {number}")
            continue
        replay = _get(item, "replayChatItemAction")
        position = _integer(_get(replay, "videoOffsetTimeMsec"))
        for action in _get(replay, "actions") or [item]:
            row += 1
            message = _message(action, tally)
            if message is not None:
                draft = _draft(message, position, start_ms, row)
                if draft:
                    yield draft
                else:
                    tally.damage("a message without a time", f"line {number}")


def _message(action: Any, tally: Tally) -> dict[str, Any] | None:
    """The renderer of a spoken message in an action; None (counted) for every other action."""
    item = _get(action, "addChatItemAction", "item")
    ticker = _get(action, "addLiveChatTickerItemAction", "item", TICKER)
    if ticker:
        item = _get(ticker, "showItemEndpoint", "showLiveChatItemEndpoint", "renderer")
    if not isinstance(item, dict) or not item:
        names = [name for name in action if name != "clickTrackingParams"] if isinstance(action, dict) else []
        tally.ignore(f"{names[0][:60] if names else 'an empty action'} (no chat)")
        return None
    name = next(iter(item))
    message = item[name]
    if name not in SPOKEN or not isinstance(message, dict):
        tally.ignore(f"{name[:60]} (no chat)")
        return None
    if not _runs(message):
        tally.ignore(f"{name} without text")
        return None
    return message


def _draft(message: dict[str, Any], position: int | None, start_ms: int | None, row: int) -> Draft | None:
    sent = _integer(message.get("timestampUsec"))
    at = start_ms + position if start_ms is not None and position is not None else sent // 1000 if sent else None
    if at is None:
        return None
    user = message.get("authorExternalChannelId") or _get(message, "authorName", "simpleText") or ""
    return chat(at, row, str(user), _runs(message), str(message.get("id") or ""))


def _runs(message: dict[str, Any]) -> str:
    """The text of a message: its runs joined, a picture of the channel's own by its short name."""
    runs = _get(message, "message", "runs")
    if not isinstance(runs, list):
        return str(_get(message, "message", "simpleText") or "")
    return "".join(_run(run) for run in runs)


def _run(run: Any) -> str:
    text, emoji = _get(run, "text"), _get(run, "emoji")
    if isinstance(text, str):
        return text
    shortcuts = _get(emoji, "shortcuts")
    if _get(emoji, "isCustomEmoji") and isinstance(shortcuts, list) and shortcuts:
        return str(shortcuts[0])
    return str(_get(emoji, "emojiId") or "")


def _get(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _integer(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 1 << 62 else None
