"""The page about training and evaluating: its commands run on files of the form that it shows, its tables are the code's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analytics.evaluation import data, lines, retrieval
from analytics.evaluation.report import NAMES
from tests.contracts.pages import ROOT, blocks, commands, table

PAGE = ROOT / "docs" / "train-and-evaluate.md"
SHOWN = [one.text for one in blocks(PAGE) if one.language == ""]

WHO = ("这件", "那个", "主播", "红的", "大号", "老款", "白的", "三号")
TAILS = ("", "啊", "呀", "的说")
FEELINGS = {
    "negative": ("质量太差了", "骗人的退钱", "掉色严重气死"),
    "neutral": ("多少钱", "包邮吗", "还有货没"),
    "positive": ("太好看了", "回购三次了", "真的好用"),
}
WISHES = {"ask_price": FEELINGS["neutral"][:1], "ask_stock": FEELINGS["neutral"][2:], "praise": FEELINGS["positive"]}


def written(folder: Path) -> None:
    """The files that the commands name."""

    def write(name: str, rows: list[str]) -> None:
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")

    said_by = [(who, tail) for who in WHO for tail in TAILS]
    feelings = [f"{label}\t{who}{said}{tail}" for label, many in FEELINGS.items() for said in many for who, tail in said_by]
    wishes = [f"{label}\t{who}{said}" for label, many in WISHES.items() for said in many for who in WHO]
    pairs = [f"{who}{said}\t{said}{who}\t1" for many in FEELINGS.values() for said in many for who in WHO[:3]]
    write("feelings.tsv", [*SHOWN[0].splitlines(), *feelings])
    write("other-feelings.tsv", feelings[::2])
    write("wishes.tsv", wishes)
    write("pairs.tsv", pairs)
    write("other-pairs.tsv", [*pairs[:5], "多少钱\t太好看了\t0"])
    write("evening.tsv", ["price\t多少钱", "-\t哈哈哈", "price\t这件多少钱", "ship\t包邮吗", "ship\t包邮吗？"])


def test_the_lines_that_are_shown_are_read(tmp_path: Path) -> None:
    path = tmp_path / "shown.tsv"
    path.write_text(SHOWN[0], encoding="utf-8")
    assert data.read_labelled(path).labels == ["negative", "neutral", "positive"]


@pytest.mark.slow
def test_the_commands_run_one_after_the_other(tmp_path: Path) -> None:
    written(tmp_path)
    ran = [words for words, whole in commands(PAGE) if whole and words[0] in ("train", "evaluate")]
    assert len(ran) >= 8
    for words in ran:
        few = ["--steps", "1"] if words[:2] == ["train", "encoder"] else []
        done = subprocess.run(
            [sys.executable, "-m", "livetide", *words, *few],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}"
        if "--json" in words:
            assert json.loads(done.stdout)["n"] == 5
        if "--report" in words:
            assert (tmp_path / words[words.index("--report") + 1]).exists()
        if "--out" in words:
            assert (tmp_path / words[words.index("--out") + 1]).exists()


def test_the_limits_are_the_readers() -> None:
    told = {row[0]: int(row[1].replace(",", "")) for row in table("train-and-evaluate.md", "limit", "value")}
    assert told == {
        "bytes of a file, unpacked": lines.MOST_BYTES,
        "lines": lines.MOST_LINES,
        "bytes of a line": lines.LONGEST_LINE,
        "different labels": data.MOST_LABELS,
        "characters of a label": data.LONGEST_LABEL,
        "distinct texts of retrieval": retrieval.MOST_TEXTS,
    }


def test_the_figures_are_those_that_are_printed() -> None:
    told = [name.strip() for row in table("train-and-evaluate.md", "figure", "means") for name in row[0].split(",")]
    assert told == [*NAMES, "ece"]
