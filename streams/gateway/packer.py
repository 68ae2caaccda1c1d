"""Chat into envelopes: at most 64 messages of one room and source, at most 100 ms of waiting for company."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streams.gateway.tickets import Ticket
from streams.records import Chat, DanmakuEnvelope

Send = Callable[[DanmakuEnvelope, Ticket], None]


class _Open:
    """An envelope that still takes messages."""

    __slots__ = ("ingest_ts", "messages", "ticket", "timer")

    def __init__(self, ingest_ts: int) -> None:
        self.ingest_ts = ingest_ts
        self.messages: list[Chat] = []
        self.ticket = Ticket()
        self.timer: asyncio.TimerHandle | None = None


class Packer:
    """Fills envelopes in order of arrival and hands them to ``send`` when they are full or have waited ``wait_s``.

    A request that brings enough for a whole envelope should not wait at all: :meth:`flush` sends what it left over.
    """

    def __init__(self, send: Send, *, messages: int = 64, wait_s: float = 0.1) -> None:
        self._send = send
        self.size = messages
        self._wait_s = wait_s
        self._open: dict[tuple[str, str], _Open] = {}

    def add(self, room: str, source: str, chat: Chat, now_ms: int) -> Ticket:
        """Take one message and return the ticket of the record that it travels in.

        After the last message of a request comes :meth:`wait` or :meth:`flush`.
        """
        envelope = self._open.get((room, source))
        if envelope is None:
            envelope = self._open[room, source] = _Open(now_ms)
        envelope.messages.append(chat)
        if len(envelope.messages) >= self.size:
            self.flush(room, source)
        return envelope.ticket

    def wait(self, room: str, source: str) -> None:
        """The request is over: let its last messages wait for company, but not longer than allowed."""
        envelope = self._open.get((room, source))
        if envelope is not None and envelope.timer is None:
            envelope.timer = asyncio.get_running_loop().call_later(self._wait_s, self.flush, room, source)

    def flush(self, room: str, source: str) -> None:
        """Send the open envelope of this room and source now, if there is one."""
        envelope = self._open.pop((room, source), None)
        if envelope is None:
            return
        if envelope.timer is not None:
            envelope.timer.cancel()
        record = DanmakuEnvelope(
            room=room,
            event_ts=max(message.event_ts for message in envelope.messages),
            ingest_ts=envelope.ingest_ts,
            source=source,
            messages=envelope.messages,
        )
        self._send(record, envelope.ticket)

    def flush_all(self) -> None:
        for room, source in list(self._open):
            self.flush(room, source)
