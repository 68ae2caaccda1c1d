"""Notices clients that leave, or send Cancel, while their statement runs, and stops the statement."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

CANCEL: Final = 3
AGAIN_SECONDS: Final = 0.1


class Watch:
    """One thread for all connections. ``kill`` is repeated until the statement has ended: it may not have started yet."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._watched: dict[socket.socket, Callable[[], None]] = {}
        self._leaving: dict[socket.socket, Callable[[], None]] = {}
        self._changed: list[tuple[socket.socket, bool]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, connection: socket.socket, kill: Callable[[], None]) -> Iterator[None]:
        """While the body runs, call ``kill`` when the peer of ``connection`` leaves or cancels."""
        with self._lock:
            self._watched[connection] = kill
            self._changed.append((connection, True))
        self._ring()
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(connection, None)
                self._leaving.pop(connection, None)
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
            for key, _ in self._selector.select(AGAIN_SECONDS if self._leaving else None):
                if key.fileobj is self._ear:
                    with suppress(BlockingIOError):
                        self._ear.recv(4096)
                elif isinstance(key.fileobj, socket.socket):
                    self._look(key.fileobj)
            self._apply()
            with self._lock:
                leaving = list(self._leaving.values())
            for kill in leaving:
                with suppress(Exception):
                    kill()

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
