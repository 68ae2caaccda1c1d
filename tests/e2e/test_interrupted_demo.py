"""A demo that is ended before its summary takes its stack with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Demo, lives, until

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow]


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Demo]:
    """A demo whose stack is up and whose room is being drawn."""
    running = Demo(tmp_path / "data")
    try:
        running.start("--minutes", "5")
        until(lambda: "2  A room of" in running.text, 240, lambda: running.text)
        yield running
    finally:
        running.clean_up()


@pytest.mark.parametrize(("end", "code"), [(Demo.terminate, 143), (Demo.interrupt, 130)], ids=["SIGTERM", "Ctrl-C"])
def test_it_takes_its_stack_with_it(begun: Demo, end: Callable[[Demo], int], code: int) -> None:
    started = begun.processes()
    assert len(started) > len(begun.state.health)
    assert end(begun) == code
    assert [process for process in started if lives(process)] == []
    assert begun.processes() == []
