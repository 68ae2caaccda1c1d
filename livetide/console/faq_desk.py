"""The FAQ in the console: drafts read, corrected, taken or refused; entries withdrawn; answers called right or wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from analytics.faq_entries import check
from livetide.console.queries import Queries
from livetide.faq import entry_of_row, moment
from streams.records import FaqEntry, FaqVerdict, InvalidError, fen

STATES = {"accept": "active", "save": "draft", "refuse": "withdrawn"}
BY = "console"


class FaqDesk:
    """What the forms of the FAQ do. ``write`` puts a record into the log and waits until it is safe."""

    def __init__(self, queries: Queries, write: Callable[[FaqEntry | FaqVerdict], None], clock: Callable[[], int]) -> None:
        self._queries, self._write, self._clock = queries, write, clock

    def read(self) -> dict[str, Any]:
        """What the page shows."""
        rows = self._queries.faq()
        return {
            "drafts": [row for row in rows if row["state"] == "draft"],
            "entries": [row for row in rows if row["state"] == "active"],
        }

    def change(self, form: dict[str, str]) -> FaqEntry:
        """A person's word on an entry: ``accept``, ``save`` or ``refuse``, with what was corrected.

        Raises ``InvalidError`` for an entry that is not there, or cannot be one after the correction.
        """
        state = STATES.get(form.get("do", ""))
        row = self._queries.faq_entry(form.get("room", ""), form.get("id", ""))
        if state is None or row is None:
            raise InvalidError("there is no such entry, or nothing such to do with it: load the page anew")
        now, known = self._clock(), entry_of_row(row)
        entry = replace(known, state=state, event_ts=now, ingest_ts=max(now, known.ingest_ts + 1), by=BY)
        if state != "withdrawn":
            entry = _corrected(entry, form)
        if state == "active":
            check(entry)
        self._write(entry)
        return entry

    def shown(self, entry: FaqEntry) -> bool:
        """Whether the store shows a change that was written."""
        row = self._queries.faq_entry(entry.room, entry.id)
        return row is None or entry_of_row(row).ingest_ts >= entry.ingest_ts

    def judge(self, form: dict[str, str]) -> None:
        """A person's word on an answer: ``right`` or ``wrong``. Raises ``InvalidError`` for one that cannot be judged."""
        row = self._queries.answer(form.get("id", ""))
        if row is None or row["status"] == "unknown" or form.get("verdict") not in ("right", "wrong"):
            raise InvalidError("there is no such answer to judge: load the page anew")
        verdict = FaqVerdict(
            room=row["room_id"], event_ts=round(row["ts"].timestamp() * 1000), ingest_ts=self._clock(), id=row["id"],
            score=row["score"], right=form["verdict"] == "right", question=row["question"], matched=row["matched"], by=BY,
        )  # fmt: skip
        self._write(verdict)


def _corrected(entry: FaqEntry, form: dict[str, str]) -> FaqEntry:
    """The entry as the form says it; a field that the form leaves out stays, one that it empties is empty."""
    said: dict[str, Any] = {name: form[name].strip() for name in ("question", "answer", "sku") if name in form}
    if "wordings" in form:
        said["wordings"] = [line.strip() for line in form["wordings"].splitlines() if line.strip()]
    if "price" in form:
        said["price"] = fen(form["price"].strip()) if form["price"].strip() else 0
    if "valid_until" in form:
        said["valid_until"] = moment(form["valid_until"].strip()) if form["valid_until"].strip() else 0
    return replace(entry, **said)
