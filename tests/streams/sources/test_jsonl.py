"""Our own replay format: every line to the letter, paced by a clock that one wrong stamp does not move."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.jsonl import NEIGHBOURS, open_border_lines, open_rows

T = 1_764_000_000_000


def lines_of(path: Path, stamps: list[int | None]) -> Path:
    path.write_bytes(
        b"".join(
            b'{"poison\n' if ts is None else json.dumps({"kind": "chat", "id": str(n), "ts": T + ts}).encode() + b"\n"
            for n, ts in enumerate(stamps)
        )
    )
    return path


def ats(path: Path) -> list[int]:
    return [event.at - T for event in open_border_lines(path).events()]


def test_lines_are_kept_to_the_letter(tmp_path: Path) -> None:
    odd = [b'{"kind" :"chat","id":"1","ts":1764000000000 , "text":"\\ud800"}', b"\xff\xfe", b'{"ts": "x"}', b"[]", b"0"]
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\n".join(odd))
    assert [event.line for event in open_border_lines(path).events()] == odd


def test_disorder_stays_and_the_clock_does_not_run_backwards(tmp_path: Path) -> None:
    assert ats(lines_of(tmp_path / "a", [0, 1000, 200, None, 1500])) == [0, 1000, 1000, 1000, 1500]


def test_a_stamp_minutes_ahead_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    stamps: list[int | None] = [n * 1000 for n in range(100)]
    stamps[10] = 300_000
    found = ats(lines_of(tmp_path / "a", stamps))
    assert found[11] < 60_000
    assert found[-1] == 99_000


def test_the_first_stamp_is_not_trusted_more_than_the_others(tmp_path: Path) -> None:
    assert ats(lines_of(tmp_path / "a", [900_000, *range(0, 5000, 100)]))[0] < 10_000


def test_a_pause_is_a_pause(tmp_path: Path) -> None:
    stamps: list[int | None] = [*range(0, 1000, 100), *range(600_000, 700_000, 1000)]
    assert ats(lines_of(tmp_path / "a", stamps)) == stamps


@given(st.lists(st.one_of(st.none(), st.integers(0, 10_000_000)), max_size=2 * NEIGHBOURS))
def test_every_line_comes_once_in_the_order_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[int | None]
) -> None:
    path = lines_of(tmp_path_factory.getbasetemp() / "any.jsonl", stamps)
    events = list(open_border_lines(path).events())
    assert [event.line for event in events] == path.read_bytes().splitlines()
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert all(event.at - T <= max(ts for ts in stamps if ts is not None) for event in events if any(stamps))


@pytest.mark.parametrize(
    "row", ["5", '"x"', '{"ts_ms": true, "text": "x"}', '{"ts_ms": 1e300, "text": "x"}', '{"ts_ms": 1, "text": 2}']
)
def test_rows_that_are_none_are_damage_with_a_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"ts_ms": 1764000000000, "user": 5, "text": "x"}\n' + row)
    source: Any = open_rows(path)
    assert len(list(source.events())) == 1
    assert source.tally.examples[0].startswith("line 2: ")
