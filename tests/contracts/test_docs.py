"""The documentation tells the truth: commands parse, settings exist, links lead somewhere, examples run."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livetide.cli import COMMANDS
from livetide.metrics import METRICS
from livetide.reference import commands as all_commands
from livetide.settings import Settings
from tests.contracts.pages import (
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    links,
    pages,
    table,
    written,
)

REGISTRY = dict(all_commands())
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*|…|\.\.\.")
PACKAGES = ("streams", "storage", "livetide", "clipper", "realtime_host", "analytics")


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


# ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def command_lines() -> list[Any]:
    found = [
        pytest.param(words, whole, id=f"{relative(page)}: {' '.join(words)[:60]}")
        for page in pages()
        for words, whole in commands(page)
    ]
    assert len(found) > 40, "the command lines of the documentation are not found any more"
    return found


@pytest.mark.parametrize(("words", "whole"), command_lines())
def test_command_line_parses(words: list[str], whole: bool) -> None:
    name = words[0]
    if name in ("--help", "--version", "…") or (PLACEHOLDER.fullmatch(name) and not whole):
        return
    assert name in COMMANDS, f"there is no command {name}"
    command, rest = REGISTRY[name], words[1:]
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"livetide {name} has no {rest[0]}"
        name, command, rest = f"{name} {rest[0]}", command.commands[rest[0]], rest[1:]
    if whole:
        command.make_context(f"livetide {name}", rest)  # raises for an unknown option and for a missing argument
        return
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    for word in rest:
        assert not word.startswith("--") or word.partition("=")[0] in known, f"livetide {name} has no {word}"


def test_every_command_is_in_the_guides() -> None:
    told = {" ".join(words[:size]) for page in written() for words, _ in commands(page) for size in (1, 2)}
    missing = [name for name, command in REGISTRY.items() if name not in told and not hasattr(command, "commands")]
    assert not missing, f"no page that people read mentions {missing}"


# ── Settings and metrics ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_variable_that_is_named_exists() -> None:
    settings = {f"LIVETIDE_{name.upper()}" for name in Settings.model_fields}
    of_options = {one.envvar for command in REGISTRY.values() for one in command.params if getattr(one, "envvar", None)}
    assert "LIVETIDE_ROOM_KEY" in of_options
    for page in pages():
        named = set(re.findall(r"LIVETIDE_[A-Z][A-Z_]*", page.read_text(encoding="utf-8")))
        assert named <= settings | of_options, f"{relative(page)}: {sorted(named - settings - of_options)}"


def test_every_setting_is_in_the_reference() -> None:
    rows = {row[0]: row[2] for row in table("reference/settings.md", "variable", "default", "meaning")}
    assert set(rows) == {f"LIVETIDE_{name.upper()}" for name in Settings.model_fields}
    assert all(rows.values())


KINDS = {"count": "counter", "gauge": "gauge", "observe": "histogram"}


def meter_calls() -> Iterator[tuple[str, ast.Call, ast.Attribute]]:
    for folder in PACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_meters(node.func):
                    yield f"{relative(path)}:{node.lineno}", node, node.func


def is_meters(function: ast.Attribute) -> bool:
    return function.attr in KINDS and ast.unparse(function.value).rsplit(".", 1)[-1].endswith("meter")


def test_metrics_are_those_that_are_counted() -> None:
    used = set()
    for place, call, function in meter_calls():
        name = call.args[0]
        assert isinstance(name, ast.Constant), f"{place}: the name of a metric must be written out"
        assert isinstance(name.value, str)
        metric = METRICS[name.value]
        assert metric.kind == KINDS[function.attr], f"{place}: {name.value} is a {metric.kind}"
        assert {one.arg for one in call.keywords} == set(metric.labels), f"{place}: labels of {name.value}"
        used.add(name.value)
    assert used == set(METRICS), f"nothing counts {sorted(set(METRICS) - used)}"


def test_metrics_that_pages_name_exist() -> None:
    for page in written():
        for name in re.findall(r"`livetide_([a-z_]+)`", page.read_text(encoding="utf-8")):
            assert re.sub(r"_(total|bucket|sum|count)$", "", name) in METRICS or name in METRICS, f"{relative(page)}: {name}"


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        assert target.exists(), f"{relative(page)} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{relative(page)} links to {link}: no such heading"


def test_the_index_knows_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    for page in sorted((ROOT / "docs").rglob("*")):
        if page.is_file() and page != index:
            assert page in linked, f"docs/README.md does not mention {relative(page)}"


ALL_BLOCKS = [one for page in pages() for one in blocks(page)]


@pytest.mark.parametrize("one", ALL_BLOCKS, ids=lambda one: f"{relative(one.page)}: {one.text.strip()[:40]!r}")
def test_code_is_code(one: Block) -> None:
    if one.language == "python":
        assert one.name, "name the block and run it in a test"
        compile(one.text, str(one.page), "exec")
    elif one.language == "json":
        json.loads(one.text)
    elif one.language == "sh":
        done = subprocess.run(["bash", "-n"], input=one.text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    else:
        assert one.language in ("", "sql", "ini"), f"a block of {one.language}: say here how it is checked"
