"""Clients that open a connection and then dawdle, or never end their headers: time and bytes before a body are limited.

uvicorn limits how long a connection may idle after an answer, not how long or how large the headers of a request may be.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PatientProtocol(HttpToolsProtocol):
    """HTTP by httptools; closes a connection on which no request's headers were complete after ``headers_s`` seconds, or after
    ``headers_bytes`` (give or take what one read brings).

    Between two requests uvicorn's own keep-alive limit counts.
    """

    headers_s = 10.0
    headers_bytes = 64 << 10
    _impatience: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()
        self._received = self._received + len(data) if self._impatience is not None else 0
        if self._received > self.headers_bytes:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # the class above says that there always is a cycle; before the first request there is none
        cycle = getattr(self, "cycle", None)
        waiting = cycle is None or cycle.response_complete
        if not waiting:
            self._calm()
        elif self._impatience is None and not self.transport.is_closing():
            self._impatience = self.loop.call_later(self.headers_s, self.transport.close)

    def _calm(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
