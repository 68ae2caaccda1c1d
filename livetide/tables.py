"""The store's tables and views as the schema files tell them: for the documentation, without a store.

This reads our own SQL, one column a line, and nothing else. A test compares what it says with what a real store has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from storage.migrations import load
from streams.records import FatalError


@dataclass(frozen=True)
class Column:
    """A column. A view's has no type here: the engine works it out."""

    name: str
    type: str = ""
    comment: str = ""


@dataclass
class Relation:
    """A table or a view. ``follows`` names the table whose columns a view hands on."""

    name: str
    kind: str
    comment: str = ""
    columns: list[Column] = field(default_factory=list)
    engine: str = ""
    order: str = ""
    ttl: str = ""
    follows: str = ""


_CREATE = re.compile(r"CREATE (?:OR REPLACE )?(TABLE|MATERIALIZED VIEW|VIEW) \$\{(?:table|view|replaced) (\w+)\}")
_END = re.compile(r";[ \t]*(?:\n|$)")
_KINDS = {"TABLE": "table", "VIEW": "view", "MATERIALIZED VIEW": "feed"}
_COLUMN = re.compile(r"^ {4}(?!INDEX )(\w+) (.+)$")
_TYPE_ENDS = re.compile(r" (?:DEFAULT|COMMENT|CODEC)\b")
_TEXT = re.compile(r"COMMENT '((?:[^']|'')*)'")
_SAID_LATER = re.compile(r"\$\{comment (\w+)\.(\w+) '((?:[^']|'')*)'\}")
_FACTS = {
    "engine": re.compile(r"^ENGINE = \$\{engine (.+)\}$", re.MULTILINE),
    "order": re.compile(r"^ORDER BY (.+)$", re.MULTILINE),
    "ttl": re.compile(r"^TTL .*INTERVAL (.+)$", re.MULTILINE),
}
_ALL_OF = re.compile(r"SELECT \* FROM live\.(\w+)")
_AS = re.compile(r"(?:.* AS )?(?:\w+\.)?(\w+)")


def relations() -> list[Relation]:
    """Everything that the schema makes, tables first, in order of name. Raises :class:`FatalError` for SQL it cannot read."""
    named = {one.name: one for migration in load() for one in _relations(migration.text)}  # of two views the later holds
    for migration in load():
        for name, column, words in _SAID_LATER.findall(migration.text):
            columns = named[name].columns
            (at,) = [number for number, one in enumerate(columns) if one.name == column]
            columns[at] = replace(columns[at], comment=words.replace("''", "'"))
    return sorted(named.values(), key=lambda one: (("table", "view", "feed").index(one.kind), one.name))


def _relations(text: str) -> Iterator[Relation]:
    starts = list(_CREATE.finditer(text))
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        statement = _END.split(text[start.start() : end])[0]
        relation = Relation(start[2], _KINDS[start[1]])
        comments = _TEXT.findall(statement)
        if not comments:
            raise FatalError(f"the schema says nothing about {relation.name}: give it a COMMENT")
        relation.comment = comments[-1].replace("''", "'")
        if relation.kind == "table":
            relation.columns = list(_columns(statement))
            for name, pattern in _FACTS.items():
                if match := pattern.search(statement):
                    setattr(relation, name, match[1])
        elif match := _ALL_OF.search(statement):
            relation.follows = match[1]
        else:
            relation.columns = [Column(name) for name in _selected(statement)]
        yield relation


def _columns(statement: str) -> Iterator[Column]:
    for line in statement.splitlines():
        if match := _COLUMN.match(line):
            comment = _TEXT.search(match[2])
            if comment is None:
                raise FatalError(f"the schema says nothing about the column {match[1]}: give it a COMMENT")
            yield Column(match[1], _TYPE_ENDS.split(match[2])[0], comment[1].replace("''", "'"))


def _selected(statement: str) -> Iterator[str]:
    """The names of what a view selects: one a line."""
    body = statement[statement.index("SELECT") + len("SELECT") : statement.index("\nFROM")]
    for line in body.splitlines():
        if line.strip() and (match := _AS.fullmatch(line.strip().rstrip(","))):
            yield match[1]
