"""The data guide against the real store: every question runs for the reader and finds what was put in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from analytics.comprehension import Comprehension
from storage.ledger import Ledger
from storage.rows import TABLE_OF
from streams.records import (
    Alert,
    Answer,
    Chat,
    Clip,
    ComprehendedEnvelope,
    DanmakuEnvelope,
    Highlight,
    Paragraph,
    Record,
    Sale,
    Viewer,
)
from streams.topics import TOPIC_OF
from tests.contracts.pages import ROOT, Block, blocks, commands
from tests.storage.support import READER_PASSWORD, StoreProcess

pytestmark = pytest.mark.store

PAGE = ROOT / "docs" / "data.md"
T = 1_795_550_000_000
COMMON: dict[str, Any] = {"room": "my-room", "event_ts": T, "ingest_ts": T + 400}


def evening() -> Iterator[Record]:
    """A little of everything, in one room."""
    texts = ["多少钱", "多少钱", "这是假货吧，退钱", "贾货", "好看"]
    chat = [Chat(str(n), T + n * 1000, f"u{n}", text) for n, text in enumerate(texts)]
    (understood,) = Comprehension().feed(DanmakuEnvelope(**COMMON, source="test", messages=chat), 0)
    assert isinstance(understood, ComprehendedEnvelope)
    yield understood
    sales: list[tuple[Any, int]] = [("click", 0), ("cart", 0), ("order", 12900), ("pay", 12900), ("refund", 900)]
    for number, (kind, amount) in enumerate(sales):
        yield Sale(
            **COMMON | {"event_ts": T + 20_000 + number}, id=str(number), source="shop", type=kind, sku="A12", quantity=1,
            amount=amount, order="o1" if amount else "", user="u1",
        )  # fmt: skip
    yield Viewer(**COMMON, id="1", source="test", user="u1", type="enter")
    yield Viewer(**COMMON, id="2", source="test", user="u2", type="enter")
    yield Viewer(**COMMON | {"event_ts": T + 90_000}, id="3", source="test", user="u1", type="leave", dwell_ms=90_000)
    yield Answer(**COMMON, id="a1", revision=2, source_id="0", user="u0", question="多少钱", status="unknown")
    stages = {"intro": T, "feature": T + 5_000, "price": T + 10_000, "cta": T + 15_000}
    yield Paragraph(**COMMON, id="p1", revision=2, end_ts=T + 30_000, sku="A12", status="complete", stages=stages)
    states: list[tuple[int, Any]] = [(2, "firing"), (3, "acknowledged")]
    for revision, state in states:
        yield Alert(
            **COMMON, id="alert:my-room:counterfeit:1", revision=revision, topic="counterfeit", level=2, state=state,
            started_ts=T, evidence_ts=T, score=4, share=0.2, baseline=0.002, messages=9, users=9, examples=["假货"],
        )  # fmt: skip
    yield Highlight(**COMMON, id="h1", revision=2, start_ts=T, end_ts=T + 30_000, status="final", score=3.5)
    yield Clip(
        **COMMON, id="clip:h1", revision=2, highlight="h1", end_ts=T + 30_000, title="好看", path="my-room/h1.mp4",
        mode="copy", status="ready", duration_ms=30_000,
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(store: StoreProcess) -> StoreProcess:
    client = store.client()
    for offset, record in enumerate(evening(), 1):
        table = TABLE_OF[TOPIC_OF[type(record)].name]
        columns = [list(column) for column in zip(*table.rows(record, 0, offset), strict=True)]
        client.insert(f"live.{table.name}", table.columns, columns)
    Ledger(client, "docs", "docs").mark({("live.sales", 0): 100})
    client.close()
    return store


def ask(store: StoreProcess, text: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    given = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": READER_PASSWORD} if headers is None else headers
    answer = httpx.post(
        f"http://127.0.0.1:{store.http_port}/?database=live", content=text.encode(), headers=given, timeout=60, trust_env=False
    )
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


QUESTIONS = [one for one in blocks(PAGE) if one.language == "sql"]


def test_there_are_questions() -> None:
    assert len(QUESTIONS) >= 10


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: " ".join(one.text.split())[:60])
def test_question_finds_something(filled: StoreProcess, one: Block) -> None:
    assert ask(filled, one.text + "\nFORMAT JSONEachRow")


def rows_of(store: StoreProcess, part: str) -> list[dict[str, Any]]:
    (found,) = [one for one in QUESTIONS if part in one.text]
    return ask(store, found.text + "\nFORMAT JSONEachRow")


def test_answers_are_right(filled: StoreProcess) -> None:
    assert rows_of(filled, "FROM chat_minutes")[0]["messages"] in (5, "5")
    said = rows_of(filled, "GROUP BY folded")[0]
    assert (said["example"], int(str(said["times"])), int(str(said["people"]))) == ("多少钱", 2, 2)
    disguised = [row for row in rows_of(filled, "ARRAY JOIN") if row["word"] == "假货"]
    assert [(row["topic"], int(str(row["people"])), int(str(row["in_disguise"]))) for row in disguised] == [
        ("counterfeit", 2, 1)
    ]
    (product,) = rows_of(filled, "put_in_cart")
    assert [str(product[name]) for name in ("sku", "clicked", "put_in_cart", "ordered", "paid", "gmv", "refunded")] == [
        "A12", "1", "1", "1", "1", "129", "9",
    ]  # fmt: skip
    (call,) = rows_of(filled, "AS called")
    assert int(str(call["orders"])) == 1
    assert [int(str(row["present"])) for row in rows_of(filled, "AS present")] == [2, 1]
    assert [row["state"] for row in rows_of(filled, "FROM alerts")] == ["firing", "acknowledged"]


def test_lines_to_label_are_distinct_texts(filled: StoreProcess) -> None:
    ((_, text, *_),) = [words for words, _ in commands(PAGE.with_name("train-and-evaluate.md")) if words[0] == "query"]
    assert len(ask(filled, f"{text} FORMAT JSONEachRow")) == 4


def python_example(store: StoreProcess, name: str) -> list[tuple[Any, ...]]:
    (text,) = [one.text for one in blocks(PAGE) if one.name == name]
    text = text.replace("19000", str(store.native_port)).replace("18123", str(store.http_port))
    namespace: dict[str, Any] = {"PASSWORD": READER_PASSWORD}
    exec(compile(text, name, "exec"), namespace)
    client = namespace["client"]
    (client.disconnect if name == "driver" else client.close)()
    return [tuple(row) for row in namespace["rows"]]


@pytest.mark.parametrize("name", ["driver", "connect"])
def test_client_example_connects(filled: StoreProcess, name: str) -> None:
    assert [row[1:] for row in python_example(filled, name)] == [(5, 5)]


def test_curl_example_is_answered(filled: StoreProcess) -> None:
    (text,) = [one.text for one in blocks(PAGE) if one.text.startswith("curl ")]
    words = shlex.split(text.replace("$PASSWORD", READER_PASSWORD))
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    (row,) = ask(filled, words[words.index("--data-binary") + 1], headers)
    assert int(str(row["messages"])) == 5


@pytest.mark.parametrize(
    "text", ["SELECT * FROM file('/etc/passwd')", "INSERT INTO sales (room_id) VALUES ('x')", "DROP TABLE sales"]
)
def test_the_reader_only_reads(filled: StoreProcess, text: str) -> None:
    with pytest.raises(AssertionError, match=r"Code|READONLY|ACCESS_DENIED"):
        ask(filled, text)
