"""The gateway as an ASGI application: routes, keys, limits. What happens to events is in ``intake.py``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.gateway import auth, openapi
from streams.gateway.border import Batch, check_name, read_document, read_lines
from streams.gateway.events import Problem
from streams.gateway.generations import FIRST, Generation
from streams.gateway.intake import Intake, Outcome
from streams.gateway.limits import Memory, Rates, Strangers, gunzip, read_body
from streams.gateway.log import Log
from streams.gateway.people import Pseudonyms
from streams.gateway.refused import RefusedError
from streams.gateway.skew import Skews
from streams.records import Meter, RetryError

Read = Callable[[bytes, int], Batch]
READERS: dict[str, Read] = {
    "application/x-ndjson": read_lines,
    "application/ndjson": read_lines,
    "application/jsonl": read_lines,
    "application/json": read_document,
}
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


@dataclass(frozen=True)
class GatewayConfig:
    """What the gateway is told: its secrets, which never show in ``repr``, and its limits."""

    master: str = field(repr=False)
    user_hash: str = field(repr=False)
    operator_key: str = field(repr=False)
    partitions: int = 4
    keep_names: bool = False
    room_rate: float = 2000
    max_body: int = 4 << 20
    max_events: int = 5000
    max_memory: int = 128 << 20
    max_unverified: int = 32 << 20
    max_unverified_bodies: int = 64
    body_s: float = 20
    unverified_s: float = 10
    answer_s: float = 10
    envelope_messages: int = 64
    envelope_s: float = 0.1
    skew_behind_ms: int = 120_000
    skew_ahead_ms: int = 5_000
    close_s: float = 1


def _json(status: int, body: msgspec.Struct, retry_after: int = 0, extra: Mapping[str, str] | None = None) -> Response:
    headers = HEADERS | dict(extra or {})
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def _challenge(request: Request) -> dict[str, str]:
    """What a 401 asks for; a browser asks its user for a password when it sees ``Basic``."""
    wanted = "Bearer" if request.url.path.startswith("/v1/") else 'Basic realm="livetide operator", charset="UTF-8"'
    return {"WWW-Authenticate": wanted}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    extra = _challenge(request) if error.status == 401 else None
    return _json(error.status, Problem(error.reason), error.retry_after, extra)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(error.status_code, Problem(error.detail), extra=error.headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    return _json(500, Problem("the gateway made a mistake; its log says more. Send the request again"))


def _reader(request: Request) -> Read:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    read = READERS.get(content_type)
    if read is None:
        raise RefusedError(415, f"Content-Type {content_type[:80]!r}: send application/x-ndjson or application/json")
    return read


class _Counted:
    """Counts answers by status."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._meter.count("gateway_requests", status=str(message["status"]))
            await send(message)

        await self._app(scope, receive, counted if scope["type"] == "http" else send)


