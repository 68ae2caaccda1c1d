"""Danmaku XML: bilibili's archive files and the dialects of the recorders that write its layout while a room is live.

A row is ``<d p="…">text</d>``. The comma-separated fields of ``p`` are: seconds into the recording, mode, size, colour, the
time of day at which it was sent (seconds or milliseconds, by writer), pool, the sender (an id, or a hash of it), and for some
writers the platform's id of the message. Super chats are ``<sc>``, or ``<s type="super_chat">``; they become chat. Gifts and
memberships (``<gift>``, ``<guard>``, ``<toast>``, other ``<s>``) are counted and left out: no goods were ordered with them.

Live recordings are played by the time of day of each message. An archive collects messages over weeks on one video: it is
played by the position in the video, from the time of its oldest message on, as one sitting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from streams.records import InvalidError
from streams.sources import files
from streams.sources.base import Tally
from streams.sources.danmaku_scan import Element, elements
from streams.sources.recording import Draft, Recording, chat, epoch_ms, position_ms

ARCHIVE_SPREAD_MS = 600_000
"""In a live recording, sent time minus position is its start, give or take a stall. Beyond this it is an archive."""

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
_ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030", "big5": "big5"}
_WRITERS = (
    ("<BililiveRecorder", "BililiveRecorder XML"),
    ("blrec", "blrec XML"),
    ("biliLive-tools", "biliLive-tools XML"),
    ("video_start_time", "biliLive-tools XML"),
    ("rust-srec", "rust-srec XML"),
    ("DanmakuFactory", "DanmakuFactory XML"),
    ("<o timestamp", "biliup XML"),
    ("<s type=", "biliup XML"),
)


class Row(NamedTuple):
    """The fields of ``p``. ``offset_ms`` and ``sent_ms`` are None where the writer left them out."""

    offset_ms: int | None
    sent_ms: int | None
    sender: str
    message: str


def recognise(head: str) -> str | None:
    """The dialect's name if ``head`` is the beginning of danmaku XML, else None."""
    start = head.lstrip()
    if not start.startswith("<") or not re.search(r"<i\b[^>]*>|<d\s+p\s*=", head):
        return None
    return next((name for mark, name in _WRITERS if mark in head), "danmaku XML")


def open_danmaku_xml(path: Path, *, start_ms: int | None = None) -> Recording:
    """``path`` as a source. With ``start_ms`` messages are timed by their position from there, not by their time of day.

    Raises ``InvalidError`` for a document type declaration, and when neither the file nor ``start_ms`` gives a time of day.
    """
    raw = files.head(path)
    encoding = _encoding(raw)
    sample = raw.decode(encoding, "replace")
    dialect = recognise(sample) or "danmaku XML"
    rows = [parse_p(e.attributes.get("p", "")) for e in elements(iter([sample]), Tally()) if e.name == "d"]
    if _is_archive(rows):
        dialect = "bilibili archive XML" if dialect == "danmaku XML" else f"{dialect} (archive)"
        start_ms = _oldest(path, encoding) if start_ms is None else start_ms
    start = start_ms

    def drafts(tally: Tally) -> Iterator[Draft]:
        return _drafts(elements(files.text(path, tally, encoding), tally), _Clock(start), tally)

    if start_ms is None and rows and not any(row.sent_ms for row in rows) and _declared_start(sample) is None:
        raise InvalidError(
            f"{path} ({dialect}) has positions but no times of day; say when the recording began (start_ms, or --start)"
        )
    return Recording(dialect, path, drafts)


def parse_p(p: str) -> Row:
    """Read ``p`` with what is there: writers give from one to nine fields, some of them empty."""
    fields = [field.strip() for field in p.split(",")]
    fields += [""] * (8 - len(fields))
    offset, sent = _number(fields[0]), _number(fields[4])
    sender, message = fields[6], fields[7]
    # a writer without message ids repeats the sender there, or writes 0
    known = message if message not in {"", "0", sender} and len(message) > 6 else ""
    return Row(position_ms(offset), epoch_ms(sent) if sent and sent > 0 else None, sender, known)


