"""One ticket per record on its way to the log, one receipt per request that waits for several of them."""

from __future__ import annotations

import asyncio

from streams.records import LivetideError, RetryError


class Receipt:
    """What a request waits for: every ticket that it joined is settled."""

    def __init__(self) -> None:
        self._open = 0
        self._error: LivetideError | None = None
        self._done = asyncio.get_running_loop().create_future()

    def enter(self) -> None:
        self._open += 1

    def settle(self, error: LivetideError | None) -> None:
        self._open -= 1
        self._error = self._error or error
        if self._open == 0 and not self._done.done():
            self._done.set_result(None)

    async def wait(self, within_s: float) -> None:
        """Return when all is acknowledged; raise the first error, or ``RetryError`` after ``within_s``."""
        if self._open:
            try:
                await asyncio.wait_for(self._done, within_s)
            except TimeoutError as error:
                raise RetryError(f"the log did not acknowledge within {within_s:g} s") from error
        if self._error is not None:
            raise self._error


class Ticket:
    """A record on its way: the events in it, by their keys, and the requests that wait for it."""

    __slots__ = ("keys", "receipts")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.receipts: list[Receipt] = []

    def join(self, receipt: Receipt) -> None:
        """Let a request wait for this record too."""
        # a request's events follow each other, so looking at the last one is enough to join once in nearly all cases
        if not self.receipts or self.receipts[-1] is not receipt:
            self.receipts.append(receipt)
            receipt.enter()

    def settle(self, error: LivetideError | None) -> None:
        for receipt in self.receipts:
            receipt.settle(error)
