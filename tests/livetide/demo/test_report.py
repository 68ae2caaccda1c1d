"""The summary in narrow and wide terminals, and commands that a shell understands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from livetide.cli.output import wide
from livetide.demo.report import ROOMY, commands, program, table
from livetide.demo.summary import Line

LINES = [
    Line("danmaku: rows", "3,614", "3,614", True, "105 were sent again"),
    Line("alert: quality, fast rise", "20 people", "at the webhook after 0.42 s", True, "raised 3.3 s of room time before it"),
    Line("false alerts", "0", "1", False, "refund ['退钱退钱退钱退钱退钱退钱']"),
    Line("product paragraphs, complete", "12", "11", None),
    Line("spoken replies", "", "23", True, "command to sound 120 ms (median); simulated: avatar, transport, and more of it"),
]


@pytest.mark.parametrize("width", [80, ROOMY, 200])
def test_nothing_is_cut_or_too_wide(width: int) -> None:
    text = [line for line, _ in table(LINES, width)]
    assert max(map(wide, text)) <= width
    said = " ".join(" ".join(text).split())
    for line in LINES[:3]:
        assert line.what in said
        assert line.found in said
    assert all(word in said for line in LINES for word in line.note.split())


def test_notes_stand_beside_where_there_is_room_and_else_underneath() -> None:
    assert [line for line, _ in table(LINES[:1], 80)] == [
        "  what           planted  found",
        "✓ danmaku: rows    3,614  3,614",
        "    105 were sent again",
    ]
    assert [line for line, _ in table(LINES[:1], 120)] == [
        "  what           planted  found  note",
        "✓ danmaku: rows    3,614  3,614  105 were sent again",
    ]


def test_what_was_lost_is_marked() -> None:
    assert [line[:1] for line, ok in table(LINES, 200) if ok is False] == ["✗"]


@pytest.mark.parametrize("stays", [True, False])
def test_the_commands_can_be_pasted(tmp_path: Path, stays: bool) -> None:
    data = tmp_path / "a folder with 'quotes'"
    data.mkdir()
    shell = [line for line in commands(data, "demo-7-1", stays=stays) if line.startswith("  ")]
    assert shell[0].startswith("  export LIVETIDE_DATA=")
    assert any(" up" in line for line in shell)
    assert shell[-1].endswith(" down")
    own = "\n".join(line.replace(program(), 'printf "%s|" "$LIVETIDE_DATA"') for line in shell)
    done = subprocess.run(["bash", "-ec", own], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.count(f"{data}|") == len(shell) - 1
    assert "SELECT * FROM chat_minutes WHERE room_id = 'demo-7-1' ORDER BY minute|" in done.stdout
    assert subprocess.run(f"{program()} --version", shell=True, capture_output=True, check=True, cwd="/").stdout
