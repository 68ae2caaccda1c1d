"""Bytes to events: a request's body, read as NDJSON or as one JSON document, each event by itself when some are bad.

Every event of a body ends up either in ``events`` or in ``bad``; nothing that a client can send raises anything but
:class:`InvalidError`, and that only for one event handed to :func:`read_event`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from streams.gateway.events import Document, Event
from streams.gateway.refused import RefusedError
from streams.records import InvalidError

ROOM = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,63}")
BOM = b"\xef\xbb\xbf"
WORDS = 200
"""How much of a decoder's message is passed on: it quotes the value, which may be as long as the body."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
HINTS = {
    "ts": "epoch milliseconds, between the years 2000 and 2100",
    "end": "epoch milliseconds, between the years 2000 and 2100",
    "amount": 'a decimal number of yuan as a string, such as "12.30"',
    "price": 'a decimal number of yuan as a string, such as "12.30"',
    "kind": "one of chat, sale, viewer, speech, product",
}

_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_document = msgspec.json.Decoder(Document)


class _Raw(msgspec.Struct):
    events: list[msgspec.Raw]


_raw_document = msgspec.json.Decoder(_Raw)


Raws = Sequence[bytes | msgspec.Raw]


class Bad(msgspec.Struct, frozen=True):
    """An event that cannot be used: its place, why, and its bytes."""

    index: int
    reason: str
    raw: bytes


@dataclass
class Batch:
    """The events of one request. ``places[i]`` is the place of ``events[i]`` in the request; ``split`` finds their bytes."""

    body: bytes
    events: list[Event] = field(default_factory=list)
    places: Sequence[int] = ()
    bad: list[Bad] = field(default_factory=list)
    split: Callable[[bytes], Raws] = lambda body: [body]

    def without(self, reasons: Mapping[int, str]) -> Batch:
        """The batch with some events turned bad: reasons by place."""
        raws = self.split(self.body)
        bad = [*self.bad, *(Bad(place, reason, bytes(raws[place])) for place, reason in reasons.items())]
        kept = [pair for pair in zip(self.events, self.places, strict=True) if pair[1] not in reasons]
        return Batch(self.body, [event for event, _ in kept], [place for _, place in kept], bad, self.split)


def check_name(what: str, name: str) -> str:
    """A room or source name that can be one, else 422: 1-64 of letters, digits and ``_ . : -``, and no dot in front."""
    if not ROOM.fullmatch(name):
        raise RefusedError(422, f"{what} {name[:80]!r}: 1 to 64 of A-Z a-z 0-9 _ . : - are allowed, and no dot at the start")
    return name


def _why(error: Exception, raw: bytes) -> str:
    """The reason in words that name the field."""
    if isinstance(error, UnicodeDecodeError):
        return f"text is not UTF-8: {error.reason}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    message, _, path = str(error).rpartition(" - at `$")
    if not message:  # it names no place
        message, path = path, ""
    message = message if len(message) <= WORDS else f"{message[:WORDS]}…"
    path = path.rstrip("`").lstrip(".")[:WORDS]
    if not isinstance(error, msgspec.ValidationError):
        if b"\\ud" in raw or b"\\uD" in raw:
            message += "; a lone surrogate is no character"
        return f"not JSON: {message}"
    hint = HINTS.get(path) or next((text for name, text in HINTS.items() if f"field `{name}`" in message), "")
    return (f"{path}: " if path else "") + message + (f" ({hint})" if hint else "")


def read_event(raw: bytes | msgspec.Raw) -> Event:
    """One event object. Raises :class:`InvalidError` with a reason that names the field."""
    try:
        return _event.decode(raw)
    except UNREADABLE as error:
        raise InvalidError(_why(error, bytes(raw))) from error


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise RefusedError(413, f"{count} events in one request; at most {most} are allowed: send smaller requests")


def _one_by_one(body: bytes, raws: Raws, split: Callable[[bytes], Raws]) -> Batch:
    batch = Batch(body, split=split)
    places: list[int] = []
    for index, raw in enumerate(raws):
        try:
            batch.events.append(read_event(raw))
        except InvalidError as error:
            batch.bad.append(Bad(index, str(error), bytes(raw)))
        else:
            places.append(index)
    batch.places = places
    return batch


def _lines(body: bytes) -> Raws:
    return [line for line in body.removeprefix(BOM).split(b"\n") if line.strip()]


def _raw_events(body: bytes) -> Raws:
    return _raw_document.decode(body).events


def read_lines(body: bytes, most: int) -> Batch:
    """NDJSON: one event a line; blank lines count for nothing."""
    lines = body.count(b"\n") + (not body.endswith(b"\n"))
    if lines <= most:
        try:
            events = _event.decode_lines(body)
        except UNREADABLE:
            pass
        else:
            # as many values as lines: no blank line, no two on one line, none across two
            if len(events) == lines:
                return Batch(body, events, range(lines), split=_lines)
    raws = _lines(body)
    _check_count(len(raws), most)
    return _one_by_one(body, raws, _lines)


def read_document(body: bytes, most: int) -> Batch:
    """``{"events": [...]}``. A body that is no such document is one bad event, at place 0."""
    try:
        events = _document.decode(body).events
    except UNREADABLE:
        pass
    else:
        _check_count(len(events), most)
        return Batch(body, events, range(len(events)), split=_raw_events)
    try:
        raws = _raw_events(body)
    except UNREADABLE as error:
        return Batch(body, bad=[Bad(0, f'the body is no {{"events": [...]}}: {_why(error, body)}', body)])
    _check_count(len(raws), most)
    return _one_by_one(body, raws, _raw_events)
