"""Health and metrics of a process that has no port of its own, on three routes behind the operator key.

``/healthz`` is liveness (503 asks the supervisor for a restart), ``/readyz`` is readiness (503 says not yet, and why),
``/metrics`` is a Prometheus scrape. Answers carry no more than a sentence, and the log never sees a header.
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Protocol

from streams.records import RetryError

log = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""None when all is well, else the reason in words."""


class Scrape(Protocol):
    def text(self) -> bytes: ...


def fine() -> None:
    """The check of a process that is well as long as it answers."""


class HealthServer:
    """Serves the three routes from a daemon thread until :meth:`stop`. Port 0 takes a free one; :attr:`port` tells which.

    Checks run in the thread of the request and must not block for long. A check that raises counts as not well.
    """

    def __init__(self, host: str, port: int, key: str, meter: Scrape, ready: Check = fine, alive: Check = fine) -> None:
        if not key:
            raise ValueError("a health server needs a key: an empty one would let everybody in")
        routes = {"/healthz": _answer_of(alive), "/readyz": _answer_of(ready), "/metrics": lambda: (200, meter.text())}
        handler = type("Handler", (_Handler,), {"routes": routes, "expected": f"Bearer {key}".encode()})
        try:
            self._server = (_ServerV6 if ":" in host else _Server)((host, port), handler)
        except OSError as error:
            raise RetryError(
                f"port {port} on {host} for health and metrics cannot be had ({error.strerror}): set LIVETIDE_HEALTH_PORT"
            ) from error
        self.host = host
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port. Harmless when it was never started."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> HealthServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answer_of(check: Check) -> Callable[[], tuple[int, bytes]]:
    def answer() -> tuple[int, bytes]:
        reason = check()
        return (200, b"ok\n") if reason is None else (503, f"{reason}\n".encode())

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False  # a slow scraper must not hold up the end of the process


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    routes: ClassVar[dict[str, Callable[[], tuple[int, bytes]]]] = {}
    expected: ClassVar[bytes] = b""
    server_version = "livetide"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        given = (self.headers.get("Authorization") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self.expected):
            self._reply(401, b"this needs the operator key: Authorization: Bearer ...\n")
            return
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            self._reply(404, b"here are /healthz, /readyz and /metrics\n")
            return
        try:
            self._reply(*route())
        except Exception:
            log.exception("%s failed", self.path.partition("?")[0])
            self._reply(503, b"the check itself failed; see the log\n")

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)
