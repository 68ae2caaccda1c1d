"""The webhook channel: signed in the Standard Webhooks form, tried again until it is taken or too old to matter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx

from livetide.delivery.payload import payload
from streams.gateway.auth import signature
from streams.records import Alert, InvalidError, Meter, RetryError

DEADLINE_S = 5.0
"""How long an attempt may take in all, up to the status: what drips is cut off, as what is silent is."""
GIVE_UP_MS = 3_600_000
"""An alert that its receiver has not taken within an hour is counted as expired: it would only confuse."""
QUIET = ("inhibited", "silenced")
"""States that call nobody: a stronger alert speaks already, or a person asked for quiet. The end of the alert is told."""


class Webhook:
    """Sends changes of alerts to ``url``.

    ``webhook-id`` is the alert's id and revision, so a receiver that keeps ids sees each change once, however often it is sent.
    Redirects are not followed: what is signed for one address is not handed to another. That ``url`` is one to post to is
    the setting's care. ``client`` makes the HTTP client of one attempt: it lives in that attempt's loop, and not longer.
    """

    def __init__(
        self, url: str, secret: str, console: str, meter: Meter, clock: Callable[[], int],
        client: Callable[[], httpx.AsyncClient], *, deadline_s: float = DEADLINE_S,
    ) -> None:  # fmt: skip
        self._url = url
        self._secret = secret
        self._console = console
        self._meter = meter
        self._clock = clock
        self._client = client
        self._deadline_s = deadline_s

    def send(self, alert: Alert) -> None:
        """Deliver one change of an alert, or leave it out when it calls nobody or is too old.

        Raises :class:`RetryError` while the receiver does not take it, :class:`InvalidError` when it refuses it for good.
        """
        if alert.state in QUIET:
            self._count(alert.state)
            return
        if self._clock() - alert.ingest_ts > GIVE_UP_MS:
            self._count("expired")
            return
        status = self._post(alert)
        if status >= 500 or status in (408, 425, 429):
            self._count("retried")
            raise RetryError(f"the webhook answered {status}; the alert {alert.id} will be sent again")
        if not 200 <= status < 300:
            self._count("refused")
            raise InvalidError(f"the webhook refused the alert with {status}; check LIVETIDE_WEBHOOK_URL and its secret")
        self._count("delivered")
        self._meter.observe("delivery_delay_seconds", (self._clock() - alert.evidence_ts) / 1000, channel="webhook")

    def _post(self, alert: Alert) -> int:
        body = json.dumps(payload(alert, self._console), ensure_ascii=False, separators=(",", ":")).encode()
        identity = f"{alert.id}.{alert.revision}".replace(" ", "_").encode("ascii", "backslashreplace").decode()
        seconds = str(self._clock() // 1000)
        headers = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(self._secret, identity, seconds, body),
        }
        try:
            return asyncio.run(self._status(body, headers))
        except (httpx.HTTPError, TimeoutError) as error:
            self._count("retried")
            raise RetryError(f"the webhook does not answer ({type(error).__name__}); {alert.id} will be sent again") from error

    async def _status(self, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer. Its body is nobody's concern: the connection is closed on it."""
        async with (
            asyncio.timeout(self._deadline_s),
            self._client() as client,
            client.stream("POST", self._url, content=body, headers=headers, timeout=self._deadline_s) as answer,
        ):
            return answer.status_code

    def _count(self, result: str) -> None:
        self._meter.count("delivery_sent", channel="webhook", result=result)
