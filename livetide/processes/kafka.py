"""The embedded Kafka broker as a process: it ends when the broker ends, and the broker ends when it does."""

from __future__ import annotations

from threading import Event

from livetide.processes.duty import on_duty
from livetide.settings import Settings, load_secrets
from streams.broker import EmbeddedBroker, jars
from streams.broker.training import train
from streams.records import FatalError

ASKED_EVERY_S = 10.0
TRAIN_AFTER_S = 30.0
SILENT = 6
"""Questions in a row without an answer after which the broker counts as stuck."""


def run(settings: Settings) -> None:
    """Run until SIGTERM, or until the broker ends or answers nobody for a minute: then :class:`FatalError`."""
    if settings.kafka:
        raise FatalError("LIVETIDE_KAFKA names a cluster, so there is no embedded broker to run: unset one of the two wishes")
    broker = EmbeddedBroker(
        settings.data / "kafka",
        settings.cache,
        settings.kafka_port,
        settings.kafka_controller_port,
        password=load_secrets(settings.data)["kafka_password"],
        fetch=jars.from_maven(settings.maven),
    )
    answering = Event()

    def keep(stop: Event) -> None:
        try:
            broker.start()
            answering.set()
            silent = 0
            while not stop.is_set() and silent < SILENT:
                if _ended(broker, stop):
                    raise FatalError(f"the Kafka broker ended; its log: {broker.logs / 'kafka.log'}")
                if stop.is_set() or broker.answers():
                    silent = 0
                    answering.set()
                else:
                    silent += 1
                    answering.clear()
            if silent >= SILENT:
                raise FatalError(f"the Kafka broker has not answered {SILENT} times; its log: {broker.logs / 'kafka.log'}")
        finally:
            answering.clear()
            broker.stop()

    def prepare_faster_starts(stop: Event) -> None:
        if not stop.wait(TRAIN_AFTER_S):
            train(settings.cache, stopped=stop.is_set)
        stop.wait()

    with on_duty(settings, lambda: None if answering.is_set() else "the broker does not answer") as duty:
        duty.run([keep, prepare_faster_starts])


def _ended(broker: EmbeddedBroker, stop: Event) -> bool:
    """Wait for the next question; True as soon as the broker has ended."""
    for _ in range(int(ASKED_EVERY_S / 0.1)):
        if stop.wait(0.1):
            return False
        if not broker.alive:
            return True
    return False
