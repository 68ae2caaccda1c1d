"""One place that sets up logging for every process: to stderr, one line an event, in UTC, with no secret in it.

Who started the process decides where stderr goes; the stack keeps it in ``logs/`` and rotates it.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from typing import TextIO

CHATTY = {"aiokafka": logging.WARNING, "faust": logging.WARNING, "mode": logging.WARNING, "httpx": logging.WARNING}
"""Libraries whose routine is no news; aiokafka's debug calls alone cost 8 % of an agent."""
HIDDEN = "***"
SHORTEST = 8
"""Shorter values are no secrets of ours, and hiding them would hide words."""


class Redacting(logging.Formatter):
    """A formatter that hides known secrets wherever they turn up, in messages and in tracebacks."""

    converter = staticmethod(time.gmtime)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._secrets = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def set_up(level: str = "INFO", secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send what is ``level`` or worse to ``stream`` (stderr), hiding ``secrets``. The last call counts."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Redacting(secrets))
    logging.basicConfig(level=logging.getLevelNamesMapping().get(level.upper(), logging.INFO), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, quiet in CHATTY.items():
        logging.getLogger(name).setLevel(quiet)
