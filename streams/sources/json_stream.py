"""One large JSON document, read in order without holding it: for recorders that write everything into a single value.

Memory: one element of the array that is read. What is not asked for (embedded pictures of hundreds of megabytes) is passed over
character by character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

VALUE = 8 << 20
"""Longest single element, in characters."""

_SPACE = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'["{}\[\],]')
_STRING = re.compile(r'["\\]')


class CutError(Exception):
    """The document ends, or stops being JSON, before the value is complete. The message says where."""


class JsonStream:
    """A cursor over a JSON document that arrives in pieces of text."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(strict=False)  # raw control characters inside strings occur
        self._buffer = ""
        self._at = 0
        self._passed = 0
        self._ended = False

    def elements(self) -> Iterator[Any]:
        """The elements of the array that the cursor stands before. Raises :class:`CutError` where the document breaks."""
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._punctuation(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The keys of the object that the cursor stands before.

        After each key the caller may read its value with :meth:`elements` or :meth:`value`; otherwise it is passed over.
        """
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            key = self._value()
            self._punctuation(":")
            self._peek()
            before = self._position()
            yield str(key)
            if self._position() == before:
                self._pass_over()
            if self._punctuation(",}") == "}":
                return

    def value(self) -> Any:
        """The value that the cursor stands before, decoded."""
        return self._value()

    def _position(self) -> int:
        return self._passed + self._at

    def _cut(self, what: str) -> CutError:
        return CutError(f"{what} at character {self._position()}")

    def _more(self) -> bool:
        """Read on, as much again as is kept, so that a long value costs no more than twice its length."""
        kept = len(self._buffer) - self._at
        pieces, read = [self._buffer[self._at :]], 0
        for piece in self._text:
            pieces.append(piece)
            read += len(piece)
            if read > kept:
                break
        else:
            self._ended = True
        self._passed += self._at
        self._buffer, self._at = "".join(pieces), 0
        return read > 0

    def _peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]  # the pattern matches anywhere
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended or not self._more():
                return ""

    def _punctuation(self, allowed: str) -> str:
        found = self._peek()
        if not found or found not in allowed:
            raise self._cut("the document ends" if not found else f"{found!r} where one of {' '.join(allowed)} belongs")
        self._at += 1
        return found

    def _expect(self, opening: str) -> None:
        self._punctuation(opening)

    def _value(self) -> Any:
        while True:
            if not self._peek():
                raise self._cut("the document ends")
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise self._cut("a value is nested too deeply") from None
            except ValueError as error:
                if len(self._buffer) - self._at > VALUE:
                    raise self._cut(f"a value longer than {VALUE} characters") from error
                if self._ended or not self._more():
                    raise self._cut("a value is cut short or broken") from error
                continue
            # a number near the end of the buffer may go on: 1|0, 1|.5, 1e|5, 1e-|5
            if len(self._buffer) - end <= 2 and not self._ended and isinstance(value, int | float):
                self._more()
                continue
            self._at = end
            return value

    def _pass_over(self) -> None:
        depth = 0
        while True:
            found = _STRUCTURE.search(self._buffer, self._at)
            if not found:
                self._at = len(self._buffer)
                if self._ended or not self._more():
                    raise self._cut("the document ends")
                continue
            mark, self._at = found[0], found.start()
            if depth == 0 and mark in ",}]":
                return  # a scalar ends where its parent goes on
            self._at += 1
            if mark == '"':
                self._pass_over_string()
            elif mark != ",":
                depth += 1 if mark in "{[" else -1
            if depth == 0 and mark != ",":
                return

    def _pass_over_string(self) -> None:
        while True:
            found = _STRING.search(self._buffer, self._at)
            self._at = found.start() if found else len(self._buffer)
            if found and found[0] == '"':
                self._at += 1
                return
            if found and self._at + 1 < len(self._buffer):
                self._at += 2
            elif self._ended or not self._more():
                raise self._cut("the document ends inside a string")