class _Clock:
    """Times of day for elements that carry only a position: from ``start_ms``, else from the newest row that carried both."""

    def __init__(self, start_ms: int | None) -> None:
        self.fixed = start_ms
        self.start = start_ms

    def of(self, offset_ms: int | None, sent_ms: int | None) -> int | None:
        if sent_ms is not None and self.fixed is None:
            if offset_ms is not None:
                self.start = sent_ms - offset_ms
            return sent_ms
        if self.start is None or offset_ms is None:
            return sent_ms
        return self.start + offset_ms


def _drafts(found: Iterator[Element], clock: _Clock, tally: Tally) -> Iterator[Draft]:
    for element in found:
        name, attributes = element.name, element.attributes
        kind = attributes.get("type", "gift") if name == "s" else name
        if name == "d":
            row = parse_p(attributes.get("p", ""))
            draft = _message(element, clock.of(row.offset_ms, row.sent_ms), row)
        elif kind in {"sc", "super_chat"}:
            if not element.text.strip():
                tally.ignore("super chat without text")
                continue
            draft = _message(element, clock.of(_offset(attributes), _sent(attributes)), Row(None, None, "", ""))
        else:
            _leave_out(element, kind, clock, tally)
            continue
        if draft is None:
            tally.damage("a message without a time", f"row {element.number}")
        else:
            yield draft


def _message(element: Element, at: int | None, row: Row) -> Draft | None:
    attributes = element.attributes
    senders = (attributes.get("uid", ""), row.sender, attributes.get("user", ""), attributes.get("username", ""))
    sender = next((sender for sender in senders if sender.strip("0")), "")
    return None if at is None else chat(at, element.number, sender, element.text, row.message)


def _leave_out(element: Element, kind: str, clock: _Clock, tally: Tally) -> None:
    """Count what is no chat; a header that says when the recording began sets the clock until a row does."""
    started = _began(element)
    if started is not None:
        clock.start = clock.start or started
    elif kind in {"gift", "guard", "toast", "guard_buy"}:
        tally.ignore("membership (no goods were ordered)" if kind != "gift" else "gift (no goods were ordered)")
    elif element.name == "o":
        tally.ignore("raw platform message")
    elif element.name == "s":
        tally.ignore(f"<s type={kind[:20]!r}>")


def _began(element: Element) -> int | None:
    if element.name == "BililiveRecorderRecordInfo":
        return _instant(element.attributes.get("start_time", ""))
    return _instant(element.text) if element.name in {"record_start_time", "video_start_time"} else None


def _instant(text: str) -> int | None:
    """Epoch milliseconds of a number or of an ISO time with a zone (any number of decimals); None for anything else."""
    if (number := _number(text)) is not None:
        return epoch_ms(number) if number > 0 else None
    try:
        time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
    except ValueError:
        return None
    return round(time.timestamp() * 1000) if time.tzinfo else None


def _offset(attributes: dict[str, str]) -> int | None:
    return position_ms(_number(attributes.get("ts", "")))


def _sent(attributes: dict[str, str]) -> int | None:
    sent = _number(attributes.get("timestamp", ""))
    return epoch_ms(sent) if sent and sent > 0 else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e19 else None  # infinities and not-a-number compare false


def _declared_start(sample: str) -> int | None:
    return next((began for e in elements(iter([sample]), Tally()) if (began := _began(e)) is not None), None)


def _is_archive(rows: list[Row]) -> bool:
    begins = sorted(row.sent_ms - row.offset_ms for row in rows if row.sent_ms is not None and row.offset_ms is not None)
    tenth = len(begins) // 10
    return len(begins) > 1 and begins[-1 - tenth] - begins[tenth] > ARCHIVE_SPREAD_MS


def _oldest(path: Path, encoding: str) -> int:
    """When the oldest message was sent: one pass over the whole file."""
    unheard = Tally()
    rows = (parse_p(e.attributes.get("p", "")) for e in elements(files.text(path, unheard, encoding), unheard) if e.name == "d")
    return min(row.sent_ms for row in rows if row.sent_ms is not None)


def _encoding(raw: bytes) -> str:
    declared = _DECLARED.match(raw)
    name = declared[1].decode().lower() if declared else "utf-8"
    return files.encoding_of(raw, _ENCODINGS.get(name, "utf-8"))
