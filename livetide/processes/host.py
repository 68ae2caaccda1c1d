"""The digital human's process: commands in, speech files and events out."""

from __future__ import annotations

from livetide.processes.duty import all_alive, clock, on_duty
from livetide.settings import Settings
from realtime_host.host import Host
from realtime_host.voice import EspeakVoice
from streams import topics
from streams.records import HostEvent, Record
from streams.shell.poison import PoisonLimit
from streams.subscriber import Received, Subscriber


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    voice = EspeakVoice()
    host = Host(voice, settings.data / "speech", clock)
    readers: list[Subscriber] = []
    with on_duty(settings, alive=all_alive(readers)) as duty:

        def handle(received: Received) -> list[Record]:
            done = list(host.handle(received.record))
            for event in done:
                if isinstance(event, HostEvent):
                    duty.meter.count("host_utterances", type=event.type)
                    if event.type == "spoken":
                        duty.meter.observe("host_first_sound_seconds", event.latency_ms["total"] / 1000)
            return done

        subscriber = Subscriber(
            settings.cluster(), "livetide-host", (topics.HOST_COMMANDS,), handle, meter=duty.meter, clock=clock, writer="host",
            poison=PoisonLimit(share=settings.poison_limit), instance=f"host-{settings.instance}",
        )  # fmt: skip
        readers.append(subscriber)
        try:
            duty.run([subscriber.run])
        finally:
            voice.close()
