"""How a statement fails: ClickHouse's code, message and name, as both protocols carry them."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?(.*?)(?:\s\(([A-Z][A-Z0-9_]+)\))?\s*$", re.DOTALL)
_NESTED: Final = re.compile(r"^Code: \d+\. DB::Exception: ")
_VERSION: Final = re.compile(r" \(version [\d.]+\)\.?$")


class StoreFailure(Exception):
    """A statement that failed, or was refused, for a reason that the client is told."""

    def __init__(self, code: int, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name

    def text(self) -> str:
        """The line that ClickHouse would say."""
        return f"Code: {self.code}. DB::Exception: {self.message.rstrip('. ')}. ({self.name or 'EXCEPTION'})"


def from_engine(error: Exception) -> StoreFailure:
    """The failure behind an exception of the engine, whose text carries code and name. 1002 (UNKNOWN_EXCEPTION) without."""
    text = str(error).strip()
    found = _CODE.search(text)
    if not found:
        return StoreFailure(1002, text or type(error).__name__, "UNKNOWN_EXCEPTION")
    message = found[2].strip()
    name = found[3] or ""
    while nested := _NESTED.match(message):
        message = message[nested.end() :]
    message = _VERSION.sub("", message).strip()
    if name:
        message = message.removesuffix(f"({name})").strip()
        message = _VERSION.sub("", message).strip().removesuffix(f"({name})").strip()
    return StoreFailure(int(found[1]), message, name)
