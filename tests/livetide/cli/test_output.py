"""Tables in narrow and wide terminals, and what is said when there is nothing."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from livetide.cli.output import show, table, wide

HEAD = ["since", "room", "id"]
ROWS = [["2026-01-01", "my-room", "alert:my-room:quality:1767225699363"], ["2026-01-02", "r", "alert:r:fraud:1"]]


def lines(width: int, head: list[str] = HEAD, rows: list[list[str]] = ROWS) -> list[str]:
    return list(table(head, rows, width))


def test_a_table_that_fits_is_a_line_a_row() -> None:
    assert lines(sys.maxsize) == [
        "since       room     id",
        "2026-01-01  my-room  alert:my-room:quality:1767225699363",
        "2026-01-02  r        alert:r:fraud:1",
    ]


def test_what_does_not_fit_stands_whole_under_its_row() -> None:
    assert lines(40) == [
        "since       room",
        "2026-01-01  my-room",
        "    id  alert:my-room:quality:1767225699363",
        "2026-01-02  r",
        "    id  alert:r:fraud:1",
    ]
    assert lines(12)[:4] == [
        "since",
        "2026-01-01",
        "    room  my-room",
        "    id    alert:my-room:quality:1767225699363",
    ]


def test_a_last_column_of_words_is_wrapped_at_them() -> None:
    rows = [["live.danmaku", "envelopes of chat, as the gateway has packed them for each room"], ["live.sales", "orders"]]
    assert lines(46, ["name", "carries"], rows) == [
        "name          carries",
        "live.danmaku  envelopes of chat, as the",
        "              gateway has packed them for each",
        "              room",
        "live.sales    orders",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_nothing_is_lost_at_any_width(width: int) -> None:
    text = "\n".join(lines(width))
    assert all(cell in text for row in ROWS for cell in row)


def test_chinese_stands_in_line() -> None:
    found = lines(80, ["title", "status"], [["雪岭羽绒服", "ready"], ["abc", "failed"]])
    assert {wide(line.rpartition(" ")[0]) for line in found} == {11}


def test_nothing_is_said_on_stderr_and_scripts_see_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show([], ("a", "b"), as_json=False, none="no letters")
    assert capsys.readouterr() == ("", "no letters\n")
    show([], ("a", "b"), as_json=True, none="no letters")
    assert capsys.readouterr() == ("", "")


def test_scripts_get_an_object_a_line_whatever_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [{"a": "x" * 300, "b": 1.25, "more": None}]
    show(rows, ("a", "b"), as_json=True, width=20)
    assert json.loads(capsys.readouterr().out) == rows[0]
