"""A recording as a source: what every file dialect shares once its rows are read.

A dialect yields :class:`Draft` s as they lie in the file. Here they are put in order, given ids where the writer gave none, and
written as border events. Memory is bounded: ordering holds at most ``ahead`` drafts, the rest is of constant size.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streams.sources.base import Event, Tally

AHEAD = 50_000
"""How many events a file may be out of order. Recorders write in order of arrival; archives of a few thousand rows in none."""

LONGEST_ID = 128
"""What the border takes as an id; instead of a longer one an id is made."""

LATEST_MS = 1 << 52

REMEMBERED = 100_000
"""How many of the newest platform ids are remembered, to notice a message that the writer wrote twice."""


class Draft(NamedTuple):
    """One row of a file: a border event, perhaps without an ``id``, at its own ``ts``. ``row`` counts the rows of the file."""

    at: int
    row: int
    fields: dict[str, Any]


class Recording:
    """A file of any dialect, as a source. ``tally`` tells what the newest pass of :meth:`events` left out."""

    def __init__(self, dialect: str, path: Path, drafts: Callable[[Tally], Iterator[Draft]], ahead: int = AHEAD) -> None:
        self.dialect = dialect
        self.path = path
        self.tally = Tally()
        self._drafts = drafts
        self._ahead = ahead

    def events(self) -> Iterator[Event]:
        """Each row as a border event, in order of time; the same events with the same ids every time."""
        self.tally = tally = Tally()
        for draft in identified(in_order(timely(self._drafts(tally), tally), self._ahead, tally), tally):
            yield Event(draft.at, msgspec.json.encode(draft.fields))


def chat(at: int, row: int, user: str, text: str, id: str = "") -> Draft:
    """A chat message of the file's ``row``, at epoch milliseconds ``at``. An empty ``user`` is nobody in particular."""
    fields: dict[str, Any] = {"kind": "chat", "id": whole(id), "ts": at, "user": whole(user), "text": whole(text)}
    return Draft(at, row, fields)


def timely(drafts: Iterator[Draft], tally: Tally) -> Iterator[Draft]:
    """The drafts whose time is one: a file that was damaged, or made to do damage, has others."""
    for draft in drafts:
        if 0 <= draft.at < LATEST_MS:
            yield draft
        else:
            tally.damage("a time that is none", f"row {draft.row}")


def in_order(drafts: Iterator[Draft], ahead: int, tally: Tally) -> Iterator[Draft]:
    """The drafts by time, those of the same time as in the file, holding at most ``ahead`` of them.

    One that is out of order by more keeps its own time-stamp and comes late, as a late message does in a live room: counted.
    """
    heap: list[Draft] = []
    newest = 0

    def smallest() -> Draft:
        nonlocal newest
        draft = heapq.heappop(heap)
        if draft.at < newest:
            tally.late += 1
            draft = draft._replace(at=newest)
        newest = draft.at
        return draft

    for draft in drafts:
        heapq.heappush(heap, draft)
        if len(heap) > ahead:
            yield smallest()
    while heap:
        yield smallest()


def identified(drafts: Iterator[Draft], tally: Tally) -> Iterator[Draft]:
    """Drafts with ids: the platform's, or one made from the content and its ordinal among equals of the same time.

    Made ids do not depend on the room or the file's name, so that the same message in two overlapping recordings is one
    message. A platform's id that comes again with the same content is dropped and counted (a paid message is shown as chat and
    as ticker); with other content it was no id, and one is made.
    """
    known: OrderedDict[str, bytes] = OrderedDict()
    ordinals: Counter[str] = Counter()
    now = -1
    for draft in drafts:
        if draft.at != now:
            now = draft.at
            ordinals.clear()
        content = {name: value for name, value in draft.fields.items() if name != "id"}
        digest = hashlib.blake2b(msgspec.json.encode(content), digest_size=10)
        given = draft.fields.get("id")
        if given and len(given) > LONGEST_ID:
            given = ""
        if given and given in known:
            if known[given] == digest.digest():
                tally.ignore("the same message again, by its id")
                continue
            given = ""
        elif given:
            known[given] = digest.digest()
            if len(known) > REMEMBERED:
                known.popitem(last=False)
        if not given:
            made = digest.hexdigest()
            ordinals[made] += 1
            late = draft.fields["ts"] != draft.at  # equals of a late draft are not side by side: its row tells it apart
            given = f"{made}-{draft.row}" if late else f"{made}-{ordinals[made]}" if ordinals[made] > 1 else made
        draft.fields["id"] = given
        yield draft


def whole(text: str) -> str:
    """Text that can be written as UTF-8: surrogate halves that belong together joined, lone ones replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def epoch_ms(value: float) -> int:
    """Epoch milliseconds of a number in seconds, milliseconds, microseconds or nanoseconds, by its magnitude.

    Seconds reach 1e11 in the year 5138, milliseconds were below it until 1973: no live stream is near the border.
    """
    for limit, factor in ((1e11, 1000), (1e14, 1), (1e17, 1e-3)):
        if value < limit:
            return round(value * factor)
    return round(value * 1e-6) if value < 1e20 else LATEST_MS


def position_ms(seconds: object) -> int | None:
    """A position of so many seconds in milliseconds; None for anything that is no number within a year."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not abs(seconds) < 366 * 86_400:
        return None
    return round(seconds * 1000)
