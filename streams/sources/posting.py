"""Lines of NDJSON to the gateway, until it has taken them: the client's half of the border's promises.

202 counts what went in. 429 (chat, when the log cannot keep up) is obeyed for as long as ``Retry-After`` says; 503, a lost
connection and a slow answer mean that nothing is certain: the same lines are sent again, and their ids make that harmless. 413
is answered by halves. Only what sending again cannot mend ends in an error.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from streams.records import FatalError, RetryError

Sleep = Callable[[float], Awaitable[None]]
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
LONGEST_WAIT_S = 60.0
FIRST_REASONS = 20


class Stopped(Exception):
    """The player was told to stop while lines were waiting to be sent again: no error, they go out on resume."""


@dataclass
class Counts:
    """What the gateway said, summed. ``reasons`` counts refusals by reason; ``first`` shows the first refused lines."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)
    sent_again: int = 0
    waiting: str = ""

    def reject(self, line: bytes, reason: str) -> None:
        self.rejected += 1
        self.reasons[reason] += 1
        if len(self.first) < FIRST_REASONS:
            self.first.append(f"{reason}: {line[:120].decode(errors='replace')}")


class _Rejection(msgspec.Struct):
    index: int
    reason: str


class _Answer(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: list[_Rejection]


class Poster:
    """Posts lines of one room to one gateway.

    ``patience_s`` is how long it tries again before it gives up with ``RetryError``; waiting by ``sleep`` ends early, with
    :class:`Stopped`, when ``stop`` is set. A refused key, room or address is ``FatalError``.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        gateway: str,
        room: str,
        key: str,
        source: str,
        *,
        stop: asyncio.Event,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], int],
        patience_s: float = 600.0,
    ) -> None:
        self._client = client
        self._url = f"{gateway.rstrip('/')}/v1/rooms/{quote(room, safe='')}/events"
        self._parameters = {"source": source, "clock": "replay"}
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self._stop = stop
        self._sleep = sleep
        self._clock = clock
        self._patience_s = patience_s

    async def post(self, lines: list[bytes], counts: Counts) -> None:
        """Return when the gateway has answered for each of ``lines``; the outcome is added to ``counts``."""
        sendable = []
        for line in lines:
            if line.strip() and b"\n" not in line:
                sendable.append(line)
            else:
                counts.reject(line, "not one line of JSON (not sent)")
        if sendable:
            await self._until_taken(sendable, counts)

    async def _until_taken(self, lines: list[bytes], counts: Counts) -> None:
        waited, attempt = 0.0, 0
        while True:
            response, trouble, wait = await self._try(lines, attempt)
            if response is not None:
                counts.waiting = ""
                return await self._settle(response, lines, counts)
            if waited + wait > self._patience_s:
                raise RetryError(
                    f"{self._url} does not take events: {trouble}; given up after {waited:.0f} s. Play on with --resume"
                )
            if self._stop.is_set():
                raise Stopped
            counts.waiting = trouble
            counts.sent_again += len(lines)
            await self._pause(wait)
            waited, attempt = waited + wait, attempt + 1

    async def _try(self, lines: list[bytes], attempt: int) -> tuple[httpx.Response | None, str, float]:
        """A final answer, or else the trouble and how long to wait."""
        wait = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
        try:
            response = await self._client.post(
                self._url, params=self._parameters, headers=self._headers, content=b"\n".join(lines) + b"\n"
            )
        except httpx.UnsupportedProtocol as error:
            raise FatalError(f"the gateway's address {self._url} is no http:// or https:// URL") from error
        except httpx.TransportError as error:
            return None, f"{type(error).__name__} {error}".strip(), wait
        if response.status_code == 429:
            return None, "429, it asks for a slower pace", self._retry_after(response, wait)
        if response.status_code >= 500:
            return None, f"{response.status_code} {_reason(response)}".strip(), self._retry_after(response, wait)
        return response, "", 0.0

    async def _settle(self, response: httpx.Response, lines: list[bytes], counts: Counts) -> None:
        if response.status_code == 413:
            await self._by_halves(lines, counts)
            return
        try:
            # 422: not one event could be read, and the answer says why for each; without that the request itself was refused
            answer = msgspec.json.decode(response.content, type=_Answer) if response.status_code in {202, 422} else None
        except msgspec.DecodeError:
            answer = None
        if answer is None:
            hint = {404: " (is this a Livetide gateway, and the room's name of letters, digits and . _ : - only?)"}
            told = f"{self._url} answered {response.status_code}: {_reason(response)}{hint.get(response.status_code, '')}"
            raise FatalError(told)
        if answer.accepted + answer.duplicates + len(answer.rejected) != len(lines):
            raise FatalError(f"{self._url} answered for another number of events than the {len(lines)} it was sent: {answer}")
        counts.accepted += answer.accepted
        counts.duplicates += answer.duplicates
        for rejection in answer.rejected:
            counts.reject(lines[rejection.index] if 0 <= rejection.index < len(lines) else b"", rejection.reason)

    async def _by_halves(self, lines: list[bytes], counts: Counts) -> None:
        if len(lines) == 1:
            counts.reject(lines[0], f"too large for the gateway ({len(lines[0])} bytes)")
            return
        middle = len(lines) // 2
        await self._until_taken(lines[:middle], counts)
        await self._until_taken(lines[middle:], counts)

    def _retry_after(self, response: httpx.Response, otherwise: float) -> float:
        """Seconds that the answer asks for (a number or a date), within reason."""
        value = response.headers.get("Retry-After", "")
        try:
            seconds = float(value)
        except ValueError:
            try:
                date = parsedate_to_datetime(value)
            except ValueError:
                return otherwise
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - self._clock() / 1000
        return otherwise if isnan(seconds) else min(max(seconds, 0.05), LONGEST_WAIT_S)

    async def _pause(self, seconds: float) -> None:
        await pause(seconds, self._sleep, self._stop)
        if self._stop.is_set():
            raise Stopped


async def pause(seconds: float, sleep: Sleep, stop: asyncio.Event) -> None:
    """Wait for ``seconds`` of ``sleep``, or until ``stop``."""
    tasks = [asyncio.ensure_future(sleep(seconds)), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reason(response: httpx.Response) -> str:
    """What the body says, in one short line."""
    try:
        body: Any = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        body = response.text
    if isinstance(body, dict):
        body = body.get("detail") or body.get("error") or body.get("reason") or body.get("message") or body
    return " ".join(str(body).split())[:200]


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
