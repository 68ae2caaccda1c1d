"""Numbers that pages tell are those that the code goes by."""

from __future__ import annotations

import re

import pytest

from analytics import faq_check, faq_entries, faq_search, shelf
from clipper import clips
from livetide.delivery import sender, webhook
from streams.shell.shell import Pace
from streams.topics import DEADLETTER, LETTER_VALUE_BYTES
from tests.contracts.pages import ROOT, table

SESSION_S = f"{Pace().session_s:g} s"
DEADLINE_S = f"{webhook.DEADLINE_S:g} s"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            "docs/operations.md",
            f"A worker that leaves for good is missed after {SESSION_S}, and its partitions go to the others",
        ),
        ("docs/operations.md", f"A group keeps a stopped worker for {SESSION_S}; until then"),
        ("docs/operations.md", f"A letter holds the bytes whole up to {LETTER_VALUE_BYTES // 1_000_000} MB"),
        ("docs/operations.md", f"the clipper waits up to {clips.WAIT_MS / 1000:g} s for video"),
        ("docs/architecture.md", f"its partitions wait, or go to another worker after {SESSION_S};"),
        ("docs/alerts.md", f"Answer with 2xx within {DEADLINE_S} and do the work afterwards"),
        (
            "docs/faq.md",
            f"An entry has {faq_entries.WORDINGS} wordings and {faq_entries.ENTRY_BYTES:,} bytes at most, a room "
            f"{faq_entries.ROOM_ENTRIES:,} entries, and all rooms of a partition a third of the "
            f"{shelf.SHEETS_BYTES / 1e6:g} MB",
        ),
        ("docs/faq.md", f"finds as near as {faq_check.CLOSE:g}"),
        ("docs/faq.md", f"is exact up to {faq_search.FLAT_ROWS:,} rows; beyond"),
        ("docs/faq.md", f"scores the best {faq_search.CANDIDATES} exactly"),
        ("benchmarks/README.md", f"The session time-out ({SESSION_S}) and start-up decide"),
    ],
)
def test_a_page_says_what_holds(page: str, said: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert said in text


def test_the_webhooks_table_is_the_deliverys() -> None:
    rows = {row[0]: row[1] for row in table("alerts.md", "you answer", "what happens")}
    (again,) = [told for answer, told in rows.items() if answer.endswith(f"5xx, nothing within {DEADLINE_S}")]
    assert f"after a growing pause up to {sender.BACKOFF_MS[1] / 1000:g} s." in again
    assert f"What is {webhook.GIVE_UP_MS / 60_000:g} min old is counted as expired" in again


def test_a_letter_has_room_for_what_is_said_about_it() -> None:
    assert DEADLETTER.max_bytes - LETTER_VALUE_BYTES >= 50_000


def test_no_page_denies_a_command_that_is_there() -> None:
    text = " ".join((ROOT / "docs" / "border.md").read_text(encoding="utf-8").split())
    assert not re.search("no way to withdraw", text)
    assert "`livetide key ROOM --rotate`" in text[text.index("Keys are derived from") :]
