"""Notices clients that leave, send Cancel, or are too slow while their statement runs, and stops the statement."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

CANCEL: Final = 3
AGAIN_SECONDS: Final = 0.1
PIECE: Final = 1 << 18


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds: ``send_s`` for a client that takes nothing, ``slot_s`` for a statement's turn,
    ``reader_s`` for the end of a reader's statement, fetching included, and ``cut_s`` more before its connection is cut."""

    send_s: float = 30.0
    slot_s: float = 30.0
    reader_s: float = 120.0
    cut_s: float = 5.0


class Watch:
    """One thread for all connections. ``kill`` is repeated until the statement has ended: it may not have started yet."""

    def __init__(self, patience: Patience = Patience()) -> None:
        self._patience = patience
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._watched: dict[socket.socket, Callable[[], None]] = {}
        self._leaving: dict[socket.socket, Callable[[], None]] = {}
        self._ends: dict[socket.socket, float] = {}
        self._changed: list[tuple[socket.socket, bool]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, connection: socket.socket, kill: Callable[[], None], seconds: float | None = None) -> Iterator[None]:
        """While the body runs, call ``kill`` when the peer of ``connection`` leaves or cancels, or when ``seconds`` are over.

        A body that does not end even then waits for its peer to take something: the connection is cut.
        """
        with self._lock:
            self._watched[connection] = kill
            if seconds is not None:
                self._ends[connection] = time.monotonic() + seconds
            self._changed.append((connection, True))
        self._ring()
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(connection, None)
                self._leaving.pop(connection, None)
                self._ends.pop(connection, None)
                self._changed.append((connection, False))
            self._ring()

    def close(self) -> None:
        self._stopped = True
        self._ring()
        self._thread.join(5)
        for end in (self._bell, self._ear):
            end.close()
        self._selector.close()

    def _ring(self) -> None:
        with suppress(OSError):
            self._bell.send(b"!")

    def _run(self) -> None:
        while not self._stopped:
            for key, _ in self._selector.select(self._rest()):
                if key.fileobj is self._ear:
                    with suppress(BlockingIOError):
                        self._ear.recv(4096)
                elif isinstance(key.fileobj, socket.socket):
                    self._look(key.fileobj)
            self._apply()
            self._end_what_is_late()
            with self._lock:
                leaving = list(self._leaving.values())
            for kill in leaving:
                with suppress(Exception):
                    kill()

    def _rest(self) -> float | None:
        """How long nothing has to be done, unless something happens."""
        with self._lock:
            if self._leaving:
                return AGAIN_SECONDS
            return max(0.0, min(self._ends.values()) - time.monotonic()) if self._ends else None

    def _end_what_is_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, end in self._ends.items() if now >= end]
            for connection in late:
                self._leaving[connection] = self._watched[connection]
                if now >= self._ends[connection] + self._patience.cut_s:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    def _apply(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, []
            for connection, added in changed:
                with suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(connection)
                if added and connection in self._watched:
                    with suppress(KeyError, ValueError, OSError):
                        self._selector.register(connection, selectors.EVENT_READ)

    def _look(self, connection: socket.socket) -> None:
        try:
            seen = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            seen = b""
        with self._lock:
            if connection in self._watched and (not seen or seen[0] == CANCEL):
                self._leaving[connection] = self._watched[connection]
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(connection)


def send(connection: socket.socket, data: bytes, seconds: float) -> None:
    """Send all of ``data``; raises ``TimeoutError`` when the peer has not taken a piece of it within ``seconds``."""
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        for at in range(0, len(data), PIECE):
            connection.sendall(memoryview(data)[at : at + PIECE])
    finally:
        connection.settimeout(before)
