"""A demo that is ended before its summary takes its stack with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Demo, lives, until

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "data")
    try:
        running.start("--minutes", "5")
        yield running
    finally:
        running.clean_up()


@pytest.mark.parametrize(
    ("moment", "end", "code"),
    [("✓ store", Demo.interrupt, 130), ("2  A room of", Demo.terminate, 143)],
    ids=["Ctrl-C while it starts", "SIGTERM while it plays"],
)
def test_it_takes_its_stack_with_it(begun: Demo, moment: str, end: Callable[[Demo], int], code: int) -> None:
    until(lambda: moment in begun.text, 240, lambda: begun.text)
    started = begun.processes()
    assert len(started) >= 3, "the demo, the supervisor, the store"
    assert end(begun) == code
    assert [process for process in started if lives(process)] == []
    assert begun.processes() == []
