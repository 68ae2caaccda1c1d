"""ClickHouse's HTTP protocol: a query in the address or the body, answers in any format, errors as status and header."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import lz4.frame

from storage.server import codec
from storage.server.access import Role, Users
from storage.server.blocks import empty_block
from storage.server.codec import ProtocolError, Reader
from storage.server.engine import Engine, Run, Statement
from storage.server.failure import StoreFailure
from storage.server.statements import HEAD_LIMIT, Insert, first_word, split_format, split_insert
from storage.server.watch import Watch, send

PIECE: Final = 1 << 20
# A form body would be read for parameters by some servers; nothing here does, so there is no limit on fields but this one.
TEXT_LIMIT: Final = 1 << 28
OWN_PARAMETERS: Final = frozenset(
    {"query", "user", "password", "database", "default_format", "query_id", "compress", "decompress", "session_id"}
)
STATUS: Final = {
    516: 403, 497: 403, 164: 403, 194: 403, 60: 404, 81: 404, 47: 404, 62: 400, 115: 400, 53: 400, 36: 400, 73: 400, 101: 400,
    159: 408, 202: 503, 243: 507,
}  # fmt: skip
CONTENT_TYPES: Final = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8", "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent", "JSON": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8", "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream", "Arrow": "application/octet-stream",
    "ArrowStream": "application/vnd.apache.arrow.stream",
    "Parquet": "application/octet-stream",
}  # fmt: skip


class HttpConnection(BaseHTTPRequestHandler):
    """Serves one socket. ``engine``, ``users`` and ``watch`` are set on a subclass by the listener."""

    protocol_version = "HTTP/1.1"
    server_version = "livetide"
    sys_version = ""
    timeout = 600
    engine: Engine
    users: Users
    watch: Watch

    def log_message(self, format: str, *args: Any) -> None:
        """Addresses may carry passwords: nothing of a request is logged."""

    def do_GET(self) -> None:
        self._answer(read_only=True)

    def do_POST(self) -> None:
        self._answer(read_only=False)

    def _answer(self, *, read_only: bool) -> None:
        self._started = False
        self._statement: Statement | None = None
        self._encode, self._finish = _encoder("")
        body = _Body(self.rfile, dict(self.headers.items()))
        try:
            path, parameters = self._parameters()
            role = self._admit(parameters)
            if path == "/ping" or (path == "/" and read_only and "query" not in parameters):
                self._plain(200, b"Ok.\n")
            elif path == "/":
                self._run(role, parameters, body, read_only=read_only)
            else:
                self._plain(404, b"There is / and /ping here.\n")
        except StoreFailure as failure:
            self._fail(failure)
        except (ProtocolError, zlib.error, UnicodeDecodeError, binascii.Error, ValueError) as error:
            self._fail(StoreFailure(101, f"the request cannot be read: {error}", "UNEXPECTED_PACKET_FROM_CLIENT"))
        except (OSError, EOFError):
            self.close_connection = True
        if not body.ended:
            self.close_connection = True  # what is left of the body must not be taken for the next request

    def _parameters(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))

    def _admit(self, parameters: dict[str, str]) -> Role:
        given = self.headers.get("Authorization", "")
        if given.lower().startswith("basic "):
            user, _, password = base64.b64decode(given[6:], validate=True).decode().partition(":")
        elif "X-ClickHouse-User" in self.headers or "X-ClickHouse-Key" in self.headers:
            user, password = self.headers.get("X-ClickHouse-User", ""), self.headers.get("X-ClickHouse-Key", "")
        else:
            user, password = parameters.get("user", ""), parameters.get("password", "")
        return self.users.admit(user, password)

    # ── A statement ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, role: Role, parameters: dict[str, str], body: _Body, *, read_only: bool) -> None:
        body.native = parameters.get("decompress") == "1"
        text = parameters.get("query", "").encode()
        pieces = body.pieces()
        if first_word(text) != "INSERT":
            head = b""
            while len(head) < HEAD_LIMIT and (piece := next(pieces, b"")):
                head += piece
            text = (text + b"\n" + head if text else head) if head else text
        insert = split_insert(text)
        if not insert:
            text += b"".join(_limited(pieces, TEXT_LIMIT))
        if not text.strip():
            raise StoreFailure(62, "Empty query", "SYNTAX_ERROR")
        self._statement = Statement(
            text.decode() if not insert else insert.head,
            role,
            self.headers.get("X-ClickHouse-Database") or parameters.get("database", ""),
            {name: value for name, value in parameters.items() if name not in OWN_PARAMETERS and not name.startswith("param_")},
            {name[6:]: value for name, value in parameters.items() if name.startswith("param_")},
            strict=True,
        )
        if insert:
            if read_only:
                raise StoreFailure(164, "GET reads: send an INSERT by POST", "READONLY")
            self._insert(self._statement, insert, text, pieces)
        else:
            self._select(self._statement, parameters, read_only=read_only)

    def _insert(self, statement: Statement, insert: Insert, text: bytes, pieces: Iterator[bytes]) -> None:
        def source() -> Iterator[bytes]:
            yield text[insert.data_at :]
            yield from pieces

        with self.engine.run(statement, insert.head + " VALUES") as run:
            written = run.insert(insert.head, source(), insert.format)
        self._plain(200, b"", self._summary(written_rows=written.rows, written_bytes=written.size))

    def _select(self, statement: Statement, parameters: dict[str, str], *, read_only: bool) -> None:
        text, output = split_format(statement.text)
        output = output or self.headers.get("X-ClickHouse-Format") or parameters.get("default_format", "TabSeparated")
        if not output.isalnum():
            raise StoreFailure(73, f"Unknown format {output[:40]!r}", "UNKNOWN_FORMAT")
        with (
            self.engine.run(statement) as run,
            self.watch.over(self.connection, lambda: self.engine.kill(statement), self.engine.limit_s(statement)),
        ):
            if not run.judgement.reads:
                if read_only:
                    raise StoreFailure(164, "GET reads: send what changes something by POST", "READONLY")
                run.whole(text, "Null")
                self._plain(200, b"", self._summary())
                return
            self._stream(run, text, output, native=parameters.get("compress") == "1", wanted=self._wanted(parameters))

    def _stream(self, run: Run, text: str, output: str, *, native: bool, wanted: str) -> None:
        # Formats with a frame around all rows (JSON, Parquet, Pretty…) are made in one piece; the others stream.
        streams = output in (
            "Native",
            "TabSeparated",
            "TSV",
            "TSVRaw",
            "TabSeparatedRaw",
            "CSV",
            "JSONEachRow",
            "JSONCompactEachRow",
            "RowBinary",
        )
        with closing(run.blocks(text, output) if streams else _in_one(run.whole(text, output))) as pieces:
            self._pass_on(run, pieces, text, output, native=native, wanted=wanted)

    def _pass_on(self, run: Run, pieces: Iterator[bytes], text: str, output: str, *, native: bool, wanted: str) -> None:
        first = next(pieces, b"")  # whatever fails early fails with a status
        if not first and output == "Native":
            first = empty_block(run.columns(text))
        encode, finish = _encoder("" if native else wanted)
        headers = {"Content-Type": CONTENT_TYPES.get(output, "text/plain; charset=UTF-8"), "X-ClickHouse-Format": output}
        if not native and wanted:
            headers["Content-Encoding"] = wanted
        self._encode, self._finish = encode, finish
        self._start(200, headers | self._summary(read_rows=run.rows_read, read_bytes=run.bytes_read))
        for piece in chain([first], pieces):
            self._chunk(codec.compress(piece) if native else encode(piece))
        self._chunk(finish())
        self._write(b"0\r\n\r\n")

    def _wanted(self, parameters: dict[str, str]) -> str:
        if parameters.get("enable_http_compression") not in ("1", "true"):
            return ""
        offered = [item.split(";")[0].strip() for item in self.headers.get("Accept-Encoding", "").split(",")]
        return next((name for name in ("lz4", "gzip", "deflate") if name in offered), "")

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _summary(self, **counts: int) -> dict[str, str]:
        names = (
            "read_rows",
            "read_bytes",
            "written_rows",
            "written_bytes",
            "total_rows_to_read",
            "result_rows",
            "result_bytes",
            "elapsed_ns",
        )
        return {"X-ClickHouse-Summary": json.dumps({name: str(counts.get(name, 0)) for name in names})}

    def _start(self, status: int, headers: dict[str, str], length: int | None = None) -> None:
        self._started = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Server-Display-Name", "livetide")
        self.send_header("X-ClickHouse-Timezone", "UTC")
        if self._statement:
            self.send_header("X-ClickHouse-Query-Id", self._statement.id)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        if data:
            self._write(b"%x\r\n" % len(data) + data + b"\r\n")

    def _plain(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._start(status, {"Content-Type": "text/plain; charset=UTF-8"} | (headers or {}), len(body))
        self._write(body)

    def _write(self, data: bytes) -> None:
        send(self.connection, data, self.engine.patience.send_s)

    def _fail(self, failure: StoreFailure) -> None:
        text = (failure.text() + "\n").encode()
        if self._started:  # too late for a status: the text goes out, and the missing last chunk says that this is no result
            self.close_connection = True
            with suppress(OSError):
                self._chunk(self._encode(text) + self._finish())
            return
        self.close_connection = True
        headers = {"X-ClickHouse-Exception-Code": str(failure.code)}
        if failure.code == 516:
            headers["WWW-Authenticate"] = 'Basic realm="livetide store"'
        with suppress(OSError):
            self._plain(STATUS.get(failure.code, 500), text, headers)


class _Body:
    """The body of a request as pieces: by length or in chunks, plain or compressed."""

    def __init__(self, source: Any, headers: dict[str, str]) -> None:
        named = {name.lower(): value.strip() for name, value in headers.items()}
        self._source = source
        self._chunked = named.get("transfer-encoding", "").lower() == "chunked"
        length = named.get("content-length", "0")
        self._left = int(length) if length.isdigit() else 0
        self._encoding = named.get("content-encoding", "").lower()
        self.native = False
        self.ended = not self._chunked and not self._left

    def pieces(self) -> Iterator[bytes]:
        """What was sent, decompressed; no piece is empty."""
        return filter(None, self._decoded())

    def _decoded(self) -> Iterator[bytes]:
        raw = self._raw()
        if self.native:
            yield from _native_content(raw)
        elif self._encoding in ("", "identity"):
            yield from raw
        elif self._encoding in ("gzip", "deflate"):
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
            for piece in raw:
                data = unpack.decompress(piece, PIECE)
                while data:
                    yield data
                    data = unpack.decompress(unpack.unconsumed_tail, PIECE)
            yield unpack.flush()
        elif self._encoding == "lz4":
            yield from _lz4_content(raw)
        else:
            raise ProtocolError(f"Content-Encoding {self._encoding}: gzip, deflate and lz4 are read here")

    def _raw(self) -> Iterator[bytes]:
        if self._chunked:
            while size := self._chunk_size():
                yield from self._exactly(size)
                self._source.readline(8)
            while self._source.readline(1024) not in (b"\r\n", b"\n", b""):
                pass
        else:
            yield from self._exactly(self._left)
        self.ended = True

    def _chunk_size(self) -> int:
        line = self._source.readline(64).split(b";")[0].strip()
        if not line:
            raise EOFError("the body ended early")
        return int(line, 16)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._source.read1(min(size, PIECE))
            if not data:
                raise EOFError("the body ended early")
            size -= len(data)
            yield data


def _in_one(piece: bytes) -> Generator[bytes]:
    yield piece


def _native_content(raw: Iterator[bytes]) -> Iterator[bytes]:
    source = Reader(lambda: next(raw, b""))
    while True:
        source.compact()
        try:
            source.need(1)
        except EOFError:
            return
        yield codec.read_frame(source)


def _lz4_content(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Frames one after the other, as clickhouse-connect writes one for each block."""
    unpack = lz4.frame.LZ4FrameDecompressor()
    for piece in raw:
        data = piece
        while data:
            try:
                yield unpack.decompress(data)
            except RuntimeError as error:
                raise ProtocolError(f"damaged LZ4: {error}") from error
            data = b""
            if unpack.eof:
                data = unpack.unused_data or b""
                unpack = lz4.frame.LZ4FrameDecompressor()


def _limited(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise ProtocolError(f"a query of more than {limit} bytes")
        yield piece


def _encoder(name: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """How a streamed answer is compressed: a function for each piece, and one for the end."""
    if name == "lz4":
        packer = lz4.frame.LZ4FrameCompressor()
        begun: list[bytes] = [packer.begin()]

        def pack(data: bytes) -> bytes:
            packed: bytes = (begun.pop() if begun else b"") + packer.compress(data)
            return packed

        def end() -> bytes:
            packed: bytes = (begun.pop() if begun else b"") + packer.flush()
            return packed

        return pack, end
    if name in ("gzip", "deflate"):
        stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16 if name == "gzip" else zlib.MAX_WBITS)
        return stream.compress, stream.flush
    return (lambda data: data), (lambda: b"")
