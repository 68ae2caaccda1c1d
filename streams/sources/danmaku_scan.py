"""Elements out of danmaku XML as it lies on disk, whole or not: a scanner that finds its place again after damage.

Recorders append to these files while the room is live, and some do not escape: files end in the middle of a tag, carry raw
``&`` and ``<``, control characters and emoji written as two surrogate references. The layout is flat, so the next known
opening tag is always a place to go on from. Entities are the five of XML and numeric ones; a document type declaration is
refused, since no recorder writes one and it is how XML attacks begin. Memory: one element, at most :data:`ELEMENT` characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from streams.records import InvalidError
from streams.sources.base import Tally
from streams.sources.recording import whole

ELEMENT = 1 << 20
ROWS = ("d", "sc", "gift", "guard", "toast", "s", "o")
MARKS = ("BililiveRecorder", "BililiveRecorderRecordInfo")
STARTS = ("record_start_time", "live_start_time", "video_start_time", "recorder")

_OPEN = re.compile(rf"<(?:({'|'.join(ROWS + MARKS + STARTS)})(?=[\s/>])|!--|!DOCTYPE|!ENTITY)")
_TAG = re.compile(r"""<[\w:]+((?:\s+[^\s=<>/"']+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(/?)>""")
_LOOSE_TAG = re.compile(r"<[\w:]+([^>]*?)(/?)>")
_ATTRIBUTE = re.compile(r"""(?<!\S)([^\s=<>/"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NEXT = re.compile(r"""<(?:d\s+p|(?:sc|gift|guard|toast|s|o)\s+\w+)\s*=\s*["']|</i\s*>""")
_CLOSE = {name: re.compile(rf"</{name}\s*>") for name in ROWS + MARKS + STARTS}
_CDATA = "<![CDATA["
_REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot|apos));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_LONGEST_OPENING = 32


class Element(NamedTuple):
    """One element: its name, attributes and text, references resolved. ``number`` counts the rows of the file from 1."""

    number: int
    name: str
    attributes: dict[str, str]
    text: str


class _Cut(Exception):
    """The buffer ends inside the element: a signal between the methods below, never an error that anybody sees."""


def elements(text: Iterator[str], tally: Tally) -> Iterator[Element]:
    """Every known element in the order of the file; ``tally`` learns of rows that are cut short or oversized."""
    return _Scanner(text, tally).elements()


class _Scanner:
    def __init__(self, text: Iterator[str], tally: Tally) -> None:
        self._text = text
        self._tally = tally
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._row = 0
        self._comments = True

    def elements(self) -> Iterator[Element]:
        while opening := self._opening():
            name = opening[1]
            if name is None:
                self._declaration(opening[0])
                continue
            self._row += name in ROWS
            if element := self._element(name):
                yield element

    def _more(self) -> bool:
        """Read on, as much again as is kept, so that a long element costs no more than twice its length."""
        kept = len(self._buffer) - self._at
        pieces, read = [self._buffer[self._at :]], 0
        for piece in self._text:
            pieces.append(piece)
            read += len(piece)
            if read > kept:
                break
        else:
            self._ended = True
        self._buffer, self._at = "".join(pieces), 0
        return not self._ended or read > 0

    def _opening(self) -> re.Match[str] | None:
        """The next opening, with the scanner standing on it."""
        while True:
            found = _OPEN.search(self._buffer, self._at)
            self._at = found.start() if found else max(self._at, len(self._buffer) - _LONGEST_OPENING)
            if found:
                return found
            if self._ended or not self._more():
                return None

    def _declaration(self, opening: str) -> None:
        if opening != "<!--":
            raise InvalidError(
                f"the file declares {opening[2:]}; no recorder writes document types or entities, so this file is refused. "
                "Remove the declaration if you trust where the file comes from"
            )
        while self._comments and (end := self._buffer.find("-->", self._at)) < 0:
            # a comment without end hides nothing, and no other is looked for: each search would cost the whole buffer
            self._comments = len(self._buffer) - self._at <= ELEMENT and self._more()
        self._at = end + 3 if self._comments else self._at + len(opening)

    def _element(self, name: str) -> Element | None:
        """The element that the scanner stands on; None when it is damaged (told to the tally)."""
        while True:
            try:
                attributes, text, end = _parse(self._buffer, self._at, name, self._ended)
            except _Cut:
                if len(self._buffer) - self._at > ELEMENT:
                    # no row begins in what is buffered, or the element would end there
                    self._damage(name, f"an element longer than {ELEMENT} characters", len(self._buffer) - _LONGEST_OPENING)
                    return None
                if not self._more():
                    self._damage(name, "cut short at the end of the file", len(self._buffer))
                    return None
                continue
            if text is None:
                self._damage(name, "cut short inside the file", end)
                return None
            self._at = end
            return Element(self._row, name, attributes, text)

    def _damage(self, name: str, reason: str, end: int) -> None:
        self._at = end
        if name in ROWS:
            self._tally.damage(reason, f"row {self._row} (<{name}>)")


def _parse(buffer: str, at: int, name: str, ended: bool) -> tuple[dict[str, str], str | None, int]:
    """Attributes, text (None: cut short by the next element) and end of the element at ``at``. Raises :class:`_Cut`."""
    tag = _TAG.match(buffer, at)
    if not tag:
        following = _NEXT.search(buffer, at + 1)
        tag = _LOOSE_TAG.match(buffer, at, following.start() if following else len(buffer))
        if following and tag is None:
            return {}, None, following.start()
        # the loose form splits a quoted ">": it is trusted only once more of the file is seen to follow
        if tag is None or not (following or ended):
            raise _Cut
    attributes = {a[1]: resolve(a[2] if a[2] is not None else a[3]) for a in _ATTRIBUTE.finditer(tag[1])}
    if tag[2]:
        return attributes, "", tag.end()
    following = _NEXT.search(buffer, tag.end())
    close = _CLOSE[name].search(buffer, tag.end(), following.start() if following else len(buffer))
    if close is None and following:
        return attributes, None, following.start()
    if close is None:
        raise _Cut
    return attributes, content(buffer[tag.end() : close.start()]), close.end()


def content(raw: str) -> str:
    """The text of an element: CDATA sections as they are, references resolved elsewhere, line ends as XML has them."""
    raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    found, at = [], 0
    while (section := raw.find(_CDATA, at)) >= 0 and (end := raw.find("]]>", section)) >= 0:
        found += [resolve(raw[at:section]), raw[section + len(_CDATA) : end]]
        at = end + 3
    return whole("".join(found) + resolve(raw[at:])) if found else resolve(raw)


def resolve(raw: str) -> str:
    """``raw`` with its references resolved; a ``&`` that begins none stays as it is."""
    return whole(_REFERENCE.sub(_character, raw)) if "&" in raw else raw


def _character(reference: re.Match[str]) -> str:
    if reference[3]:
        return _NAMED[reference[3]]
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    return chr(code) if code <= 0x10FFFF else "\ufffd"
