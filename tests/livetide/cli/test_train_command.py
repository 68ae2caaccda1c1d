"""``livetide train`` as people and scripts meet it: a model file with its card, figures on what was kept, and refusals."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analytics.linear import VERSION
from analytics.model_file import Card, card_of, load_model, save_model
from livetide.cli.errors import explain
from livetide.cli.evaluate import app as evaluate
from livetide.cli.train import app as train
from livetide.training import code
from streams.records import InvalidError
from tests.livetide.cli.test_cli import livetide

WHO = ("这件", "那个", "主播", "红的", "大号", "老款", "白的", "三号", "链接里的", "昨天的")
SAID = {
    "negative": ("质量太差了", "骗人的吧退钱", "掉色严重气死", "等十天没发货", "再也不买了", "客服都不理人", "又破又旧"),
    "neutral": ("多少钱", "包邮吗", "还有货没", "怎么洗", "几号链接", "什么材质", "今天发吗"),
    "positive": ("太好看了", "回购三次了", "真的好用", "爱了爱了", "物超所值", "老公也夸", "版型绝了"),
}
LINES = [f"{label}\t{who}{said}" for label, many in SAID.items() for said in many for who in WHO]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(train, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> str:
    """The one line with which a command ends when it failed."""
    done = run(*arguments)
    assert isinstance(done.exception, InvalidError), done.output
    text, exit_code = explain(done.exception)
    assert (exit_code, done.stdout) == (1, "")
    return text


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "feelings.tsv"
    path.write_text("\n".join([*LINES, LINES[0], "positive\t这件质量太差了"]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("task", ["sentiment", "intent"])
def test_a_model_with_its_card_figures_and_page(task: str, lines: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "own.npz", tmp_path / "own.html"
    done = run(task, lines, "--out", out, "--report", page, "--licence", "our own logs", "--json")
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["task"], told["out"], told["kind"], told["n"]) == (task, str(out), task, 20)
    assert told["accuracy_interval"][0] <= told["accuracy"] <= told["accuracy_interval"][1]
    assert told["accuracy"] > 0.8
    assert told["learnt_from"] == "209 lines of 3 labels"
    assert told["notes"][-2:] == [
        "repeats of earlier lines, which were taken once: 1",
        "texts under more than one label, which were left out: 1",
    ]
    card = load_model(out, task, VERSION).card
    assert card.data == hashlib.sha256(lines.read_bytes()).hexdigest() == told["data_sha256"]
    assert (card.licence, card.code, card.labels) == ("our own logs", code(), ["negative", "neutral", "positive"])
    assert card.figures == {name: round(told[name], 4) for name in ("accuracy", "macro_f1")}
    text = page.read_text(encoding="utf-8")
    assert f"livetide train {task} {lines} --out {out}" in text
    assert "our own logs" in text
    found = CliRunner().invoke(evaluate, [task, str(lines), "--model", str(out), "--json"])
    assert json.loads(found.stdout)["accuracy"] > told["accuracy"] - 0.05


def test_the_same_data_and_seed_make_the_same_file(lines: Path, tmp_path: Path) -> None:
    for name in ("first.npz", "second.npz"):
        assert run("sentiment", lines, "--out", tmp_path / name, "--seed", "3").exit_code == 0
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_with_few_lines_nothing_is_kept_and_that_is_said(tmp_path: Path) -> None:
    few, out = tmp_path / "few.tsv", tmp_path / "few.npz"
    few.write_text("\n".join(LINES[::4]), encoding="utf-8")
    done = run("sentiment", few, "--out", out, "--report", tmp_path / "none.html")
    assert done.exit_code == 0, done.output
    assert "nothing was kept to measure on: too few examples" in done.stdout
    assert "cross-validation" in done.stdout
    assert not (tmp_path / "none.html").exists()
    assert card_of(out).figures["cv_accuracy"] > 0.5


def test_bad_data_are_refused_and_nothing_is_written(lines: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "own.npz", tmp_path / "bad.tsv"
    for content, told in (
        (b"", "is empty"),
        (b"positive\tx\n" * 6 + b"broken\n", "line 7: 1 column"),
        ("\n".join(LINES).encode("gb18030"), "It reads as Chinese in GB18030"),
        (b"positive\tx\nnegative\ty\n", f"{bad}: each label needs at least 5 lines"),
        ("\n".join(LINES).replace("neutral", "happy").encode(), f"{bad}: label 'happy' is no sentiment"),
    ):
        bad.write_bytes(content)
        assert told in refused("sentiment", bad, "--out", out)
    assert "is the data itself" in refused("sentiment", lines, "--out", lines)
    assert "there is no folder" in refused("sentiment", lines, "--out", tmp_path / "none" / "own.npz")
    assert "is given twice" in refused("sentiment", lines, "--out", out, "--report", out)
    assert not out.exists()


def test_a_model_of_another_kind_or_version_is_refused(lines: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.npz"
    for card, told in (
        (Card("intent", VERSION, "", "livetide 0.1", "-"), "is a model of kind 'intent', and 'sentiment' is needed here"),
        (
            Card("sentiment", VERSION + 1, "", "livetide 9", "-"),
            f"was written in version {VERSION + 1} of 'sentiment' by live",
        ),
    ):
        save_model(old, card, {})
        done = CliRunner().invoke(evaluate, ["sentiment", str(lines), "--model", str(old)])
        assert isinstance(done.exception, InvalidError)
        assert told in str(done.exception)


def test_wrong_usage_is_exit_code_2(lines: Path) -> None:
    assert run("sentiment", lines).exit_code == 2
    assert run("encoder", lines, "--out", "x.npz", "--steps", "-1").exit_code == 2


@pytest.mark.slow
def test_an_encoder_as_a_program(tmp_path: Path) -> None:
    """Groups in, a model file out that the other command measures; the groups kept apart give the figures."""
    data, out, page = tmp_path / "groups.tsv", tmp_path / "encoder.npz", tmp_path / "encoder.html"
    small = tmp_path / "table.npz"
    rows = [f"{said}\t{who}{said}" for many in SAID.values() for said in many for who in WHO[:4]]
    data.write_text("\n".join([*rows, "-\t哈哈哈", "-\t来了来了"]), encoding="utf-8")
    files = ("--out", str(out), "--static", str(small), "--report", str(page))
    done = livetide("train", "encoder", str(data), *files, "--steps", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert (told["n"], told["task"], told["kind"]) == (8, "retrieval", "encoder-transformer")
    assert told["learnt_from"] == "76 texts in 19 groups, 2 steps"
    assert told["notes"][0].startswith("as a table: R@1 ")
    assert told["notes"][1].startswith("before: R@1 ")
    assert card_of(out).data == hashlib.sha256(data.read_bytes()).hexdigest()
    for model, name in ((out, "semantic"), (small, "static")):
        measured = json.loads(livetide("evaluate", "retrieval", str(data), "--model", str(model), "--json").stdout)
        assert (measured["n"], measured["model"]) == (84, f"the encoder {name!r}")
        assert measured["r_at_1"] > 0.5
    refused_kind = livetide("train", "encoder", str(data), "--out", str(out), "--start", str(data))
    assert refused_kind.returncode == 1
    assert "is no model file, or it is damaged" in refused_kind.stderr
