"""The engine: chDB with one directory, a fresh connection for every statement, and a way to stop a statement that runs.

A connection of chDB costs a third of a millisecond and carries settings and a current database like a session of ClickHouse, so
each statement gets its own: nothing leaks from one to the next, and a reader's ``readonly=1`` cannot be undone.
Only one process may hold the directory.
"""

from __future__ import annotations

import importlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from storage.server.access import READER, Role
from storage.server.failure import StoreFailure, from_engine
from storage.server.guard import Guard, Judgement, quote
from storage.server.statements import first_word
from storage.server.watch import Patience
from streams.records import FatalError

DATABASE: Final = "live"
KEPT_INSERTS: Final = 200
CANCELLED: Final = 394
CONFIG: Final = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <user_files_path>{nowhere}</user_files_path>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <merge_tree><fsync_after_insert>1</fsync_after_insert><fsync_part_directory>1</fsync_part_directory></merge_tree>
</clickhouse>
"""


@dataclass
class Statement:
    """One statement as a protocol received it."""

    text: str
    role: Role
    database: str = DATABASE
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = 0.0

    def __post_init__(self) -> None:
        self.role = self.role.asked_for(self.settings)


@dataclass
class Written:
    rows: int = 0
    size: int = 0


class Run:
    """A statement in its own connection. Use one thread; only :meth:`Engine.kill` may come from another."""

    def __init__(self, engine: Engine, connection: Any, statement: Statement, judgement: Judgement) -> None:
        self._engine = engine
        self._connection = connection
        self.statement = statement
        self.judgement = judgement
        self.rows_read = 0
        self.bytes_read = 0

    def blocks(self, text: str, output: str) -> Generator[bytes]:
        """The result in pieces, as the engine makes them; of format Native each piece of a SELECT is one block. To be closed.

        SHOW, DESCRIBE and EXPLAIN do not stream in the engine: they come in one piece.
        """
        if not self.judgement.root.startswith("Select"):
            yield from filter(None, [self.whole(text, output)])
            return
        result = self._connection.send_query(text, output, params=dict(self.statement.parameters))
        open_ = True
        try:
            while True:
                try:
                    piece = self._connection.streaming_fetch_result(result)
                except BaseException:
                    open_ = False
                    raise
                if piece.rows_read() == 0 and not piece.size():
                    open_ = False
                    return
                self.rows_read += piece.rows_read()
                data: bytes = piece.bytes()
                self.bytes_read += len(data)
                yield data
        finally:
            if open_:
                with suppress(Exception):
                    self._connection.streaming_cancel_query(result)

    def whole(self, text: str, output: str) -> bytes:
        """The result of a statement in one piece: for those that do not stream, and for those that yield nothing."""
        result = self._connection.query(text, output, params=dict(self.statement.parameters))
        if result.has_error():
            raise StoreFailure(1002, result.error_message())
        self.rows_read += result.rows_read()
        data: bytes = result.bytes()
        self.bytes_read += len(data)
        return data

    def rows(self, text: str) -> list[list[Any]]:
        """A small result as values."""
        return [json.loads(line) for line in self.whole(text, "JSONCompactEachRow").splitlines()]

    def columns(self, text: str) -> list[tuple[str, str]]:
        """Names and types of a result without rows, of which the engine says nothing."""
        if self.judgement.root.startswith("Select"):
            return [(row[0], row[1]) for row in self.rows(f"DESCRIBE TABLE ({text})")]
        header = self.whole(text, "JSONCompactEachRowWithNamesAndTypes").splitlines()[:2]
        return list(zip(*map(json.loads, header), strict=True)) if len(header) == 2 else []

    def insert(self, head: str, source: Iterator[bytes], input_format: str) -> Written:
        """Write data of ``input_format`` that come in pieces; all or nothing within a block. A failing source cancels."""
        inserter = self._connection.send_insert(head, input_format)
        try:
            for piece in source:
                if piece:
                    self._connection.insert_append(inserter, piece)
        except BaseException:
            with suppress(Exception):
                self._connection.insert_cancel(inserter)
            raise
        result = self._connection.insert_done(inserter)
        return Written(int(result.rows_written()), int(result.bytes_written()))


class Engine:
    """The one holder of a store directory. Raises :class:`FatalError` when chDB is missing, or the directory held elsewhere.

    ``parallel`` statements of the writer run at once and ``readers`` of the reader's account: neither waits for the other.
    """

    def __init__(
        self, folder: Path, *, memory: int = 2_000_000_000, parallel: int = 12, readers: int = 12,
        patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        try:
            chdb: Any = importlib.import_module("chdb")._chdb
        except ImportError as error:
            raise FatalError("the embedded store needs the chdb package: install livetide[embedded]") from error
        if any(char in str(folder) for char in "?&%#"):
            raise FatalError(f"the store's folder {folder} must not contain ?, &, % or #")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = folder / "server.xml"
        config.write_text(CONFIG.format(memory=memory, nowhere=folder / "nowhere"))
        self._connect: Callable[[], Any] = lambda: chdb.connect(f"{folder}?config-file={config}")
        self._slots = threading.BoundedSemaphore(parallel)
        self._reader_slots = threading.BoundedSemaphore(readers)
        self.patience = patience
        try:
            self._keeper = self._connect()  # held for ever: the last connection that closes would shut the engine down
        except RuntimeError as error:
            raise FatalError(
                f"the store's folder {folder} cannot be opened: {error}. Is another store running on it?"
            ) from error
        self._inserts: dict[tuple[str, str], Judgement] = {}
        self._prepare()
        self.version = self._ask("SELECT version()")[0]
        self.known_settings = frozenset(self._ask("SELECT name FROM system.settings"))
        self.guard = Guard(
            frozenset(self._ask("SELECT name FROM system.table_functions")),
            lambda: frozenset(name.lower() for name in self._ask("SELECT name FROM system.databases")),
        )

    def _prepare(self) -> None:
        # chDB's own `default` shows the machine's files as tables; ours is an empty one.
        for sql in (
            "DROP DATABASE IF EXISTS default",
            "CREATE DATABASE IF NOT EXISTS default ENGINE = Atomic",
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic",
        ):
            self._keeper.query(sql, "TSV")

    def _ask(self, sql: str) -> list[str]:
        connection = self._connect()
        try:
            text: str = connection.query(sql, "TSVRaw").bytes().decode()
        finally:
            connection.close()
        return text.splitlines()

    @contextmanager
    def run(self, statement: Statement, judged: str | None = None) -> Iterator[Run]:
        """Judge a statement and open its connection. ``judged`` is the text to judge when data follow in the statement itself.

        Every failure comes out as :class:`StoreFailure`. Waits its turn while too many statements run.
        """
        with self._turn(statement.role):
            statement.started = time.monotonic()
            try:
                connection = self._connect()
            except RuntimeError as error:
                raise from_engine(error) from error
            try:
                yield self._open(connection, statement, judged if judged is not None else statement.text)
            except (RuntimeError, UnicodeDecodeError) as error:
                raise self._failure(statement, error) from error
            finally:
                with suppress(Exception):
                    connection.close()

    @contextmanager
    def _turn(self, role: Role) -> Iterator[None]:
        slots = self._reader_slots if role.name == READER else self._slots
        if not slots.acquire(timeout=self.patience.slot_s):
            raise StoreFailure(
                202, f"too many statements of {role.name} run: none ended within {self.patience.slot_s:.0f} s. Ask again later",
                "TOO_MANY_SIMULTANEOUS_QUERIES",
            )  # fmt: skip
        try:
            yield
        finally:
            slots.release()

    def limit_s(self, statement: Statement) -> float | None:
        """How long a statement may take by the clock, its fetching included; None without a limit."""
        return self.patience.reader_s if statement.role.read_only else None

    def _failure(self, statement: Statement, error: Exception) -> StoreFailure:
        failure, limit = from_engine(error), self.limit_s(statement)
        if failure.code == CANCELLED and limit is not None and time.monotonic() - statement.started >= limit:
            return StoreFailure(
                159, f"it was not fetched to its end within {limit:.0f} s: ask for less at once", "TIMEOUT_EXCEEDED"
            )
        return failure

    def _open(self, connection: Any, statement: Statement, text: str) -> Run:
        role = statement.role
        settings = role.settings(statement.settings, self.known_settings, strict=statement.strict)
        database = statement.database or DATABASE
        if database.lower() not in (DATABASE, "system", "information_schema"):
            if not database.isidentifier() or database == "default":
                database = DATABASE  # what clients name when nobody chose
            elif role.read_only:
                raise StoreFailure(81, f"Database {database} does not exist", "UNKNOWN_DATABASE")
        connection.query(f"USE {database}", "TSV")
        settings["log_comment"] = statement.id
        if role.read_only:
            settings["readonly"] = "1"
        elif first_word(text.encode()) == "INSERT":
            settings["final"] = "0"  # what a view makes of rows must not depend on who writes them
        connection.query("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in settings.items()), "TSV")
        judgement = self._judged(connection, statement, text)
        return Run(self, connection, statement, judgement)

    def _judged(self, connection: Any, statement: Statement, text: str) -> Judgement:
        """The judgement of a statement. An INSERT comes again and again: its judgement is kept."""
        kept = (statement.database, text)
        if not statement.role.read_only and kept in self._inserts:
            return self._inserts[kept]
        judgement = self.guard.judge(
            connection, text, statement.parameters, read_only=statement.role.read_only, database=statement.database
        )
        if judgement.root.startswith("Insert") and not statement.parameters and len(self._inserts) < KEPT_INSERTS:
            self._inserts[kept] = judgement
        return judgement

    def kill(self, statement: Statement) -> None:
        """Stop a statement that runs, from another thread. Nothing happens when it has ended."""
        connection = self._connect()
        try:
            with suppress(RuntimeError):
                connection.query(f"KILL QUERY WHERE Settings['log_comment'] = {quote(statement.id)} ASYNC", "TSV")
        finally:
            connection.close()

    def close(self) -> None:
        """Release the directory. No statement may be running."""
        with suppress(Exception):
            self._keeper.close()
