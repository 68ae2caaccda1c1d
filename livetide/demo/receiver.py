"""The risk team's end of the webhook, for the demo: takes alerts, checks their signature, notes when they came."""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from streams.gateway.auth import signature

LARGEST = 1 << 20


@dataclass(frozen=True)
class Delivered:
    """One alert as it arrived: its id, revision, state and level, and the wall-clock delay since the evidence was complete."""

    id: str
    revision: int
    state: str
    level: int
    topic: str
    delay_ms: int


class Receiver:
    """An HTTP server on loopback that takes signed alerts only; each ``webhook-id`` counts once."""

    def __init__(self, secret: str) -> None:
        self.delivered: dict[str, Delivered] = {}
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("content-length", "0")), LARGEST))
                self.send_response(204 if outer._take(dict(self.headers), body) else 401)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing: the demo has a screen of its own."""

        self._secret = secret
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _take(self, headers: dict[str, str], body: bytes) -> bool:
        given = {name.lower(): value for name, value in headers.items()}
        identity, seconds = given.get("webhook-id", ""), given.get("webhook-timestamp", "0")
        expected = signature(self._secret, identity, seconds, body)
        if not hmac.compare_digest(given.get("webhook-signature", ""), expected):
            self.refused += 1
            return False
        told = json.loads(body)["livetide"]
        topic = json.loads(body)["groupLabels"]["topic"]
        delay = time.time_ns() // 1_000_000 - told["evidence_ts"]
        self.delivered.setdefault(identity, Delivered(told["id"], told["revision"], told["state"], told["level"], topic, delay))
        return True

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
