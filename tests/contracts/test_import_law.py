"""The import law of the design: the folders are the way of the data, and nothing reaches back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("streams", "analytics", "clipper", "storage", "realtime_host", "livetide")

MAY_IMPORT = {
    "streams/agents": ("streams", "analytics"),
    "streams": ("streams",),
    "analytics": ("analytics", "streams.records"),
    "clipper": ("clipper", "streams.records", "streams.topics", "analytics"),
    "storage": ("storage", "streams.records", "streams.topics"),
    "realtime_host": ("realtime_host", "streams.records", "streams.topics", "analytics"),
    "livetide": OURS,
}

KAFKA_CLIENTS = ("faust", "mode", "aiokafka", "confluent_kafka")
MAY_SPEAK_KAFKA = ("streams/", "storage/sink")

HEAVY = (
    "faust",
    "aiokafka",
    "confluent_kafka",
    "chdb",
    "av",
    "moviepy",
    "faiss",
    "torch",
    "scipy",
    "numpy",
    "uvicorn",
    "starlette",
)
"""What the command line must not import at its top level: `livetide --help` answers at once."""


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Path]:
    return sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_import_law(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    allowed = next(names for folder, names in MAY_IMPORT.items() if place.startswith(folder + "/"))
    for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
        if name.split(".")[0] in OURS:
            assert within(name, allowed), f"{place} may not import {name}"
        if name.split(".")[0] in KAFKA_CLIENTS:
            assert place.startswith(MAY_SPEAK_KAFKA), f"{place} may not speak to Kafka: {name}"


def test_law_knows_every_package() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert found == set(OURS)


def test_command_line_is_light() -> None:
    for path in (ROOT / "livetide" / "cli").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in imports(node):
                    assert not within(name, HEAVY), f"{path.name} imports {name} at its top level; import it where it is used"
