"""Recordings that people made, where they lie beside the repository: exactly their rows, counted another way."""

import gzip
from functools import partial
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from streams.sources.contract import check_source
from streams.sources.opening import open_source

DATA = Path(__file__).parents[4] / "shared" / "data" / "danmaku"
TAPES = {"VoD_104703028": 24_696, "VoD_105450491": 46_560, "VoD_111540271": 61_614}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public recordings are not here")


@pytest.mark.parametrize("tape", TAPES)
def test_rows_of_three_streams(tape: str) -> None:
    path = DATA / "twitch_zh" / f"{tape}.jsonl.gz"
    events = [msgspec.json.decode(event.line) for event in open_source(str(path)).events()]
    with gzip.open(path) as file:
        rows = [msgspec.json.decode(line) for line in file]
    assert len(events) == len(rows) == TAPES[tape]
    rows.sort(key=lambda row: row["ts_ms"])
    assert [(e["ts"], e["user"], e["text"]) for e in events] == [(r["ts_ms"], r["user"], r["text"]) for r in rows]
    assert len({e["id"] for e in events}) == len(rows)


@pytest.mark.parametrize("file", ["danmakufactory01.xml", "nichijou19.xml"])
def test_rows_of_archives(file: str) -> None:
    path = DATA / "bilibili" / file
    events = check_source(partial(open_source, str(path)), kinds={"chat"})
    parsed = etree.parse(str(path)).getroot().findall("d")
    texts = [msgspec.json.decode(event.line)["text"] for event in events]
    assert sorted(texts) == sorted(element.text or "" for element in parsed)
    assert path.read_bytes().count(b"<d ") == len(events)
