"""What people may ask: every statement is judged by its parsed form before it runs.

The engine is a library: its user owns the machine's files and network, ``readonly=1`` leaves ``file('/path')`` and INTO OUTFILE
open, and there are no grants. So three things must agree before a statement runs: the engine's own classification of it, the
functions, tables and databases named in its syntax tree (``EXPLAIN AST``), and the role. What is not known to be harmless among
table functions is refused: a new engine may bring new ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from storage.server.failure import StoreFailure

HARMLESS_TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "values", "generateseries", "generate_series", "generaterandom", "view",
     "primes", "format", "null"}
)  # fmt: skip
REFUSED_FUNCTIONS: Final = re.compile(
    r"file|filesystem\w*|hascolumnintable\w*|joinget\w*|dict\w*|region\w*|catboost\w*|ai[a-z]+|reversednsquery|showcertificate|"
    r"addressto\w*|demangle|getmacro|generateserialid|sleep\w*|naivebayes\w*|getserver\w*|gethttp\w*|getclienthttp\w*|trap|"
    r"fuzzquery|eval|executable\w*|currentrequest\w*|hostname|fqdn|getoskernelversion|lemmatize|stem|synonyms|"
    r"detect(?:language|charset|tonality|programming)\w*|evalmlmethod|modelevaluate|connectionid|file\w*"
)
READABLE_SYSTEM: Final = frozenset(
    {"one", "numbers", "numbers_mt", "zeros", "zeros_mt", "tables", "columns", "databases", "functions", "settings",
     "data_type_families", "parts", "parts_columns", "merges", "mutations", "formats", "collations", "table_engines",
     "table_functions", "keywords", "time_zones", "aggregate_function_combinators", "data_skipping_indices", "projections",
     "constraints", "contributors", "processes", "build_options", "completions", "macros", "clusters", "dictionaries",
     "metrics", "events", "asynchronous_metrics", "codecs"}
)  # fmt: skip
READER_ROOTS: Final = (
    "SelectWithUnionQuery", "SelectIntersectExceptQuery", "Explain", "ShowTables", "ShowColumns", "ShowFunctions", "ShowEngine",
    "ShowSetting", "ShowIndexes", "DescribeQuery", "ExistsTableQuery", "ExistsViewQuery", "ExistsDatabaseQuery",
    "ShowCreateTableQuery", "ShowCreateViewQuery", "ShowCreateDatabaseQuery", "ShowProcesslistQuery",
)  # fmt: skip
WRITER_CONTROL: Final = ("Set", "UseQuery", "SYSTEM", "KillQueryQuery")
OWN_DATABASES: Final = ("live", "system", "information_schema")
STATEMENT_LIMIT: Final = 1 << 18


def quote(value: str) -> str:
    """A string as SQL writes it."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_FUNCTION: Final = re.compile(r"^ *Function (\S+)", re.MULTILINE)
_NAME: Final = re.compile(r"^ *(?:Table)?Identifier (\S[^\n]*?)(?: \(alias .*\))?(?: \(children \d+\))?$", re.MULTILINE)


@dataclass(frozen=True)
class Judgement:
    """What a statement is: the first node of its syntax tree, and whether it yields rows."""

    root: str
    tree: str
    reads: bool


class Guard:
    """Judges statements for a role. ``sources`` are the table functions of this engine, ``databases`` lists what exists now."""

    def __init__(self, sources: frozenset[str], databases: Callable[[], frozenset[str]]) -> None:
        self._refused_sources = frozenset(name.lower() for name in sources) - HARMLESS_TABLE_FUNCTIONS
        self._databases = databases

    def judge(
        self, connection: Any, text: str, parameters: Mapping[str, str], *, read_only: bool, database: str = ""
    ) -> Judgement:
        """Refuse (:class:`StoreFailure`) or say what the statement is. ``connection`` stands in ``database``."""
        if len(text) > STATEMENT_LIMIT:
            raise StoreFailure(
                62, f"a statement of more than {STATEMENT_LIMIT} characters: send data apart from it", "SYNTAX_ERROR"
            )
        verdict = connection.classify_query(text, "live")
        if verdict["statement_count"] != 1:
            # Two statements behind EXPLAIN would run the second, so nothing is explained that is not exactly one.
            connection.query(f"SELECT formatQuery({quote(text)})", "Null")
            raise StoreFailure(62, "exactly one statement, please", "SYNTAX_ERROR")
        tree = connection.query("EXPLAIN AST " + text, "TSVRaw", params=dict(parameters)).bytes().decode(errors="replace")
        root = tree.split("(", 1)[0].split("\n", 1)[0].strip()
        self._check_functions(tree)
        self._check_names(tree, read_only=read_only)
        if read_only and database.lower() == "system":
            self._check_bare_names(connection, tree)
        kind = verdict["query_class"].name
        if read_only and (kind != "READ_ONLY" or not root.startswith(READER_ROOTS)):
            raise StoreFailure(164, "this user reads: the statement would change something, or write to a file", "READONLY")
        if kind not in ("READ_ONLY", "MUTATING") and not root.startswith(WRITER_CONTROL):
            raise StoreFailure(497, f"{root}: not through this door (files, backups and other machines)", "ACCESS_DENIED")
        return Judgement(root, tree, kind == "READ_ONLY")

    def _check_functions(self, tree: str) -> None:
        for name in set(_FUNCTION.findall(tree)):
            lower = name.lower()
            if lower in self._refused_sources or REFUSED_FUNCTIONS.fullmatch(lower):
                raise StoreFailure(
                    497,
                    f"function {name}: it reaches files, other machines or the server itself, and is not open here",
                    "ACCESS_DENIED",
                )

    def _check_bare_names(self, connection: Any, tree: str) -> None:
        """Names without a database, in ``system``. A table may stand where a column may (``IN users``): both are looked at."""
        bare = {name for name in _NAME.findall(tree) if "." not in name} - READABLE_SYSTEM
        if bare:
            listed = ", ".join(map(quote, sorted(bare)))
            closed = f"SELECT name FROM system.tables WHERE database = 'system' AND name IN ({listed})"  # noqa: S608 - quoted
            for name in connection.query(closed, "TSVRaw").bytes().decode().splitlines():
                raise StoreFailure(497, f"{name}: not open to readers", "ACCESS_DENIED")

    def _check_names(self, tree: str, *, read_only: bool) -> None:
        foreign: dict[str, str] = {}
        for name in set(_NAME.findall(tree)):
            first, _, rest = name.partition(".")
            first = first.lower()
            if first == "system" and rest and read_only and rest.split(".")[0].lower() not in READABLE_SYSTEM:
                raise StoreFailure(497, f"{name}: not open to readers", "ACCESS_DENIED")
            if first not in OWN_DATABASES:
                foreign[first] = name
        # Columns are names too. What databases there are is asked once, however many names a statement has.
        for first in foreign.keys() & self._databases() if foreign else ():
            raise StoreFailure(
                497,
                f"{foreign[first]}: only the databases live, system and information_schema are open here",
                "ACCESS_DENIED",
            )
