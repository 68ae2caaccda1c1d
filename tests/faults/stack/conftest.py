"""Fixtures of the faults of the whole stack: a rig that is up, in a folder of its own, and goes down whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.stack.rig import Rig


@pytest.fixture
def rig_of(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """``rig_of(LIVETIDE_WORKERS="2")``: a running stack with these settings."""
    made: list[Rig] = []

    def make(**environment: str) -> Rig:
        rig = Rig(tmp_path / "data", {"LIVETIDE_ROOM_RATE": "100000", **environment})
        made.append(rig)
        rig.up()
        rig.keep_every_row()
        return rig

    yield make
    for rig in made:
        rig.down()
