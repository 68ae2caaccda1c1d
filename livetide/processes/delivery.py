"""Delivery of alerts: a channel keeps what it has to deliver, so a slow one delays no other. Without any: the console only."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import httpx

from livetide import addresses
from livetide.delivery.outbox import Outbox, Waiting
from livetide.delivery.sender import Sender
from livetide.delivery.webhook import Webhook
from livetide.processes.duty import Duty, Watched, all_alive, clock, on_duty
from livetide.settings import Settings
from streams import topics
from streams.publisher import Publisher
from streams.records import Alert, encode
from streams.shell.poison import PoisonLimit
from streams.subscriber import Received, Subscriber

STAGE = "delivery-webhook"


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    watched: list[Watched] = []
    with on_duty(settings, alive=all_alive(watched)) as duty:
        duty.run(_webhook(settings, duty, watched) if settings.webhook_url else [])


def _webhook(settings: Settings, duty: Duty, watched: list[Watched]) -> list[Callable[[Event], None]]:
    secret = settings.webhook_secret.get_secret_value() or duty.secrets["webhook_secret"]
    authorities = httpx.create_ssl_context(trust_env=False)  # once: reading them takes longer than a delivery

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(follow_redirects=False, trust_env=False, verify=authorities)

    webhook = Webhook(settings.webhook_url, secret, addresses.console(settings), duty.meter, clock, client)
    outbox = Outbox(settings.data / "delivery" / "webhook.db")
    publisher = Publisher(settings.cluster())

    def keep(received: Received) -> list[Alert]:
        outbox.put(received.record, received.partition, received.offset)
        return []

    def bury(one: Waiting, reason: str) -> None:
        letter = topics.dead_letter(
            topics.ALERTS.name, one.partition, one.offset, reason, stage=STAGE, failed_ts=clock(),
            key=one.alert.room.encode(), value=encode(one.alert),
        )  # fmt: skip
        publisher.publish(letter)
        duty.meter.count("deadletters", stage=STAGE)

    reader = Subscriber(
        settings.cluster(), f"livetide-{STAGE}", (topics.ALERTS,), keep, meter=duty.meter, clock=clock,
        poison=PoisonLimit(share=settings.poison_limit), instance=f"delivery-{settings.instance}",
    )  # fmt: skip
    sender = Sender(outbox, webhook.send, bury, clock)
    watched += reader, sender
    return [reader.run, sender.run]
