"""The demo's summary as lines of a terminal, and what a person can do next, in commands that work when they are pasted."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from livetide.cli.output import wide
from livetide.demo.summary import Line

ROOMY = 110
"""A terminal of so many columns has room for the notes beside the rest; in a narrower one they stand underneath."""
MARKS = {True: "✓", False: "✗", None: " "}


def table(lines: Sequence[Line], width: int) -> Iterator[tuple[str, bool | None]]:
    """The lines of the summary for a terminal of ``width`` columns, each with what it says of the planted (None: nothing)."""
    head = Line("what", "planted", "found", None, "note")
    what = max(wide(line.what) for line in lines)
    planted = max(wide(line.planted) for line in (head, *lines))
    found = max(wide(line.found) for line in lines)
    beside = width >= ROOMY
    for line in ([head] if beside else [head._replace(note="")]) + list(lines):
        cells = f"{MARKS[line.ok]} {_left(line.what, what)}  {' ' * (planted - wide(line.planted))}{line.planted}  "
        if beside:
            room = max(width - wide(cells) - found - 2, 20)
            first, *more = textwrap.wrap(line.note, room) or [""]
            yield f"{cells}{_left(line.found, found)}  {first}".rstrip(), line.ok
            yield from ((" " * (wide(cells) + found + 2) + text, None) for text in more)
            continue
        first, *more = textwrap.wrap(line.found, max(width - wide(cells), 20)) or [""]
        yield (cells + first).rstrip(), line.ok
        yield from ((" " * wide(cells) + text, None) for text in more)
        yield from (("    " + text, None) for text in textwrap.wrap(line.note, width - 4))


def _left(text: str, width: int) -> str:
    return text + " " * (width - wide(text))


def program() -> str:
    """How this installation's ``livetide`` is called from any folder."""
    own = Path(sys.executable).with_name("livetide")
    return shlex.quote(str(own)) if own.exists() else f"{shlex.quote(sys.executable)} -m livetide"


def commands(data: Path, room: str, *, stays: bool) -> Iterator[str]:
    """What to paste into another terminal while the stack stays up, and what brings it back when it does not."""
    call, question = program(), f"SELECT * FROM chat_minutes WHERE room_id = '{room}' ORDER BY minute"  # noqa: S608 - shown
    if stays:
        yield "In another terminal, while the demo is open:"
    else:
        yield "The stack ends now, and all that came out stays. To look at it later:"
    yield f"  export LIVETIDE_DATA={shlex.quote(str(data))}"
    if not stays:
        yield f"  {call} up"
    yield f'  {call} query "{question}"'
    yield f"  {call} alerts list"
    yield f"  {call} status --secrets"
    if stays:
        yield "After it has ended, the same terminal brings all that came out back:"
        yield f"  {call} up"
    yield f"  {call} down"
