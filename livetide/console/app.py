"""The console's routes: pages for people, three for machines, nothing without a password or the operator key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from livetide.console.faq_desk import FaqDesk
from livetide.console.queries import Queries
from livetide.console.sessions import COOKIE, LASTS_MS, Session, Sessions, same
from livetide.console.texts import LANGUAGES, name, text
from livetide.metrics import PrometheusMeter
from streams.records import InvalidError, RetryError

HERE = Path(__file__).parent
REFRESH_S = 3
FORM_LIMIT = 4096
FAQ_FORM_LIMIT = 65_536  # a Chinese character takes nine bytes in a form
SHOWN_CHECKS = 30
FORM_PAGES = ("/alerts", "/answers", "/faq")
"""Addresses of forms that are pages, too."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

Handler = Callable[[Request, Session], Awaitable[Response]]


class Console:
    """The web console: ``queries`` reads the store, ``set_alert`` changes an alert's state, ``faq`` entries and verdicts,
    ``health`` tells of processes."""

    def __init__(
        self,
        queries: Queries,
        sessions: Sessions,
        *,
        clips: Path,
        speech: Path,
        set_alert: Callable[[dict[str, Any], str, str], None],
        faq: FaqDesk,
        health: Callable[[], dict[str, Any]],
        operator_key: str,
        meter: PrometheusMeter,
    ) -> None:
        self._queries = queries
        self._sessions = sessions
        self._clips = clips
        self._speech = speech
        self._set_alert = set_alert
        self._faq = faq
        self._health = health
        self._operator_key = operator_key
        self._meter = meter
        self._pages = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True)
        self._pages.filters |= {"clock": _clock, "polyline": polyline}

    def app(self) -> Starlette:
        """The ASGI application."""
        get, post = self._page, self._form
        routes = [
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", post(self._logout), methods=["POST"]),
            Route("/language", post(self._language), methods=["POST"]),
            Route("/", get(self._rooms)),
            Route("/rooms/{room}", get(self._room)),
            Route("/alerts", get(self._alerts)),
            Route("/alerts", post(self._change_alert), methods=["POST"]),
            Route("/answers", get(self._answers)),
            Route("/answers", post(self._judge_answer), methods=["POST"]),
            Route("/faq", get(self._faq_page)),
            Route("/faq", post(self._change_entry, FAQ_FORM_LIMIT), methods=["POST"]),
            Route("/clips", get(self._clips_page)),
            Route("/clips/{id:path}/video", get(self._video)),
            Route("/speech/{id:path}/sound", get(self._sound)),
            Route("/health", get(self._health_page)),
            Route("/static/{name}", get(self._static)),
            Route("/healthz", self._machine(lambda: Response("ok\n"))),
            Route("/readyz", self._machine(self._ready)),
            Route("/metrics", self._machine(lambda: Response(self._meter.text(), media_type="text/plain; version=0.0.4"))),
        ]
        return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=_headers)])

    # ── Who may ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _page(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            session = self._sessions.find(request.cookies.get(COOKIE))
            if session is None:
                return RedirectResponse(f"/login?back={quote(request.url.path)}", 303)
            return await handler(request, session)

        return guarded

    def _form(self, handler: Callable[[Request, Session, dict[str, str]], Awaitable[Response]], limit: int = FORM_LIMIT) -> Any:
        async def guarded(request: Request) -> Response:
            session = self._sessions.find(request.cookies.get(COOKIE))
            if session is None:  # nothing was done: the form is to be sent again from the page that the login leads to
                back = request.url.path if request.url.path in FORM_PAGES else "/"
                return RedirectResponse(f"/login?back={back}", 303)
            form = await _read_form(request, limit)
            if not same(form.get("csrf", ""), session.csrf):
                raise HTTPException(403, "this form is not from this console; load the page anew")
            return await handler(request, session, form)

        return guarded

    def _machine(self, answer: Callable[[], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not same(request.headers.get("authorization", ""), f"Bearer {self._operator_key}"):
                raise HTTPException(401, "give the operator key: Authorization: Bearer …", {"www-authenticate": "Bearer"})
            return await run_in_threadpool(answer)

        return guarded

    def _ready(self) -> Response:
        try:
            self._queries.ping()
        except RetryError as error:
            return Response(f"{error}\n", 503)
        return Response("ready\n")

    async def _login(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._enter(request)
        back = _local(request.query_params.get("back", "/"))
        given = request.cookies.get(COOKIE)
        if self._sessions.find(given):
            return RedirectResponse(back, 303)
        if "entered" in request.query_params:
            return self._ask(request, 200, back, "no_cookie")
        return self._ask(request, 200, back, "session_ended" if given else "")

    async def _enter(self, request: Request) -> Response:
        form = await _read_form(request)
        back = _local(form.get("back", "/"))
        if wait_ms := self._sessions.wait_ms():
            return self._ask(request, 429, back, "too_many_tries", wait_s=-(-wait_ms // 1000))
        session = self._sessions.log_in(form.get("password", ""))
        if session is None:
            return self._ask(request, 403, back, "wrong_password")
        answer = RedirectResponse(f"/login?entered=1&back={quote(back)}", 303)  # which sees whether the cookie was kept
        answer.set_cookie(COOKIE, session.token, max_age=LASTS_MS // 1000, httponly=True, samesite="strict")
        return answer

    def _ask(self, request: Request, status: int, back: str, why: str, wait_s: int = 0) -> Response:
        """The login page; ``why`` it is shown again, in words of ``TEXTS``."""
        css = (HERE / "static" / "console.css").read_text(encoding="utf-8")
        answer = self._render(request, "login.html", status, css=css, back=back, why=why, wait_s=wait_s)
        if wait_s:
            answer.headers["retry-after"] = str(wait_s)
        return answer

    async def _logout(self, _request: Request, session: Session, _form: dict[str, str]) -> Response:
        self._sessions.log_out(session)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _language(self, _request: Request, _session: Session, form: dict[str, str]) -> Response:
        answer = RedirectResponse(_local(form.get("back", "/")), 303)
        if form.get("language") in LANGUAGES:
            answer.set_cookie("language", form["language"], max_age=365 * 86_400, httponly=True, samesite="strict")
        return answer

    # ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _render(self, request: Request, page: str, status: int = 200, /, **values: Any) -> Response:
        chosen = request.cookies.get("language") or request.headers.get("accept-language", "zh")[:2]
        language = chosen if chosen in LANGUAGES else "en"
        template = self._pages.get_template(page)
        shown = template.render(
            t=lambda key: text(key, language),
            named=lambda kind, word: name(kind, word, language),
            language=language,
            here=request.url.path,
            refresh=REFRESH_S,
            **values,
        )
        return HTMLResponse(shown, status)

    async def _show(self, request: Request, session: Session, page: str, read: Callable[[], dict[str, Any]]) -> Response:
        try:
            values = await run_in_threadpool(read)
        except RetryError:
            values = {"problem": True}
        return self._render(request, "away.html" if "problem" in values else page, csrf=session.csrf, **values)

    async def _rooms(self, request: Request, session: Session) -> Response:
        return await self._show(request, session, "rooms.html", lambda: {"rooms": self._queries.rooms()})

    async def _room(self, request: Request, session: Session) -> Response:
        room, at = request.path_params["room"], _moment(request.query_params.get("at", ""))
        return await self._show(request, session, "room.html", lambda: {"room": room, **self._queries.room(room, at)})

    async def _alerts(self, request: Request, session: Session) -> Response:
        return await self._show(request, session, "alerts.html", lambda: {"alerts": self._queries.alerts()})

    async def _answers(self, request: Request, session: Session) -> Response:
        def read() -> dict[str, Any]:
            found = self._queries
            return {"answers": found.answers(), "unanswered": found.unanswered(), "spoken": found.spoken()}

        return await self._show(request, session, "answers.html", read)

    async def _clips_page(self, request: Request, session: Session) -> Response:
        return await self._show(request, session, "clips.html", lambda: {"clips": self._queries.clips()})

    async def _health_page(self, request: Request, session: Session) -> Response:
        return await self._show(request, session, "health.html", self._health)

    async def _change_alert(self, _request: Request, _session: Session, form: dict[str, str]) -> Response:
        state, identity = form.get("state", ""), form.get("id", "")
        with _told():
            alert = await run_in_threadpool(self._queries.alert, identity)
            if alert is None:
                raise HTTPException(404, "there is no such alert")
            await run_in_threadpool(self._set_alert, alert, state, "console")
            await self._until_shown(identity, state)
        return RedirectResponse(_local(form.get("back", "/alerts")), 303)

    async def _faq_page(self, request: Request, session: Session) -> Response:
        return await self._show(request, session, "faq.html", self._faq.read)

    async def _change_entry(self, _request: Request, _session: Session, form: dict[str, str]) -> Response:
        with _told():
            entry = await run_in_threadpool(self._faq.change, form)
            for _ in range(SHOWN_CHECKS):  # so that the page that follows shows it; not for long
                if await run_in_threadpool(self._faq.shown, entry):
                    break
                await asyncio.sleep(0.1)
        return RedirectResponse("/faq", 303)

    async def _judge_answer(self, _request: Request, _session: Session, form: dict[str, str]) -> Response:
        with _told():
            await run_in_threadpool(self._faq.judge, form)
        return RedirectResponse(_local(form.get("back", "/answers")), 303)

    async def _until_shown(self, identity: str, state: str) -> None:
        """Wait until the store shows the word that was said, so that the page that follows does; not for long."""
        for _ in range(SHOWN_CHECKS):
            alert = await run_in_threadpool(self._queries.alert, identity)
            if alert and alert["state"] == state:
                return
            await asyncio.sleep(0.1)

    # ── Files, by id and never by name ───────────────────────────────────────────────────────────────────────────────

    async def _video(self, request: Request, _session: Session) -> Response:
        path = await run_in_threadpool(self._queries.clip_path, request.path_params["id"])
        return _file(self._clips, path, "video/mp4")

    async def _sound(self, request: Request, _session: Session) -> Response:
        path = await run_in_threadpool(self._queries.speech_path, request.path_params["id"])
        return _file(self._speech, path, "audio/wav")

    async def _static(self, request: Request, _session: Session) -> Response:
        return _file(HERE / "static", request.path_params["name"], None)


@contextmanager
def _told() -> Iterator[None]:
    """What could not be done, as an answer that says why."""
    try:
        yield
    except InvalidError as error:
        raise HTTPException(422, str(error)) from error
    except RetryError as error:
        raise HTTPException(503, f"{error}; try again") from error


def _file(folder: Path, name: str | None, media_type: str | None) -> Response:
    path = (folder / (name or "")).resolve()
    if not name or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise HTTPException(404, "there is no such file")
    return FileResponse(path, media_type=media_type)


def _local(back: str) -> str:
    parts = urlsplit(back)
    return back if back.startswith("/") and not back.startswith("//") and "\\" not in back and not parts.netloc else "/"


async def _read_form(request: Request, limit: int = FORM_LIMIT) -> dict[str, str]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise HTTPException(413, "this form is too large")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


async def _headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    for header, value in HEADERS.items():
        response.headers.setdefault(header, value)
    return response


def _clock(when: datetime) -> Markup:
    """A moment in UTC. The page's script shows it in the browser's zone; which of the two it is stands in the header."""
    utc = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M:%S"))


def _moment(seconds: str) -> datetime | None:
    """The time of ``?at=``; None for what is none."""
    return datetime.fromtimestamp(int(seconds), UTC) if re.fullmatch(r"\d{1,10}", seconds) else None


def polyline(points: list[dict[str, Any]], width: int, height: int) -> str:
    """SVG points of a curve over time that fills ``width`` × ``height``; a minute without a point is as wide as any other."""
    top = max(point["value"] for point in points) or 1
    first, last = points[0]["ts"], points[-1]["ts"]
    seconds = (last - first).total_seconds() or 1
    return " ".join(
        f"{(point['ts'] - first).total_seconds() / seconds * width:.1f},{height - point['value'] / top * (height - 6):.1f}"
        for point in points
    )
