"""What the supervisor writes down for others to look at, as far as the disk allows.

A full or read-only disk is no reason to leave a program untended: what it refuses is told once, and owed until it can be done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import RLock

log = logging.getLogger(__name__)


class Notes:
    """Best effort, by name: a newer note takes the place of one that is owed. ``lock`` is held while a note is written."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._owed: dict[str, Callable[[], object]] = {}

    def write(self, what: str, note: Callable[[], object]) -> None:
        """Do ``note`` now, or else when :meth:`again` is called. Raises nothing."""
        with self._lock:
            try:
                note()
            except Exception as error:
                if what not in self._owed:
                    log.warning("%s: %s: %s; the programs go on, and it is tried again", what, type(error).__name__, error)
                self._owed[what] = note
            else:
                if self._owed.pop(what, None):
                    log.info("%s: done after all", what)

    def again(self) -> None:
        """Try what is owed."""
        with self._lock:
            for what, note in list(self._owed.items()):
                self.write(what, note)

    def forget(self, what: str) -> None:
        """What was to be noted holds no more."""
        with self._lock:
            self._owed.pop(what, None)
