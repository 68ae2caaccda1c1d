"""Clients that open a connection and then dawdle: their time for a request's headers is limited.

uvicorn limits how long a connection may idle after an answer, not how long the headers of a request may take.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PatientProtocol(HttpToolsProtocol):
    """HTTP by httptools; closes a connection on which no request's headers were complete after ``headers_s`` seconds.

    Between two requests uvicorn's own keep-alive limit counts.
    """

    headers_s = 10.0
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class above
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

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
