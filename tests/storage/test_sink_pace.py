from __future__ import annotations

import pytest

from storage.sink import pause_ms


@pytest.mark.parametrize(("took", "pause", "apart"), [(0, 300, 300), (90, 210, 300), (150, 150, 300), (700, 700, 1400)])
def test_rounds_begin_apart_and_leave_the_store_half_its_time(took: int, pause: int, apart: int) -> None:
    assert pause_ms(300, took) == pause
    assert took + pause == apart
