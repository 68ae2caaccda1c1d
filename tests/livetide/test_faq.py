"""FAQ entries in files: what is written is read back, and what is wrong is named with its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from livetide.cli.faq import app
from livetide.faq import BETWEEN, FIELDS, moment, named, read_file, write_text
from streams.admin import create_topics
from streams.kafka import Cluster
from streams.records import ALL_ROOMS, FaqEntry, InvalidError
from streams.topics import CATALOGUE, partition_of

DAY = 86_400_000
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
ENTRIES = st.builds(
    FaqEntry, room=TEXT, id=TEXT, question=TEXT, answer=TEXT, sku=st.just("") | TEXT, event_ts=st.just(5), ingest_ts=st.just(5),
    wordings=st.lists(TEXT.map(str.strip).filter(lambda text: bool(text) and "|" not in text), max_size=3),
    asked=st.integers(0, 999),
    source=st.sampled_from(["sheet", "import", "mined"]), state=st.sampled_from(["active", "draft", "withdrawn"]),
    valid_until=st.integers(0, 10**9).map(lambda seconds: seconds * 1000), price=st.integers(0, 10**9),
    by=st.just("me"),
)  # fmt: skip


@given(entries=st.lists(ENTRIES, max_size=5), table=st.booleans())
def test_a_file_holds_what_was_written(entries: list[FaqEntry], table: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"round.{'tsv' if table else 'jsonl'}"
    path.write_text(write_text(entries, table=table), encoding="utf-8")
    assert read_file(path, "", "me", 5) == entries


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_line_leaves_out(tmp_path: Path) -> None:
    path = write(
        tmp_path, "x.jsonl", '{"question": "包邮吗", "answer": "包"}\n\n{"question": "q", "answer": "a", "room": "*"}\n'
    )
    one, other = read_file(path, "r", "me", 7)
    assert one == FaqEntry(
        room="r", id=named("r", "包邮吗", ""), question="包邮吗", answer="包", event_ts=7, ingest_ts=7, by="me",
    )  # fmt: skip
    assert other.room == ALL_ROOMS
    assert named("r", "q", "") != named("r", "q", "s") != named("q", "q", "s")


def test_a_table_with_some_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "x.tsv", "\ufeffquestion\twordings\tanswer\tprice\n多少钱\t啥价 | 怎么卖|\t{price}元\t9.9\n")
    (entry,) = read_file(path, "r", "me", 7)
    assert (entry.wordings, entry.price, entry.answer) == (["啥价", "怎么卖"], 990, "{price}元")
    assert BETWEEN.strip() == "|"


@pytest.mark.parametrize(("text", "ms"), [("2026-05-09", 1_778_284_800_000 + DAY), ("2026-05-09T12:30", 1_778_329_800_000),
                                          ("2026-05-09T12:30+08:00", 1_778_301_000_000)])  # fmt: skip
def test_moments(text: str, ms: int) -> None:
    assert moment(text) == ms


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.jsonl", '{"question": "q"}\n{"question": "q", "nonsense": 1}\n', "line 2: .*nonsense"),
        ("x.jsonl", "[]\n", "line 1"),
        ("x.jsonl", "{" * 5_000, "line 1"), ("x.jsonl", '{"answer": "a"}', "question"),
        ("x.jsonl", '{"question": "q", "state": "maybe"}', "line 1: .*maybe"),
        ("x.jsonl", '{"question": "q", "price": "9,90"}', "line 1: .*9,90"),
        ("x.jsonl", '{"question": "q", "valid_until": "tomorrow"}', "line 1: 'tomorrow' is no date"),
        ("x.tsv", "question\tanswer\nq\n", "line 2: another number of columns"),
        ("x.tsv", "frage\nq\n", "first line must name"),
        ("x.tsv", "", "first line must name"), ("x.tsv", "question\tasked\nq\tmany\n", "line 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        read_file(write(tmp_path, name, text), "r", "me", 7)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="names no room"):
        read_file(write(tmp_path, "x.jsonl", '{"question": "q"}'), "", "me", 7)
    for path in (tmp_path, tmp_path / "nowhere.jsonl"):
        with pytest.raises(InvalidError, match="cannot be read"):
            read_file(path, "r", "me", 7)
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidError, match="cannot be read as UTF-8"):
        read_file(tmp_path / "binary.jsonl", "r", "me", 7)
    huge = tmp_path / "huge.jsonl"
    with huge.open("wb") as file:
        file.truncate(65_000_000)
    with pytest.raises(InvalidError, match="divide it"):
        read_file(huge, "r", "me", 7)


def test_fields_are_those_of_the_record() -> None:
    assert set(FIELDS) == set(FaqEntry.__struct_fields__) - {"event_ts", "ingest_ts", "by"}


def check(tmp_path: Path, *lines: dict[str, str], more: tuple[str, ...] = ()) -> tuple[int, list[dict[str, str]]]:
    path = write(tmp_path, "x.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    done = CliRunner().invoke(app, ["check", str(path), "--room", "r", "--no-catalogue", "--json", *more])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_check_says_with_its_code_whether_something_is_wrong(tmp_path: Path) -> None:
    assert check(tmp_path, {"question": "几点下播", "answer": "十点"}) == (0, [])
    code, found = check(tmp_path, {"question": "几点下播", "answer": "十点"}, {"question": "几點下播", "answer": "十二点"})
    assert code == 1
    assert [(one["kind"], one["room"]) for one in found] == [("contradiction", "r")]
    code, found = check(tmp_path, {"question": "几点下播", "answer": "十点", "valid_until": "2020-01-01"})
    assert (code, [one["kind"] for one in found]) == (1, ["out_of_date"])


def test_import_stops_before_what_contradicts_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "x.tsv", "question\tanswer\n几点下播\t十点\n几点下播\t十二点\n")
    done = CliRunner().invoke(app, ["import", str(path), "--room", "r"], env={"LIVETIDE_DATA": str(tmp_path)})
    assert done.exit_code == 1
    assert "nothing was imported" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("mine",), ("export",), ("coverage",), ("check",), ("withdraw", "x"), ("import", "x.jsonl", "--room", "r")]
)
def test_without_a_stack_it_says_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write(tmp_path, "x.jsonl", '{"question": "q", "answer": "a"}')
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVETIDE_")}
    command = [sys.executable, "-m", "livetide", "faq", *arguments]
    environment = clean | {"LIVETIDE_DATA": str(tmp_path / "data"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "livetide up" in done.stderr


@pytest.mark.kafka
def test_import_puts_entries_into_the_log(cluster: Cluster, tmp_path: Path) -> None:
    create_topics(cluster, [CATALOGUE])
    lines = '{"question": "包邮吗", "answer": "包", "id": "imported"}\n{"question": "q", "state": "draft", "id": "d"}\n'
    path = write(tmp_path, "x.jsonl", lines)
    settings = {
        "LIVETIDE_DATA": str(tmp_path),
        "LIVETIDE_KAFKA": cluster.servers,
        "LIVETIDE_PARTITIONS": str(cluster.partitions),
    }
    done = CliRunner().invoke(app, ["import", str(path), "--room", "import-room"], env=settings)
    assert (done.exit_code, done.stdout) == (0, "imported 2 entries\n")
    reader = Consumer(cluster.client(group_id="test-faq-import", enable_auto_commit=False))
    reader.assign([TopicPartition(CATALOGUE.name, partition_of("import-room", cluster.partitions), 0)])
    found: dict[bytes, FaqEntry] = {}
    end = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < end:
        found |= {
            message.key() or b"": CATALOGUE.decode(message.value())
            for message in reader.consume(100, 0.2)
            if (message.key() or b"").startswith(b"import-room//faq/")
        }
    reader.close()
    assert found.keys() == {b"import-room//faq/imported", b"import-room//faq/d"}
    assert found[b"import-room//faq/d"].state == "draft"
