"""A demo that is ended before its summary takes its stack with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Demo, lives, until

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def demo_of_its_own(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "data")
    try:
        yield running
    finally:
        running.clean_up()


@pytest.mark.parametrize(
    ("moment", "end", "code"),
    [("✓ store", Demo.interrupt, 130), ("2  A room of", Demo.terminate, 143)],
    ids=["Ctrl-C while it starts", "SIGTERM while it plays"],
)
def test_it_takes_its_stack_with_it(demo_of_its_own: Demo, moment: str, end: Callable[[Demo], int], code: int) -> None:
    demo_of_its_own.start("--minutes", "5")
    _ends(demo_of_its_own, moment, end, {code})


def test_it_takes_its_stack_with_it_when_its_terminal_is_closed(demo_of_its_own: Demo) -> None:
    demo_of_its_own.start_in_a_terminal("--minutes", "5")
    _ends(demo_of_its_own, "2  A room of", Demo.hang_up, {129, 1})  # 1: it could not say something on its way


def _ends(demo: Demo, moment: str, end: Callable[[Demo], int], codes: set[int]) -> None:
    until(lambda: moment in demo.text, 240, lambda: demo.text)
    started = demo.processes()
    assert len(started) >= 3, "the demo, the supervisor, the store"
    assert end(demo) in codes
    assert [process for process in started if lives(process)] == []
    assert demo.processes() == []
