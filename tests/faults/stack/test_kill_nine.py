"""100,000 events through the whole stack while every process of it is killed -9 at random points, the broker too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livetide.demo.receiver import Receiver
from streams.segments import SegmentStore
from tests.faults.stack import delivered, film
from tests.faults.stack.poison import Rogue
from tests.faults.stack.rig import Rig
from tests.faults.stack.scenes import SPAN_MS, scene

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 20_261
EVENTS = 100_000
PER_S = 2_500
SECRET = "whsec_bWFkZSBmb3IgdGhlIHRlc3RzIG9ubHk="
PLAN = ["gateway"] * 2 + ["worker"] * 3 + ["sink"] * 3 + ["store"] * 2 + ["clipper"] * 2 + ["delivery"] * 2 + ["host", "kafka"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who the alerts are for; nobody kills it."""
    receiver = Receiver(SECRET)
    yield receiver
    receiver.stop()


def test_nothing_is_lost_or_doubled_when_everything_is_killed(
    rig_of: Callable[..., Rig], receiver: Receiver, tmp_path: Path
) -> None:
    rig = rig_of(LIVETIDE_WEBHOOK_URL=receiver.url, LIVETIDE_WEBHOOK_SECRET=SECRET)
    start_ts = time.time_ns() // 1_000_000 - SPAN_MS
    played = scene(SEED, EVENTS, start_ts)
    segments = film.encode(tmp_path / "film", SPAN_MS // 1000)
    video = film.Film(rig.cluster, SegmentStore(rig.here.segment_folder), played.rooms[:3], segments, start_ts)
    rogue = Rogue(rig.cluster, SEED, EVENTS // 100, (start_ts, start_ts + SPAN_MS))
    with rig.killing(PLAN, SEED, len(played.sendings) / PER_S + 10):
        told = rig.send(played, PER_S, video, rogue)
    rig.ready()
    print(f"drained after {rig.drained(180):.1f} s")
    verdict = rig.verify(played, told)
    verdict.faults += delivered.missing(rig.cluster, receiver)
    assert len(rig.kills) == len(PLAN)
    assert told.sent_again > 0, "no client ever had to send again: the kills have tested nothing"
    assert verdict.notes["records said again after a crash"] > 0, "no kill made anybody say anything again"
    assert verdict.notes["clips ready"] > 0, "no clip was cut"
    assert receiver.delivered, "no alert was delivered"
    assert verdict.faults == []
