"""The webhook channel: signed in the Standard Webhooks form, tried again until it is taken or too old to matter."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterable

import httpx

from livetide.delivery.payload import payload
from streams.records import Alert, InvalidError, Meter, Record, RetryError

TIMEOUT_S = 3.0
GIVE_UP_MS = 3_600_000
"""An alert that its receiver has not taken within an hour goes to the dead letters: it would only confuse."""

QUIET = ("inhibited", "silenced")
"""States that call nobody: a stronger alert speaks already, or a person asked for quiet. The end of the alert is told."""


def sign(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of ``body``: HMAC-SHA256 over id, time (seconds) and body, keyed by ``whsec_…``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


class Webhook:
    """Sends every change of an alert to ``url``.

    ``webhook-id`` is the alert's id and revision, so a receiver that keeps ids sees each change once, however often it is sent.
    Redirects are not followed: what is signed for one address is not handed to another.
    """

    def __init__(
        self, url: str, secret: str, console: str, meter: Meter, clock: Callable[[], int], client: httpx.Client
    ) -> None:
        self._url = url
        self._secret = secret
        self._console = console
        self._meter = meter
        self._clock = clock
        self._client = client

    def handle(self, record: Record) -> Iterable[Record]:
        """Deliver one alert record. Raises :class:`RetryError` while the receiver does not take it,
        :class:`InvalidError` when it refuses it for good or the alert is an hour old."""
        if not isinstance(record, Alert):
            return ()
        if record.state in QUIET:
            self._meter.count("delivery_sent", channel="webhook", result=record.state)
            return ()
        body = json.dumps(payload(record, self._console), ensure_ascii=False, separators=(",", ":")).encode()
        identity, seconds = f"{record.id}.{record.revision}".replace(" ", "_"), self._clock() // 1000
        identity = identity.encode("ascii", "backslashreplace").decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(seconds),
            "webhook-signature": sign(self._secret, identity, seconds, body),
        }
        try:
            status = self._client.post(self._url, content=body, headers=headers, timeout=TIMEOUT_S).status_code
        except httpx.HTTPError as error:
            self._failed(record, f"the webhook does not answer ({type(error).__name__})")
            return ()
        if status >= 500 or status in (408, 425, 429):
            self._failed(record, f"the webhook answered {status}")
        if not 200 <= status < 300:
            self._meter.count("delivery_sent", channel="webhook", result="refused")
            raise InvalidError(f"the webhook refused the alert with {status}; check LIVETIDE_WEBHOOK_URL and its secret")
        self._meter.count("delivery_sent", channel="webhook", result="delivered")
        self._meter.observe("delivery_delay_seconds", (self._clock() - record.evidence_ts) / 1000, channel="webhook")
        return ()

    def _failed(self, alert: Alert, why: str) -> None:
        self._meter.count("delivery_sent", channel="webhook", result="retried")
        if self._clock() - alert.ingest_ts > GIVE_UP_MS:
            raise InvalidError(f"{why} for an hour; the alert {alert.id} is given up")
        raise RetryError(f"{why}; the alert {alert.id} will be sent again")
