"""The export of the data guide takes every row once, also where the limit falls inside an envelope."""

from __future__ import annotations

import re
from typing import Any

import pytest

from storage.rows import TABLE_OF
from streams.records import ComprehendedEnvelope, UnderstoodChat
from tests.contracts.pages import ROOT, blocks
from tests.contracts.test_docs_store import ask
from tests.storage.support import StoreProcess

pytestmark = pytest.mark.store

T = 1_795_550_000_000
ROOM = "export"
ENVELOPES, CHATS = 7, 5


def recipe() -> str:
    """The query, for chat."""
    (text,) = [one.text for one in blocks(ROOT / "docs" / "data.md") if re.search(r"log_offset > .*\n.*\nLIMIT", one.text)]
    text = text.replace("FROM sales", "FROM danmaku").replace("WHERE", f"WHERE room_id = '{ROOM}' AND")
    assert "FROM danmaku" in text
    return text


@pytest.fixture(scope="module")
def talked(store: StoreProcess) -> StoreProcess:
    client, table = store.client(), TABLE_OF["live.comprehended"]
    for offset in range(ENVELOPES):
        messages = [
            UnderstoodChat(f"{offset}.{n}", T + n, f"u{n}", "好看", "好看", "neutral", 0.0, "price", 0.5) for n in range(CHATS)
        ]
        record = ComprehendedEnvelope(room=ROOM, event_ts=T, ingest_ts=T, source="s", messages=messages)
        columns = [list(column) for column in zip(*table.rows(record, 0, offset), strict=True)]
        client.insert(f"live.{table.name}", table.columns, columns)
    client.close()
    return store


def exported(store: StoreProcess, query: str, limit: int) -> list[str]:
    """What a reader gets who asks for what is beyond the highest offset that it has, until nothing is."""
    found: list[str] = []
    last = -1
    while True:
        text = re.sub(r"log_offset > -?\d+", f"log_offset > {last}", re.sub(r"LIMIT \d+", f"LIMIT {limit}", query))
        rows: list[dict[str, Any]] = ask(store, text + "\nFORMAT JSONEachRow")
        if not rows:
            return found
        found += [str(row["source_id"]) for row in rows]
        last = int(str(rows[-1]["log_offset"]))


@pytest.mark.parametrize("limit", [1, 3, CHATS, 12, 1_000])
def test_the_export_takes_every_row_once(talked: StoreProcess, limit: int) -> None:
    assert sorted(exported(talked, recipe(), limit)) == [f"{at}.{n}" for at in range(ENVELOPES) for n in range(CHATS)]


def test_a_plain_limit_would_lose_the_rest_of_an_envelope(talked: StoreProcess) -> None:
    assert len(exported(talked, recipe().replace(" WITH TIES", ""), 3)) == 3 * ENVELOPES
