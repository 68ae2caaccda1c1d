"""The documentation as tests read it: pages, their code blocks, their links and the command lines in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "reference"

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, its language, the ``name=`` beside it, its text."""

    page: Path
    language: str
    name: str
    text: str


def pages() -> list[Path]:
    """Everything written or made for people to read."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def written() -> list[Path]:
    """The pages that are not made from the code."""
    return [page for page in pages() if GENERATED not in page.parents]


def blocks(page: Path) -> list[Block]:
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        language, *rest = match["info"].split() or [""]
        name = next((word.removeprefix("name=") for word in rest if word.startswith("name=")), "")
        found.append(Block(page, language, name, match["body"]))
    return found


def block(page: str, name: str) -> str:
    """The text of one named block."""
    (found,) = [one.text for one in blocks(ROOT / "docs" / page) if one.name == name]
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def commands(page: Path) -> Iterator[tuple[list[str], bool]]:
    """The ``livetide …`` command lines of a page as words after ``livetide``, and whether they are whole lines of a shell."""
    for span in _SPAN.findall(prose(page)):
        if span.startswith("livetide "):
            yield _words(span)[1:], False
    for one in blocks(page):
        if one.language in ("sh", "console"):
            for line in one.text.replace("\\\n", " ").splitlines():
                words = _words(line.removeprefix("$ "))
                while words and _ASSIGNMENT.fullmatch(words[0]):
                    words = words[1:]
                if words and words[0].endswith("livetide"):
                    yield words[1:], True


def _words(line: str) -> list[str]:
    """Shell words up to the first pipe, redirection or comment."""
    try:
        found = shlex.split(line, comments=True)
    except ValueError:  # a quote that ends on another line: no command of ours
        return []
    ends = [at for at, word in enumerate(found) if word in ("|", ">", "&&", ";", "&")]
    return found[: ends[0]] if ends else found


def table(page: str, *head: str) -> list[list[str]]:
    """The rows of the table with these headings, without Markdown's marks for code."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if _cells(line) == list(head))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(_cells(line))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