class Gateway:
    """The handlers and what they share. Every route needs a key: the events a room's, all others the operator's."""

    def __init__(
        self,
        config: GatewayConfig,
        log: Log,
        meter: Meter,
        clock: Callable[[], int],
        scrape: Callable[[], bytes],
        generations: Callable[[str], Generation],
    ) -> None:
        self._config = config
        self._generations = generations
        self._log = log
        self._meter = meter
        self._clock = clock
        self._scrape = scrape
        self._attempts = auth.Attempts()
        self._memory = Memory(config.max_memory)
        self._strangers = Strangers(config.max_unverified, config.max_unverified_bodies)
        self._api = openapi.document(config.max_events, config.max_body)
        self._intake = Intake(
            log,
            partitions=config.partitions,
            meter=meter,
            pseudonyms=Pseudonyms(config.user_hash),
            rates=Rates(config.room_rate),
            keep_names=config.keep_names,
            answer_s=config.answer_s,
            envelope_messages=config.envelope_messages,
            envelope_s=config.envelope_s,
            skews=Skews(config.skew_behind_ms, config.skew_ahead_ms),
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self._log.open()
        try:
            yield
        finally:
            self._intake.flush()
            await self._log.close(self._config.close_s)

    async def events(self, request: Request) -> Response:
        """``POST /v1/rooms/{room}/events``."""
        started = self._clock()
        room: str = request.path_params["room"]
        bearer = request.headers.get("authorization")
        signed = None
        if bearer is not None:
            auth.check_bearer(bearer, auth.bearer_key(self._config.master, room, self._generations(room).bearer))
            body = await read_body(request, self._config.max_body, self._memory, self._config.body_s)
        else:
            signed = auth.stamp(request.headers, started)
            body = await self._signed_body(request, room)
        try:
            if signed is None:
                outcome = await self._take(request, room, body)
            else:
                outcome = await self._take_once(request, room, body, signed)
        finally:
            self._memory.give_back(len(body))
        self._meter.observe("gateway_ack_seconds", max(0, self._clock() - started) / 1000)
        self._meter.gauge("gateway_backlog", self._log.backlog)
        return _json(outcome.status, outcome.answer, outcome.retry_after)

    async def _signed_body(self, request: Request, room: str) -> bytes:
        """A body whose signature is right. Until that is known its sender may be anybody, so it is read at their expense."""
        host = request.client.host if request.client else ""
        with self._strangers.admit(host) as budget:
            body = await read_body(request, self._config.max_body, budget, self._config.unverified_s)
            secret = auth.webhook_secret(self._config.master, room, self._generations(room).webhook)
            auth.check_signature(request.headers, body, secret)
        self._memory.take(len(body))
        return body

    async def _take_once(self, request: Request, room: str, body: bytes, signed: auth.Signed) -> Outcome:
        attempt = self._attempts.begin(room, signed, self._clock())
        taken = False
        try:
            outcome = await self._take(request, room, body)
            taken = outcome.status in (202, 422)
        finally:
            self._attempts.end(attempt, taken=taken, now_ms=self._clock())
        return outcome

    async def _take(self, request: Request, room: str, body: bytes) -> Outcome:
        """From here on the sender is known."""
        check_name("room", room)
        source = check_name("source", request.query_params.get("source", "api"))
        clock = request.query_params.get("clock", "live")
        if clock not in ("live", "replay"):
            raise RefusedError(422, f"clock {clock[:40]!r} is neither live nor replay")
        read = _reader(request)
        expanded = self._expanded(request, body)
        more = max(0, len(expanded) - len(body))
        self._memory.take(more)
        try:
            batch = read(expanded, self._config.max_events)
            return await self._intake.take(room, source, batch, self._clock(), trust_time=clock == "replay")
        finally:
            self._memory.give_back(more)

    def _expanded(self, request: Request, body: bytes) -> bytes:
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding == "gzip":
            return gunzip(body, self._config.max_body)
        if encoding != "identity":
            raise RefusedError(415, f"Content-Encoding {encoding[:80]!r}: send gzip, or the body as it is")
        return body

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n", headers=HEADERS)

    async def ready(self, _request: Request) -> Response:
        try:
            await self._log.check()
        except RetryError as error:
            return _json(503, Problem(str(error)), retry_after=1)
        return PlainTextResponse("ready\n", headers=HEADERS)

    async def metrics(self, _request: Request) -> Response:
        self._meter.gauge("gateway_backlog", self._log.backlog)
        return Response(self._scrape(), headers=HEADERS, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _request: Request) -> Response:
        return Response(msgspec.json.encode(self._api), headers=HEADERS, media_type="application/json")

    async def docs(self, _request: Request) -> Response:
        return HTMLResponse(openapi.page(self._api), headers=HEADERS)

    def for_operators(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler behind the operator key."""

        async def guarded(request: Request) -> Response:
            auth.check_operator(request.headers.get("authorization", ""), self._config.operator_key)
            return await handler(request)

        return guarded


def create_app(
    config: GatewayConfig,
    log: Log,
    *,
    meter: Meter,
    clock: Callable[[], int],
    scrape: Callable[[], bytes],
    generations: Callable[[str], Generation] = lambda _room: FIRST,
) -> Starlette:
    """The gateway. Its lifespan opens the log, and at the end sends what waits and closes it.

    ``clock`` gives epoch milliseconds; ``scrape`` what ``/metrics`` shows; ``generations`` how often a room's keys changed.
    """
    gateway = Gateway(config, log, meter, clock, scrape, generations)
    pages = {
        "/healthz": gateway.health,
        "/readyz": gateway.ready,
        "/metrics": gateway.metrics,
        "/openapi.json": gateway.openapi,
        "/docs": gateway.docs,
    }
    return Starlette(
        routes=[
            Route("/v1/rooms/{room}/events", gateway.events, methods=["POST"]),
            *(Route(path, gateway.for_operators(handler), methods=["GET"]) for path, handler in pages.items()),
        ],
        middleware=[Middleware(_Counted, meter=meter)],
        exception_handlers={RefusedError: _refused, HTTPException: _http_error, Exception: _broken},
        lifespan=gateway.lifespan,
    )
