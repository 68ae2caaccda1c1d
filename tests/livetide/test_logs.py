"""Logging is set up in one place and hides what must not be seen."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from livetide import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_name_and_message() -> None:
    stream = io.StringIO()
    logs.set_up("INFO", stream=stream)
    logging.getLogger("streams.gateway").info("listening on %s", 18080)
    line = stream.getvalue()
    assert line[4] == "-"
    assert line[23] == "Z"
    assert line.endswith("INFO    streams.gateway: listening on 18080\n")


def test_the_level_counts() -> None:
    stream = io.StringIO()
    logs.set_up("WARNING", stream=stream)
    logging.getLogger("x").info("routine")
    logging.getLogger("x").warning("news")
    assert "routine" not in stream.getvalue()
    assert "news" in stream.getvalue()


def test_secrets_are_hidden_in_messages_and_tracebacks() -> None:
    stream = io.StringIO()
    logs.set_up("INFO", ["a-long-secret-value", "", "short"], stream)
    logger = logging.getLogger("x")
    logger.info("key %s in a short note", "a-long-secret-value")
    try:
        raise ValueError("refused: a-long-secret-value")
    except ValueError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert "a-long-secret-value" not in text
    assert text.count(logs.HIDDEN) == 3
    assert "in a short note" in text
