"""The little that must be known of a statement's text: what it is, where an INSERT's data starts, which format it asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Quoted texts, quoted names and comments are stepped over as wholes, so that nothing inside them is taken for SQL.
_TOKEN: Final = re.compile(
    rb"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/|\w+|[();]|[^\w'`\"();]", re.DOTALL
)
_SPACE: Final = re.compile(rb"(?:\s+|--[^\n]*\n?|#!?[ !][^\n]*\n?|/\*.*?\*/)*", re.DOTALL)
HEAD_LIMIT: Final = 1 << 18


@dataclass(frozen=True)
class Insert:
    """An INSERT that brings data. ``head`` ends before VALUES or FORMAT; the data in the text itself start at ``data_at``."""

    head: str
    format: str
    data_at: int


def first_word(text: bytes) -> str:
    """The first keyword, in capitals, after space and comments."""
    start = _SPACE.match(text)
    found = re.compile(rb"[A-Za-z]+").match(text, start.end() if start else 0)
    return found[0].decode().upper() if found else ""


def split_insert(text: bytes) -> Insert | None:
    """Where the data of an INSERT start; None when the statement brings none (it is no INSERT, or reads a SELECT)."""
    if first_word(text) != "INSERT":
        return None
    depth = 0
    for token in _TOKEN.finditer(text, 0, HEAD_LIMIT):
        word = token[0].upper()
        if word == b"(":
            depth += 1
        elif word == b")":
            depth -= 1
        elif depth == 0 and word in (b"SELECT", b"WITH"):
            return None
        elif depth == 0 and word == b"VALUES":
            return Insert(text[: token.start()].decode(), "Values", token.end())
        elif depth == 0 and word == b"FORMAT":
            named = re.compile(rb"\s+(\w+)(?:[ \t]*\r?\n|\s|;|$)").match(text, token.end())
            if named:
                return Insert(text[: token.start()].decode(), named[1].decode(), named.end())
    return None


_TAIL: Final = re.compile(r"\s+FORMAT\s+(\w+)(\s+SETTINGS\s+[^()]*)?\s*;?\s*$", re.IGNORECASE)


def split_format(text: str) -> tuple[str, str]:
    """A query without its trailing ``FORMAT Name``, and that name ("" when it has none)."""
    found = _TAIL.search(text)
    if not found or found[0].count("'") % 2:
        return text.strip().rstrip(";"), ""
    return (text[: found.start()] + (found[2] or "")).strip(), found[1]
