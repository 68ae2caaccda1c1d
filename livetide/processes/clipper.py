"""The clipper: one loop keeps the index of recorded video, another cuts; and old video is removed."""

from __future__ import annotations

import logging
from threading import Event

from clipper.clips import ClipMaker
from clipper.recording import Recording
from livetide.processes.duty import all_alive, clock, on_duty
from livetide.settings import Settings
from streams import topics
from streams.lag import group_lags
from streams.records import Clip, Record, RetryError
from streams.segments import SegmentStore
from streams.shell.poison import PoisonLimit
from streams.subscriber import Handle, Received, Subscriber

log = logging.getLogger(__name__)
EXPIRE_EVERY_S = 60
HOUR_MS = 3_600_000
RECORDER = "livetide-recorder"


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    store = SegmentStore(settings.segment_folder)
    recording = Recording(settings.data / "clips" / "recording.db")
    cluster = settings.cluster()

    def behind() -> bool:
        return any(lag for (group, _), lag in group_lags(cluster, RECORDER).items() if group == RECORDER)

    maker = ClipMaker(recording, settings.data / "clips", store.path, clock, behind)

    def expire(stop: Event) -> None:
        kept = int(settings.segment_hours * HOUR_MS)
        swept = 0
        while not stop.wait(EXPIRE_EVERY_S):
            before = clock() - kept
            try:
                if clock() - swept > HOUR_MS:  # what is in no index: of a killed player, or of a reference that was never sent
                    store.sweep(clock(), kept + HOUR_MS)
                    swept = clock()
                count = recording.expire(before, lambda uri: store.path(uri).unlink(missing_ok=True))
            except RetryError as error:
                log.warning("old video waits: %s", error)
                continue
            if count:
                log.info("removed %d segments older than %s h", count, settings.segment_hours)

    readers: list[Subscriber] = []
    with on_duty(settings, alive=all_alive(readers)) as duty:

        def make(received: Received) -> list[Record]:
            made = list(maker.make(received.record))
            for clip in made:
                assert isinstance(clip, Clip)
                duty.meter.count("clips", status=clip.status)
                duty.meter.observe("clip_seconds", (clock() - clip.ingest_ts) / 1000)
            return made

        def subscriber(group: str, topic: topics.Topic, handle: Handle, writer: str = "") -> Subscriber:
            poison = PoisonLimit(share=settings.poison_limit)
            return Subscriber(
                cluster, group, (topic,), handle, meter=duty.meter, clock=clock, writer=writer, poison=poison,
                instance=f"clipper-{settings.instance}",
            )  # fmt: skip

        recorder = subscriber(RECORDER, topics.FRAMES, lambda it: maker.note(it.record))
        cutter = subscriber("livetide-clipper", topics.HIGHLIGHTS, make, writer="clipper")
        readers += recorder, cutter
        duty.run([recorder.run, cutter.run, expire])
