"""ClickHouse's native protocol, the server's side of one connection.

Revision 54429 is announced: the newest whose blocks are byte for byte the engine's ``Native`` format, so that blocks pass
through in both directions. Clients of every later revision step down to it. What such a client can do here: select, insert in
columns, settings, DDL, Ping, Cancel, LZ4. A statement has no session around it: ``SET`` and temporary tables end with it.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Final

from storage.server import blocks, codec
from storage.server.access import Role, Users
from storage.server.codec import ProtocolError, Reader, string, varint
from storage.server.engine import Engine, Run, Statement
from storage.server.failure import StoreFailure
from storage.server.statements import Insert, split_format, split_insert
from storage.server.watch import Watch, send

REVISION: Final = 54429
HELLO_LIMIT: Final = 1024
QUERY_LIMIT: Final = 1 << 28
CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = range(5)
DATA, EXCEPTION, PROGRESS, PONG, END_OF_STREAM, PROFILE_INFO = 1, 2, 3, 4, 5, 6
HELLO_SECONDS: Final = 10.0


class NativeConnection:
    """Serves one socket until its peer leaves. Every packet but Hello needs a user who gave the right password."""

    def __init__(self, connection: socket.socket, engine: Engine, users: Users, watch: Watch) -> None:
        self._socket = connection
        self._engine = engine
        self._users = users
        self._watch = watch
        self._reader = Reader(lambda: connection.recv(1 << 18))
        self._compressed = False
        self._revision = REVISION
        self._database = ""

    def serve(self) -> None:
        """Blocks. Peers that break the protocol are told so and cut off."""
        self._socket.settimeout(HELLO_SECONDS)
        with suppress(OSError, EOFError):
            try:
                role = self._hello()
                self._socket.settimeout(None)
                while True:
                    self._reader.compact()
                    self._packet(role)
            except StoreFailure as failure:
                self._send_failure(failure)
            except ProtocolError as error:
                self._send_failure(StoreFailure(101, str(error), "UNEXPECTED_PACKET_FROM_CLIENT"))

    def _hello(self) -> Role:
        if self._reader.varint() != CLIENT_HELLO:
            raise ProtocolError("the first packet must be Hello; for HTTP use the HTTP port")
        self._reader.string(HELLO_LIMIT)
        self._reader.varint()
        self._reader.varint()
        self._revision = min(self._reader.varint(), REVISION)
        self._database = self._reader.string(HELLO_LIMIT)
        user, password = self._reader.string(HELLO_LIMIT), self._reader.string(HELLO_LIMIT)
        role = self._users.admit(user, password)
        if self._revision < REVISION:
            raise ProtocolError(f"a client of revision {self._revision}; {REVISION} and later are served")
        major, minor, patch = (int(part) for part in self._engine.version.split(".")[:3])
        self._send(
            varint(0) + string("ClickHouse") + varint(major) + varint(minor) + varint(REVISION) + string("UTC")
            + string("livetide") + varint(patch)
        )  # fmt: skip
        return role

    def _packet(self, role: Role) -> None:
        kind = self._reader.varint()
        if kind == CLIENT_PING:
            self._send(varint(PONG))
        elif kind == CLIENT_QUERY:
            self._query(role)
        elif kind != CLIENT_CANCEL:  # a Cancel that comes after the end of its query says nothing any more
            raise ProtocolError(f"packet {kind} where a query belongs")

    # ── A query ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _query(self, role: Role) -> None:
        statement = self._read_query(role)
        rows, _ = self._read_block()
        if rows:
            raise ProtocolError("external tables are not taken: use IN (…) or a table")
        try:
            insert = split_insert(statement.text.encode())
            if insert:
                self._insert(statement, insert)
            else:
                self._select(statement)
        except StoreFailure as failure:
            self._send_failure(failure)

    def _read_query(self, role: Role) -> Statement:
        reader = self._reader
        reader.string(HELLO_LIMIT)  # the client's name for its query: here a KILL goes by an id of our own
        self._read_client_info()
        settings = {}
        while name := reader.string(HELLO_LIMIT):
            reader.varint()
            settings[name] = reader.string(1 << 16)
        reader.varint()  # stage: always complete
        self._compressed = bool(reader.varint())
        text = reader.string(QUERY_LIMIT)
        return Statement(text, role, self._database, settings)

    def _read_client_info(self) -> None:
        reader = self._reader
        if not reader.u8():
            return
        for _ in range(3):
            reader.string()  # initial user, query id and address
        reader.u8()
        for _ in range(3):
            reader.string()  # operating system's user, host, client
        for _ in range(3):
            reader.varint()  # its version
        reader.string()  # quota key
        reader.varint()

    def _select(self, statement: Statement) -> None:
        text = split_format(statement.text)[0] if "format" in statement.text.lower() else statement.text
        with (
            self._engine.run(statement) as run,
            self._watch.over(self._socket, lambda: self._engine.kill(statement), self._engine.limit_s(statement)),
        ):
            if not run.judgement.reads:
                run.whole(text, "Null")
                self._send(varint(END_OF_STREAM))
                return
            count = 0
            with closing(run.blocks(text, "Native")) as pieces:
                for piece in pieces:
                    for block in [piece] if run.judgement.root.startswith("Select") else _split(piece):
                        if not count:
                            self._send_header(block)
                        count += 1
                        self._send_block(block)
            if not count:
                self._send_block(blocks.empty_block(run.columns(text)))
            self._send_end(run, count)

    def _insert(self, statement: Statement, insert: Insert) -> None:
        with self._engine.run(statement, insert.head + " VALUES") as run:
            inline = statement.text.encode()[insert.data_at :].strip().strip(b";")
            if inline:
                run.insert(insert.head, iter([inline]), insert.format)
            else:
                self._send_block(blocks.empty_block(_target_columns(run)))
                incoming = self._incoming()
                try:
                    run.insert(insert.head, incoming, "Native")
                except RuntimeError:
                    for _ in incoming:  # the client sends to the end before it listens
                        pass
                    raise
            self._send(varint(END_OF_STREAM))

    def _incoming(self) -> Iterator[bytes]:
        while True:
            self._reader.compact()
            kind = self._reader.varint()
            if kind == CLIENT_CANCEL:
                raise StoreFailure(394, "the insert was cancelled; nothing was written", "QUERY_WAS_CANCELLED")
            if kind != CLIENT_DATA:
                raise ProtocolError(f"packet {kind} where data belong")
            rows, data = self._read_block(with_kind=False)
            if not rows:
                return
            yield data

    def _read_block(self, *, with_kind: bool = True) -> tuple[int, bytes]:
        """Rows and bytes of the block in a Data packet."""
        if with_kind and self._reader.varint() != CLIENT_DATA:
            raise ProtocolError("a query must be followed by its tables, or by an empty block")
        self._reader.string(HELLO_LIMIT)
        source = codec.frames(self._reader) if self._compressed else self._reader
        blocks.read_info(source)
        start = source.at
        rows, _ = blocks.skip_block(source)
        if self._compressed and source.buffered():
            raise ProtocolError("a compressed frame that goes on after its block")
        return rows, bytes(source.data[start : source.at])

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, data: bytes) -> None:
        send(self._socket, data, self._engine.patience.send_s)

    def _send_block(self, block: bytes) -> None:
        body = blocks.NO_INFO + block
        self._send(varint(DATA) + string("") + (codec.compress(body) if self._compressed else body))

    def _send_header(self, block: bytes) -> None:
        """Names and types before the first rows, as clients expect; left out for types whose layout is not known here."""
        with suppress(ProtocolError, EOFError):
            _, columns = blocks.skip_block(Reader(data=block))
            self._send_block(blocks.empty_block(columns))

    def _send_end(self, run: Run, count: int) -> None:
        progress = (run.rows_read, run.bytes_read, 0, 0, 0)
        profile = (run.rows_read, count, run.bytes_read)
        self._send(
            varint(PROFILE_INFO) + b"".join(map(varint, profile)) + b"\0" + varint(0) + b"\0"
            + varint(PROGRESS) + b"".join(map(varint, progress))
            + varint(END_OF_STREAM)
        )  # fmt: skip

    def _send_failure(self, failure: StoreFailure) -> None:
        message = f"DB::Exception: {failure.message}" + (f" ({failure.name})" if failure.name else "")
        self._send(
            varint(EXCEPTION) + struct.pack("<i", failure.code) + string("DB::Exception") + string(message) + string("") + b"\0"
        )


def _split(piece: bytes) -> Iterator[bytes]:
    """The blocks of a result that came in one piece."""
    source = Reader(data=piece)
    while source.buffered():
        start = source.at
        blocks.skip_block(source)
        yield piece[start : source.at]


def _target_columns(run: Run) -> list[tuple[str, str]]:
    """Names and types of the columns that an INSERT names, or of all that can be given."""
    lines = run.judgement.tree.split("\n")[1:]
    table = ".".join(_quoted(line.strip().removeprefix("Identifier ")) for line in lines if line.startswith(" Identifier "))
    listed = [line.strip() for line in lines if line.startswith("  ")]
    described = run.rows(f"DESCRIBE TABLE {table}")
    known = {row[0]: row[1] for row in described if row[2] not in ("MATERIALIZED", "ALIAS")}
    if not listed or not all(line.startswith("Identifier ") for line in listed):
        return list(known.items())
    wanted = [line.removeprefix("Identifier ") for line in listed]
    for name in wanted:
        if name not in known:
            raise StoreFailure(16, f"No such column {name} in table {table}", "NO_SUCH_COLUMN_IN_TABLE")
    return [(name, known[name]) for name in wanted]


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
