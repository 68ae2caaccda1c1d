"""The two doors: a thread for each connection, on the address that was asked for and no other."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from storage.server.access import Users
from storage.server.engine import Engine
from storage.server.http import HttpConnection
from storage.server.native import NativeConnection
from storage.server.watch import Patience, Watch
from streams.records import FatalError

CONNECTIONS: Final = 200
STOP_SECONDS: Final = 8.0

log = logging.getLogger(__name__)


class StoreServer:
    """The embedded ClickHouse: chDB on ``folder`` behind both of ClickHouse's protocols.

    ``start`` returns when both ports answer; port 0 takes a free one (see ``native_port`` and ``http_port``). ``stop`` ends the
    listeners, stops what runs, waits for it, and releases the folder.
    Raises :class:`FatalError` for a taken port or a held folder.
    """

    def __init__(
        self, folder: Path, password: str, *, host: str = "127.0.0.1", native_port: int = 0, http_port: int = 0,
        memory: int = 2_000_000_000, parallel: int = 12, readers: int = 12, patience: Patience = Patience(),
    ) -> None:  # fmt: skip
        self._users = Users(password)
        self._sockets = [_listen(host, native_port, "native"), _listen(host, http_port, "HTTP")]
        self.native_port, self.http_port = (door.getsockname()[1] for door in self._sockets)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._gone = threading.Condition(self._lock)
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._stopping = threading.Event()
        self._engine = Engine(folder, memory=memory, parallel=parallel, readers=readers, patience=patience)
        self._watch = Watch(patience)
        self._handler = type(
            "Handler", (HttpConnection,), {"engine": self._engine, "users": self._users, "watch": self._watch}
        )  # fmt: skip

    def start(self) -> None:
        for door, serve in zip(self._sockets, (self._serve_native, self._serve_http), strict=True):
            door.listen(128)
            threading.Thread(target=self._accept, args=(door, serve), name="door", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        for door in self._sockets:
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            door.close()
        with self._lock:
            open_ = list(self._connections)
        for connection in open_:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # The watch sees that their peers have gone and stops their statements. The engine must not be taken away under one:
        # chDB crashes when its last connections are closed by two threads at once.
        with self._gone:
            ended = self._gone.wait_for(lambda: not self._connections, STOP_SECONDS)
        self._watch.close()
        if ended:
            self._engine.close()
        else:
            log.warning("%d statements did not end in %.0f s: the folder is left to them", len(self._connections), STOP_SECONDS)

    def _accept(self, door: socket.socket, serve: Any) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = door.accept()
            except OSError:
                if self._stopping.is_set():
                    return
                continue
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection, serve), name="connection", daemon=True).start()

    def _serve(self, connection: socket.socket, serve: Any) -> None:
        try:
            if self._stopping.is_set():
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            with suppress(OSError, EOFError):
                serve(connection)
        finally:
            with self._gone:
                self._connections.discard(connection)
                self._gone.notify_all()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            self._slots.release()

    def _serve_native(self, connection: socket.socket) -> None:
        NativeConnection(connection, self._engine, self._users, self._watch).serve()

    def _serve_http(self, connection: socket.socket) -> None:
        self._handler(connection, connection.getpeername(), None)


def _listen(host: str, port: int, what: str) -> socket.socket:
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise FatalError(
            f"the store's {what} port {host}:{port} cannot be opened ({error.strerror}): stop what uses it, or choose another"
        ) from error
    return door
