"""``livetide evaluate`` as people and scripts meet it: what it prints, writes, refuses and ends with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from livetide.cli.errors import explain
from livetide.cli.evaluate import app
from streams.records import InvalidError
from tests.livetide.cli.test_cli import livetide

SENTIMENT = "positive\t太好看了\nnegative\t质量太差了退钱\nneutral\t多少钱\nnegative\t骗人的\npositive\t好喜欢\n" * 3
INTENT = "ask_price\t多少钱\nask_price\t啥价\nask_shipping\t发什么快递\nchat\t今天下雨了没出门\n"
PAIRS = "这个多少钱\t这个多少钱呀\t1\n这个多少钱\t能退货吗\t0\n能退货吗\t能退货不\t1\n包邮吗\t这个多少钱\t0\n"
GROUPS = "price\t多少钱\n-\t哈哈哈\nprice\t多少钱啊\nship\t包邮吗\n-\t666\nship\t包邮吗？\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], str]:
    def made(content: str | bytes) -> str:
        path = tmp_path / "examples.tsv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return made


Write = Callable[[str | bytes], str]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def found(*arguments: str) -> dict[str, object]:
    """The one object that ``--json`` prints."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert isinstance(told, dict)
    return told


TASKS = [
    ("sentiment", SENTIMENT, (), 15, ("accuracy", "macro_f1")),
    ("intent", INTENT, (), 4, ("accuracy", "macro_f1")),
    ("retrieval", PAIRS, ("--encoder", "lexical"), 2, ("r_at_1", "r_at_5", "mrr_at_10")),
    ("retrieval", GROUPS, ("--model", "lexical"), 4, ("r_at_1", "r_at_5", "mrr_at_10")),
    ("groups", GROUPS, ("--model", "lexical"), 6, ("pairwise_f1", "ari")),
]
EVERY = {"accuracy", "macro_f1", "r_at_1", "r_at_5", "mrr_at_10", "pairwise_f1", "ari"}


@pytest.mark.parametrize(("task", "content", "options", "n", "figures"), TASKS)
def test_json_is_one_object_with_each_figure_beside_its_interval(
    write: Write, task: str, content: str, options: tuple[str, ...], n: int, figures: tuple[str, ...]
) -> None:
    data = write(content)
    told = found(task, data, *options)
    assert (told["task"], told["n"], told["data"]) == (task, n, data)
    assert EVERY & told.keys() == set(figures)
    for name in figures:
        value, interval = told[name], told[f"{name}_interval"]
        assert isinstance(interval, list)
        assert isinstance(value, float)
        assert interval[0] <= value <= interval[1]
        assert -1 <= value <= 1
    assert found(task, data, *options) == told, "the same file, the same figures and intervals"


def test_a_person_gets_a_table(write: Write) -> None:
    done = run("sentiment", write(SENTIMENT))
    assert done.exit_code == 0
    assert "15 lines, judged by the shipped sentiment" in done.stdout
    assert "Accuracy" in done.stdout
    assert "95 % interval" in done.stdout
    assert "repeats of earlier lines: 10 of 15" in done.stdout


@pytest.mark.parametrize(("task", "content", "options", "n", "figures"), TASKS)
def test_the_page_is_written(
    write: Write, tmp_path: Path, task: str, content: str, options: tuple[str, ...], n: int, figures: tuple[str, ...]
) -> None:
    data, page = write(content), tmp_path / "my page.html"
    told = found(task, data, *options, "--report", str(page))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert f"livetide evaluate {task} {data}" in text
    assert f"&#x27;{page}&#x27;" in text, "as it can be typed again"
    assert str(told["data_sha256"]) in text
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_two_feelings_are_said_to_be_two(write: Write) -> None:
    told = found("sentiment", write("positive\t太好看了\nnegative\t质量太差了退钱\n"))
    assert told["accuracy"] == 1.0
    assert "the labels negative and positive alone" in str(told["notes"])


def refused(*arguments: str) -> str:
    """The one line with which a command ends when it failed (exit code 1)."""
    done = run(*arguments)
    assert isinstance(done.exception, InvalidError), done.output
    text, code = explain(done.exception)
    assert code == 1
    assert done.stdout == ""
    return text


REFUSED = [
    pytest.param(b"", r"is empty", id="empty"),
    pytest.param(bytes(range(256)), r"line 1: it holds a NUL byte", id="binary"),
    pytest.param(SENTIMENT.encode("utf-16"), r"is UTF-16", id="UTF-16"),
    pytest.param(SENTIMENT.encode("gb18030"), r"line 1: byte 12 is no UTF-8. It reads as Chinese in GB18030", id="GB18030"),
    pytest.param(b"x" * 10_000_000, r"line 1: it is longer than", id="10 MB of one line"),
    pytest.param((SENTIMENT.encode())[:-1] + b"\nno tab\n", r"line 16: 1 column", id="a column short"),
    pytest.param(gzip.compress(b"positive\tx\n" * 9)[:-4], r"damaged gzip", id="gzip cut"),
]


@pytest.mark.parametrize("task", ["sentiment", "intent", "retrieval", "groups"])
@pytest.mark.parametrize(("content", "told"), REFUSED)
def test_a_bad_file_is_one_line_and_exit_code_1(write: Write, task: str, content: bytes, told: str) -> None:
    options = () if task in ("sentiment", "intent") else ("--model", "lexical")
    assert told in refused(task, write(content), *options)


def test_models_that_are_none(write: Write, tmp_path: Path) -> None:
    data = write(SENTIMENT)
    assert "no model at" in refused("sentiment", data, "--model", str(tmp_path / "nothing.npz"))
    assert "is no model file, or it is damaged" in refused("sentiment", data, "--model", data)
    assert "no encoder 'nothing'" in refused("retrieval", write(PAIRS), "--encoder", "nothing")


def test_what_could_not_be_written_is_told_before_anything_is_done(write: Write, tmp_path: Path) -> None:
    data = write(SENTIMENT)
    for report, told in (
        (str(tmp_path), "is a folder: give the name of a file in it"),
        (str(tmp_path / "none" / "r.html"), "there is no folder"),
        (data, "is the data itself: give another file"),
    ):
        assert told in refused("sentiment", data, "--report", report)
    assert Path(data).read_text(encoding="utf-8") == SENTIMENT


def test_wrong_usage_is_exit_code_2(write: Write) -> None:
    data = write(GROUPS)
    assert run("groups", data, "--every", "-1").exit_code == 2
    assert run("nonsense", data).exit_code == 2
    assert run("sentiment").exit_code == 2


def test_as_a_program(write: Write, tmp_path: Path) -> None:
    """From the shell, as a script calls it: the object alone on stdout, nothing on stderr, errors in one line."""
    done = livetide("evaluate", "groups", write(GROUPS), "--encoder", "lexical", "--json", "--report", str(tmp_path / "r.html"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pairwise_f1"] == 1.0
    assert done.stderr == ""
    assert (tmp_path / "r.html").stat().st_size > 2_000
    done = livetide("evaluate", "sentiment", str(tmp_path / "nothing.tsv"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"livetide: there is no file {tmp_path / 'nothing.tsv'}: check the path\n"
