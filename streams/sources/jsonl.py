"""JSON lines: our own replay format, rows of ``ts_ms``/``user``/``text``, bilibili's raw messages as blrec keeps them.

Our own format is border events, one a line, in the order in which they reached the gateway. They are played to the letter,
order, duplicates, late ones and poison included, since a recording of trouble is there to make the same trouble again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from streams.sources import files
from streams.sources.base import Event, Tally
from streams.sources.recording import Draft, Recording, chat, epoch_ms

KINDS = ("chat", "sale", "viewer", "speech", "product")
OUTLIER_MS = 10_000
NEIGHBOURS = 64


class _Stamp(msgspec.Struct):
    ts: int | float


_stamp = msgspec.json.Decoder(_Stamp)


def is_border_event(item: object) -> bool:
    return isinstance(item, dict) and item.get("kind") in KINDS and "ts" in item


def is_row(item: object) -> bool:
    return isinstance(item, dict) and "ts_ms" in item and "text" in item


def is_bilibili_raw(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("cmd"), str) and ("info" in item or "data" in item)


class BorderLines:
    """A file of border events as a source: each line as it is, paced by a clock that one wrong time-stamp does not move."""

    dialect = "Livetide events (JSON lines)"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tally = Tally()

    def events(self) -> Iterator[Event]:
        """Every line, poison too. ``at`` never runs backwards; a stamp far ahead of those that follow it does not move it."""
        self.tally = Tally()
        lines = ((_ts(line), line) for _, line in files.lines(self.path, self.tally))
        window = deque(islice(lines, NEIGHBOURS))
        at: int | None = None
        while window:
            ts, line = window.popleft()
            if ts is not None and (at is None or ts > at + OUTLIER_MS):
                ts = _credible(ts, [stamp for stamp, _ in window if stamp is not None])
            at = max(at or 0, ts or 0)
            yield Event(at, line)
            window.extend(islice(lines, 1))


def open_border_lines(path: Path) -> BorderLines:
    """Our own replay format. Times cannot be moved by position: the events carry their own."""
    return BorderLines(path)


def open_rows(path: Path) -> Recording:
    """Rows ``{"ts_ms": …, "user": …, "text": …}``; one chat event a row, empty texts too. Other keys are passed over."""

    def drafts(tally: Tally) -> Iterator[Draft]:
        for number, item in _objects(path, tally):
            ts, user, text = item.get("ts_ms"), item.get("user"), item.get("text")
            if not isinstance(ts, int | float) or isinstance(ts, bool) or not 0 < ts < 1e15:
                tally.damage("ts_ms is no time in epoch milliseconds", f"line {number}")
            elif not isinstance(text, str):
                tally.damage("text is no string", f"line {number}")
            else:
                yield chat(int(ts), number, "" if user is None else str(user), text, str(item.get("id") or ""))

    return Recording("chat rows (ts_ms, user, text)", path, drafts)


def open_bilibili_raw(path: Path) -> Recording:
    """The platform's messages as they came: ``DANMU_MSG`` and ``SUPER_CHAT_MESSAGE`` become chat, the rest is counted."""

    def drafts(tally: Tally) -> Iterator[Draft]:
        for number, item in _objects(path, tally):
            command = str(item.get("cmd", "")).partition(":")[0]
            try:
                if command == "DANMU_MSG":
                    info = item["info"]
                    sender = info[2][0] or info[2][1] or ""
                    yield chat(epoch_ms(info[0][4]), number, str(sender), str(info[1]))
                elif command == "SUPER_CHAT_MESSAGE":
                    data = item["data"]
                    at = epoch_ms(data.get("ts") or data["start_time"])
                    yield chat(at, number, str(data.get("uid") or ""), str(data["message"]), f"sc{data['id']}")
                else:
                    tally.ignore(f"{command[:40] or 'a line without cmd'} (no chat)")
            except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
                tally.damage(f"{command} with another layout than the one known", f"line {number}")

    return Recording("bilibili raw messages (JSON lines)", path, drafts)


def _objects(path: Path, tally: Tally) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in files.lines(path, tally):
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tally.damage("a line that is no JSON", f"line {number}")
            continue
        if isinstance(item, dict):
            yield number, item
        else:
            tally.damage("a line that is no JSON object", f"line {number}")


def _ts(line: bytes) -> int | None:
    try:
        ts = _stamp.decode(line).ts
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return int(ts) if 0 <= ts < 1e15 else None


def _credible(ts: int, following: list[int]) -> int:
    """``ts``, unless most of the events that follow are older by far: then their middle."""
    middle = int(median(following)) if following else ts
    return middle if ts - middle > OUTLIER_MS else ts
