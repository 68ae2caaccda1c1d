"""Says in the store how far the tables are complete, where the next claim of the ledger would not say it soon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from streams.records import LivetideError

log = logging.getLogger(__name__)
Key = tuple[str, int]
QUIET_MS: Final = 1_000
AGAIN_MS: Final = 10_000


class Marks:
    """Collects what is written, and tells it by ``mark`` once no batch has followed for a second.

    A partition that is busy needs no mark: each of its claims says that all before it is written. Nothing is lost when the
    store cannot be told: those who read by progress wait a little longer.
    """

    def __init__(self) -> None:
        self._untold: dict[Key, tuple[int, int]] = {}
        self._not_before = 0

    def reached(self, key: Key, offset: int, now: int) -> None:
        """Every row of a partition up to ``offset`` is in its table."""
        if offset >= 0:
            self._untold[key] = offset, now

    def forget(self) -> None:
        """The partitions are somebody else's."""
        self._untold = {}

    def tell(self, mark: Callable[[Mapping[Key, int]], None], now: int, *, last: bool = False) -> None:
        """Tell what has stood for a second, or everything when it is the ``last`` time."""
        if now < self._not_before:
            return
        due = {key: offset for key, (offset, since) in self._untold.items() if last or now - since >= QUIET_MS}
        if not due:
            return
        try:
            mark(due)
        except LivetideError as error:
            self._not_before = now + AGAIN_MS
            log.warning("the store was not told how far its tables are complete: %s", error)
        else:
            for key in due:
                del self._untold[key]
