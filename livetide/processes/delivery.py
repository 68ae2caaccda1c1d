"""Delivery of alerts: one loop a channel, so that a slow one delays no other. Without a webhook there is the console only."""

from __future__ import annotations

import httpx

from livetide.delivery.webhook import Webhook
from livetide.processes.duty import clock, on_duty
from livetide.settings import Settings
from streams import topics
from streams.subscriber import Subscriber


def run(settings: Settings) -> None:
    """Run until SIGTERM."""
    console = f"http://{settings.host}:{settings.console_port}"
    with on_duty(settings) as duty, httpx.Client(follow_redirects=False, trust_env=False) as client:
        loops = []
        if settings.webhook_url:
            secret = settings.webhook_secret.get_secret_value() or duty.secrets["webhook_secret"]
            webhook = Webhook(settings.webhook_url, secret, console, duty.meter, clock, client)
            group = "livetide-delivery-webhook"
            subscriber = Subscriber(
                settings.cluster(), group, (topics.ALERTS,), lambda it: webhook.handle(it.record), meter=duty.meter, clock=clock
            )
            loops.append(subscriber.run)
        duty.run(loops)
