"""``livetide faq`` against the real store: what is mined, exported, checked and counted of rows that lie there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from livetide.console.queries import Queries
from livetide.faq import stored_entries, stored_products
from storage.client import StoreClient
from storage.rows import TABLE_OF
from streams import records as r
from streams.topics import TOPIC_OF
from tests.storage.support import PASSWORD, ROOT, StoreProcess
from tests.storage.test_query import running

pytestmark = pytest.mark.store
NOW = time.time_ns() // 1_000_000
START = NOW - 2 * 3_600_000


@pytest.fixture
def room() -> str:
    return f"faq-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def environment(store: StoreProcess, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secrets.json").write_text(json.dumps({"store_password": PASSWORD}))
    running(tmp_path, store.native_port, store.http_port)
    return {"LIVETIDE_DATA": str(tmp_path), "LIVETIDE_CLICKHOUSE": "", "LIVETIDE_CLICKHOUSE_READER": ""}


def faq(environment: dict[str, str], *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "livetide", "faq", *arguments]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def write(client: StoreClient, records: Iterable[r.Record]) -> None:
    for offset, record in enumerate(records):
        table = TABLE_OF[TOPIC_OF[type(record)].name].of(record)
        rows = table.rows(record, 0, offset)
        client.insert(f"live.{table.name}", table.columns, [list(c) for c in zip(*rows, strict=True)], token=uuid.uuid4().hex)


def asked(room: str, at: int, text: str, status: str = "unknown", answer: str = "") -> list[r.Record]:
    ts, id = START + at, f"m{at}"
    message = r.UnderstoodChat(id, ts, f"u{at}", text, text, intent="ask_spec", intent_p=0.9)
    given: dict[str, Any] = {"room": room, "event_ts": ts, "ingest_ts": ts}
    chat = r.ComprehendedEnvelope(**given, source="s", messages=[message])
    told = r.Answer(
        **given, id=f"answer:{room}:s:{id}", revision=1, source_id=id, user="u", question=text, status=status, answer=answer,  # type: ignore[arg-type]  # one of the three
    )  # fmt: skip
    return [chat, told]


def product(room: str, at: int, sku: str, kind: Any = "show", **sheet: Any) -> r.Product:
    return r.Product(
        room=room, event_ts=START + at, ingest_ts=START + at, id=f"{sku}{at}", source="s", sku=sku, type=kind, **sheet
    )


def entry(room: str, question: str, at: int = 0, **given: Any) -> r.FaqEntry:
    fields: dict[str, Any] = {"answer": "好的", "id": question} | given
    return r.FaqEntry(room=room, event_ts=START + at, ingest_ts=START + at, question=question, **fields)


def broadcast(room: str) -> list[r.Record]:
    """A product on show, a question that comes four times in other words and is answered by voice, and one that is known."""
    speech = r.Speech(
        room=room, event_ts=START + 8_000, ingest_ts=START, id="s1", source="s", end_ts=START + 9_000,
        text="可以开发票的，下单的时候备注抬头就行",
    )  # fmt: skip
    records: list[r.Record] = [product(room, -5_000, "vest", name="马甲", price=15_900), speech]
    for at, text in enumerate(["能开发票吗", "可以开发票吗", "能开发票吗？", "开不开发票"]):
        records += asked(room, at * 60_000, text)
    for at in range(3):
        records += asked(room, 1_000 + at, "能机洗吗", "given", "建议手洗")
    return [*records, *asked(room, 5_000, "主播的猫叫啥")]


def test_mine_drafts_what_was_asked_and_said(
    client: StoreClient, environment: dict[str, str], room: str, tmp_path: Path
) -> None:
    write(client, broadcast(room))
    done = faq(environment, "mine", "--room", room, "--since", "1d")
    (draft,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (draft["room"], draft["question"], draft["state"], draft["source"]) == (room, "能开发票吗", "draft", "mined")
    assert (draft["answer"], draft["asked"], draft["sku"]) == ("可以开发票的，下单的时候备注抬头就行", 4, "vest")
    assert "2 asked 3 times or more in a broadcast" in done.stderr
    table = tmp_path / "drafts.tsv"
    faq(environment, "mine", "--room", room, "--since", "1d", "--out", str(table))
    assert table.read_text(encoding="utf-8").splitlines()[1].split("\t")[2] == "能开发票吗"
    assert faq(environment, "mine", "--room", room, "--since", "1h").stdout == "", "the broadcast was two hours ago"


def test_coverage_counts_repeated_questions(client: StoreClient, environment: dict[str, str], room: str) -> None:
    write(client, broadcast(room))
    done = faq(environment, "coverage", "--room", room, "--since", "1d", "--json")
    (one,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert {name: one[name] for name in ("room", "repeated", "given", "proposed", "share")} == {
        "room": room, "repeated": 2, "given": 1, "proposed": 0, "share": 0.5,
    }  # fmt: skip


def test_export_shows_the_newest_of_each(client: StoreClient, environment: dict[str, str], room: str) -> None:
    shop = entry(r.ALL_ROOMS, "包税吗", id=f"shop-{room}")
    write(client, [
        entry(room, "几点下播", 0, answer="十点"),
        entry(room, "几点下播", 1, answer="十一点", wordings=["啥时候下播"], price=990),
        entry(room, "旧的", 0), entry(room, "旧的", 1, state="withdrawn"), entry(room, "草稿", 0, state="draft"), shop,
    ])  # fmt: skip
    lines = [json.loads(line) for line in faq(environment, "export", "--room", room).stdout.splitlines()]
    own = {line["question"]: line for line in lines if line["room"] == room}
    assert own.keys() == {"几点下播", "草稿"}
    assert (own["几点下播"]["answer"], own["几点下播"]["wordings"], own["几点下播"]["price"]) == (
        "十一点",
        ["啥时候下播"],
        "9.90",
    )
    assert f"shop-{room}" in {line["id"] for line in lines}
    write(client, [shop_gone := entry(r.ALL_ROOMS, "包税吗", 5, id=f"shop-{room}", state="withdrawn")])
    assert shop_gone.id not in {one.id for one in stored_entries(client.dicts, room)}


def test_entries_come_back_as_they_went(client: StoreClient, room: str) -> None:
    given = entry(
        room, "问", 3, wordings=["a", "b"], sku="s", source="mined", state="draft", valid_until=START, price=15_901, asked=7,
        by="me",
    )  # fmt: skip
    write(client, [given])
    assert [one for one in stored_entries(client.dicts, room) if one.room == room] == [given]


def test_the_catalogue_is_what_its_events_leave(client: StoreClient, room: str) -> None:
    write(client, [
        product(room, 0, "vest", name="马甲", price=15_900, attributes={"绒": "80克"}), product(room, 1, "vest", "pin"),
        product(room, 2, "vest", "pin", price=13_900), product(room, 0, "old", name="旧"), product(room, 3, "old", "withdraw"),
    ])  # fmt: skip
    own = {sku: sheet for (owner, sku), sheet in stored_products(client.dicts).items() if owner == room}
    assert own.keys() == {"vest"}
    assert (own["vest"].name, own["vest"].price, own["vest"].attributes) == ("马甲", 13_900, {"绒": "80克"})


def test_check_holds_a_file_against_the_catalogue(
    client: StoreClient, environment: dict[str, str], room: str, tmp_path: Path
) -> None:
    write(client, [product(room, 0, "vest", name="马甲", price=15_900)])
    path = tmp_path / "faq.jsonl"
    line = {"question": "多少钱", "answer": "159元", "sku": "vest"}
    path.write_text(json.dumps(line), encoding="utf-8")
    faq(environment, "check", str(path), "--room", room)
    write(client, [product(room, 9, "vest", "pin", price=13_900)])
    done = faq(environment, "check", str(path), "--room", room, "--json", code=1)
    (problem,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert (problem["kind"], problem["room"]) == ("price", room)
    assert "139.00" in problem["says"]
    faq(environment, "check", str(path), "--room", room, "--no-catalogue")


def test_check_without_a_file_looks_at_what_is_stored(client: StoreClient, environment: dict[str, str], room: str) -> None:
    write(client, [entry(room, "几点下播", answer="十点"), entry(room, "几點下播", answer="十二点")])
    done = faq(environment, "check", "--room", room, "--json", code=1)
    assert ("contradiction", room) in {(one["kind"], one["room"]) for one in map(json.loads, done.stdout.splitlines())}


def test_the_console_reads_entries_and_answers(client: StoreClient, room: str) -> None:
    write(client, [
        entry(room, "几点下播", 0, state="draft", asked=5), entry(room, "包税吗"), entry(room, "旧的", state="withdrawn"),
        *asked(room, 7, "包税吗", "given", "包税"),
    ])  # fmt: skip
    queries = Queries(client.dicts)
    own = [(row["id"], row["state"]) for row in queries.faq() if row["room_id"] == room]
    assert own == [("几点下播", "draft"), ("包税吗", "active")], "what was asked most comes first"
    assert (queries.faq_entry(room, "旧的") or {})["state"] == "withdrawn"
    assert queries.faq_entry(room, "nobody") is None
    assert (queries.answer(f"answer:{room}:s:m7") or {})["answer"] == "包税"
    assert queries.answer("nobody") is None


def test_the_guides_question_about_coverage_runs(client: StoreClient, environment: dict[str, str], room: str) -> None:
    write(client, broadcast(room))
    page = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r'^livetide query "(.+)"$', page, re.MULTILINE)
    command = [sys.executable, "-m", "livetide", "query", sql, "--format", "JSONEachRow"]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["covered"] for row in rows if row["room_id"] == room] == [1], "能机洗吗 came three times in the same words"
