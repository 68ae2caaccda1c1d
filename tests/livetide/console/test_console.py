from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread, Timer
from typing import Any, get_args

import httpx
import pytest
import uvicorn
from starlette.routing import Route

from analytics.intent import INTENTS
from analytics.opinion_rules import RULES
from livetide.console.app import Console, polyline
from livetide.console.faq_desk import FaqDesk
from livetide.console.queries import SHOWN_S, Queries
from livetide.console.sessions import TRIES, TRIES_WINDOW_MS, Sessions
from livetide.console.texts import LANGUAGES, NAMES, TEXTS, name
from livetide.metrics import PrometheusMeter
from livetide.opinions import changed
from livetide.stack.supervisor import State
from streams.records import FaqEntry, FaqVerdict, InvalidError, RetryError

PASSWORD = "a password of the tests"
KEY = "an operator key of the tests"
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

ALERT = {
    "room_id": "r<1>",
    "id": "alert:r:x:1",
    "revision": 8,
    "topic": "counterfeit",
    "level": 2,
    "state": "firing",
    "started_ts": WHEN,
    "ts": WHEN,
    "ingest_ts": WHEN,
    "evidence_ts": WHEN,
    "score": 4.0,
    "share": 0.08,
    "baseline": 0.01,
    "messages": 12,
    "users": 9,
    "examples": ["<script>alert(1)</script>假货"],
    "words": ["假货"],
    "note": "",
}
ROOM = {"room_id": "r<1>", "messages": 1200, "users": 90, "negative": 0.1, "last_ts": WHEN, "orders": 3, "gmv": 99.5}
CLIP = {
    "id": "clip:1",
    "room_id": "r",
    "ts": WHEN,
    "title": "抢疯了",
    "status": "ready",
    "duration_ms": 30000,
    "reason": "",
    "path": "r/one.mp4",
}

DRAFT = {
    "id": "mined-1", "room_id": "r", "ts": WHEN, "ingest_ts": WHEN, "state": "draft", "question": "能开发票吗<",
    "wordings": ["开不开发票"], "answer": "备注抬头", "sku": "", "source": "mined", "asked": 4, "changed_by": "", "price": 0,
    "valid_until": datetime(1970, 1, 1, tzinfo=UTC),
}  # fmt: skip
ENTRY = DRAFT | {"id": "e1", "state": "active", "question": "包税吗", "room_id": "*", "answer": "包税", "asked": 0}
ANSWER = {
    "id": "answer:r:s:1", "room_id": "r", "ts": WHEN, "question": "包税吗？", "answer": "包税", "status": "given",
    "score": 0.97, "matched": "包税吗",
}  # fmt: skip


class Store:
    """Canned answers by the table that a question names; ``away`` makes it silent. ``state`` is how the alert stands."""

    def __init__(self) -> None:
        self.away = False
        self.state = "firing"
        self.clips: list[dict[str, Any]] = [CLIP]
        self.sittings: list[dict[str, Any]] = []
        self.faq: list[dict[str, Any]] = [DRAFT, ENTRY]
        self.answers: list[dict[str, Any]] = [ANSWER, ANSWER | {"id": "answer:r:s:2", "status": "unknown"}]
        self.asked: dict[str, Any] = {}

    def __call__(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if self.away:
            raise RetryError("the store does not answer")
        if "alerts_now" in sql:
            return [ALERT | {"state": self.state}] if parameters.get("id", ALERT["id"]) == ALERT["id"] else []
        if "FROM clips" in sql:
            return [clip for clip in self.clips if parameters.get("id", clip["id"]) == clip["id"]]
        if "LEFT JOIN" in sql:
            return [ROOM]
        if "sitting" in sql:
            return self.sittings
        if "FROM faq_now" in sql:
            return [one for one in self.faq if parameters.get("id", one["id"]) == one["id"]]
        if "FROM answers WHERE id" in sql:
            return [one for one in self.answers if parameters["id"] == one["id"]]
        if "FROM answers" in sql and "GROUP BY" not in sql:
            return self.answers
        if "FROM mood" in sql:
            self.asked = parameters
        if "'unknown'" in sql and "GROUP BY" in sql:
            return [{"question": "能开发票吗<", "times": 3, "people": 2, "last": WHEN, "rooms": ["r"]}]
        return []


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def written() -> list[FaqEntry | FaqVerdict]:
    return []


@pytest.fixture
def now() -> list[int]:
    return [1_700_000_000_000]


@pytest.fixture
def console(
    store: Store, said: list[tuple[str, str]], written: list[FaqEntry | FaqVerdict], now: list[int], tmp_path: Path
) -> Console:
    (tmp_path / "clips" / "r").mkdir(parents=True)
    (tmp_path / "clips" / "r" / "one.mp4").write_bytes(bytes(range(256)))
    (tmp_path / "secret").write_text("not for you")

    def set_alert(row: dict[str, Any], state: str, by: str) -> None:
        said.append((changed(row, state, by, 5).id, state))
        Timer(0.3, setattr, (store, "state", state)).start()  # the store shows it when it has come through the log

    def write(record: FaqEntry | FaqVerdict) -> None:
        written.append(record)
        shown = {"ingest_ts": datetime.fromtimestamp(record.ingest_ts / 1000, UTC)}
        store.faq = [one | shown if one["id"] == record.id else one for one in store.faq]

    return Console(
        Queries(store),
        Sessions(PASSWORD, lambda: now[0]),
        clips=tmp_path / "clips",
        speech=tmp_path / "speech",
        set_alert=set_alert,
        faq=FaqDesk(Queries(store), write, lambda: now[0]),
        health=lambda: {"processes": [], "lag": []},
        operator_key=KEY,
        meter=PrometheusMeter(),
    )


@pytest.fixture
def client(console: Console) -> Iterator[httpx.Client]:
    """A browser without a screen before a real server on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(console.app(), log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.005)
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", trust_env=False) as client:
        yield client
    server.should_exit = server.force_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture
def logged_in(client: httpx.Client) -> httpx.Client:
    answer = client.post("/login", data={"password": PASSWORD})
    assert answer.status_code == 303
    return client


def token(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/alerts").text)
    assert found
    return found[1]


PAGES = [
    "/",
    "/rooms/r",
    "/alerts",
    "/answers",
    "/faq",
    "/clips",
    "/clips/clip:1/video",
    "/speech/x/sound",
    "/health",
    "/static/console.css",
]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_without_a_password(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    client.cookies.set("livetide_session", "guessed")
    assert client.get(path).status_code == 303


def test_every_route_is_in_these_tests(console: Console) -> None:
    guarded = {route.path for route in console.app().routes if isinstance(route, Route)} - {
        "/login",
        "/logout",
        "/language",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    patterns = {re.sub(r"\{id:path\}|\{\w+\}", "[^/]+", path) for path in guarded}
    for pattern in patterns:
        assert any(re.fullmatch(pattern, page) for page in PAGES), f"{pattern} is not tested"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_need_the_operator_key(logged_in: httpx.Client, path: str) -> None:
    assert logged_in.get(path).status_code == 401
    assert logged_in.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert logged_in.get(path, headers={"authorization": f"Bearer {KEY}"}).status_code == 200


def test_pages_show_what_the_store_has_and_escape_it(logged_in: httpx.Client) -> None:
    assert "1,200" in logged_in.get("/").text
    page = logged_in.get("/alerts").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;假货" in page
    assert "<script>alert" not in page
    assert "script-src" in logged_in.get("/").headers["content-security-policy"] or (
        "default-src 'self'" in logged_in.get("/").headers["content-security-policy"]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages(logged_in: httpx.Client, language: str) -> None:
    answer = logged_in.post("/language", data={"language": language, "csrf": token(logged_in), "back": "/clips"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/clips")
    assert TEXTS["clips"][LANGUAGES.index(language)] in logged_in.get("/clips").text


def test_a_wrong_password_is_refused_and_guessing_is_braked(client: httpx.Client, now: list[int]) -> None:
    for _ in range(TRIES):
        answer = client.post("/login", data={"password": "guess"})
        assert (answer.status_code, told(answer)) == (403, "wrong_password")
    braked = client.post("/login", data={"password": PASSWORD})
    assert (braked.status_code, braked.headers["retry-after"]) == (429, "60"), "even the right one, for a minute"
    assert told(braked) == "too_many_tries"
    now[0] += TRIES_WINDOW_MS + 1
    assert client.post("/login", data={"password": PASSWORD}).status_code == 303


def told(answer: httpx.Response) -> str:
    """Why the login page is shown, as a key of ``TEXTS``; empty where it says nothing."""
    said = re.search(r'role="alert">([^<]*)<', answer.text)
    return next(key for key, pair in TEXTS.items() if said[1].rstrip(" 0123456789") in pair) if said else ""


def test_the_login_page_says_why_it_is_shown(client: httpx.Client, now: list[int]) -> None:
    assert told(client.get("/login")) == "", "at first there is nothing to say"
    entered = client.post("/login", data={"password": PASSWORD, "back": "/clips"}).headers["location"]
    assert client.get(entered).headers["location"] == "/clips"
    kept = client.cookies["livetide_session"]
    client.cookies.clear()
    assert told(client.get(entered)) == "no_cookie", "the right password, and a browser that keeps no cookie"
    client.cookies.set("livetide_session", kept)
    now[0] += 13 * 3_600_000
    ended = client.get("/clips")
    assert told(client.get(ended.headers["location"])) == "session_ended"


def test_a_button_of_a_session_that_ended_leads_to_the_login_and_does_nothing(
    logged_in: httpx.Client, said: list[tuple[str, str]], now: list[int]
) -> None:
    change = {"id": ALERT["id"], "state": "acknowledged", "csrf": token(logged_in)}
    now[0] += 13 * 3_600_000
    answer = logged_in.post("/alerts", data=change)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?back=/alerts")
    assert told(logged_in.get(answer.headers["location"])) == "session_ended"
    assert said == []


def test_times_are_utc_for_who_has_no_script_and_the_page_says_so(logged_in: httpx.Client) -> None:
    page = logged_in.get("/alerts").text
    assert '<time datetime="2026-01-02T03:04:05+00:00">2026-01-02 03:04:05</time>' in page
    assert '<span id="zone">UTC</span>' in page


def test_what_could_not_be_answered_is_shown(logged_in: httpx.Client) -> None:
    for path in ("/answers", "/rooms/r"):
        page = logged_in.get(path).text
        assert any(words in page for words in TEXTS["unanswered"])
        assert "能开发票吗&lt;" in page


SITTINGS = [
    {"first": WHEN, "last": WHEN + timedelta(minutes=9), "newest": WHEN},
    {"first": WHEN.replace(year=2019), "last": WHEN.replace(year=2019, minute=9), "newest": WHEN + timedelta(days=1)},
]


def test_a_rooms_curves_show_one_sitting(logged_in: httpx.Client, store: Store) -> None:
    assert 'class="sittings"' not in logged_in.get("/rooms/r").text, "where there is one, nothing is to choose"
    store.sittings = SITTINGS
    page = logged_in.get("/rooms/r").text
    assert re.findall(r'\?at=(\d+)" aria-current', page) == ["1546398245"], "what came in last is shown"
    assert (store.asked["first"], store.asked["until"]) == (1546398245, 1546398245 + 360)
    page = logged_in.get("/rooms/r?at=1767323045").text
    assert re.findall(r'\?at=(\d+)" aria-current', page) == ["1767323045"]
    assert store.asked["first"] == 1767323045
    for nonsense in ("x", "-1", "99999999999999", "1"):
        assert "?at=1546398245" in logged_in.get(f"/rooms/r?at={nonsense}").text


def test_a_long_sitting_is_shown_up_to_its_end(logged_in: httpx.Client, store: Store) -> None:
    store.sittings = [SITTINGS[0] | {"last": WHEN + timedelta(days=3)}]
    logged_in.get("/rooms/r")
    assert store.asked["until"] - store.asked["first"] == SHOWN_S
    assert store.asked["step"] == SHOWN_S // 600


def test_a_session_ends(logged_in: httpx.Client, now: list[int]) -> None:
    assert logged_in.get("/").status_code == 200
    now[0] += 13 * 3_600_000
    assert logged_in.get("/").status_code == 303


def test_logout(logged_in: httpx.Client) -> None:
    cookie = logged_in.cookies["livetide_session"]
    assert logged_in.post("/logout", data={"csrf": token(logged_in)}).status_code == 303
    logged_in.cookies.set("livetide_session", cookie)
    assert logged_in.get("/").status_code == 303


def test_an_alert_is_changed_only_by_this_consoles_form(logged_in: httpx.Client, said: list[tuple[str, str]]) -> None:
    change = {"id": ALERT["id"], "state": "acknowledged"}
    assert logged_in.post("/alerts", data=change).status_code == 403
    assert logged_in.post("/alerts", data=change | {"csrf": "forged"}).status_code == 403
    assert said == []
    assert logged_in.post("/alerts", data=change | {"csrf": token(logged_in)}).status_code == 303
    assert said == [("alert:r:x:1", "acknowledged")]
    assert any(words in logged_in.get("/alerts").text for words in TEXTS["acknowledged"]), "the next page shows it already"
    assert logged_in.post("/alerts", data=change | {"csrf": token(logged_in), "id": "nobody"}).status_code == 404
    assert logged_in.post("/alerts", data=change | {"csrf": token(logged_in), "state": "firing"}).status_code == 422


def test_a_persons_word_takes_the_odd_revision() -> None:
    alert = changed(ALERT, "acknowledged", "console", 5)
    assert (alert.revision, alert.state, alert.by, alert.ingest_ts) == (9, "acknowledged", "console", 5)
    again = changed(ALERT | {"revision": 9, "state": "acknowledged"}, "resolved", "console", 6)
    assert again.revision == 11, "above the person's own, and odd again"
    assert changed(ALERT | {"state": "silenced"}, "resolved", "console", 7).state == "resolved", "a slip can be undone"
    with pytest.raises(InvalidError, match="resolved already"):
        changed(ALERT | {"state": "resolved"}, "silenced", "console", 7)


@pytest.mark.parametrize("back", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "javascript:x"])
def test_nobody_is_sent_elsewhere(client: httpx.Client, back: str) -> None:
    assert client.post("/login", data={"password": PASSWORD, "back": back}).headers["location"] == "/login?entered=1&back=/"
    assert client.get("/login", params={"back": back}).headers["location"] == "/"


def test_clips_play_by_id_and_in_pieces(logged_in: httpx.Client) -> None:
    assert logged_in.get("/clips/clip:1/video").content == bytes(range(256))
    piece = logged_in.get("/clips/clip:1/video", headers={"range": "bytes=10-19"})
    assert (piece.status_code, piece.content) == (206, bytes(range(10, 20)))
    assert logged_in.get("/clips/other/video").status_code == 404


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e%2fapp.py", "nothing.css", "%2fetc%2fpasswd"])
def test_no_file_outside_the_folder(logged_in: httpx.Client, name: str) -> None:
    assert logged_in.get(f"/static/{name}").status_code in (404, 307)


def test_a_catalogue_that_lies_reaches_no_other_file(logged_in: httpx.Client, store: Callable[..., Any]) -> None:
    CLIP["path"] = "../secret"
    try:
        assert logged_in.get("/clips/clip:1/video").status_code == 404
    finally:
        CLIP["path"] = "r/one.mp4"


def test_a_silent_store_is_said(logged_in: httpx.Client, store: Store) -> None:
    store.away = True
    page = logged_in.get("/")
    assert page.status_code == 200
    assert any(words in page.text for words in TEXTS["store_away"])
    assert logged_in.get("/readyz", headers={"authorization": f"Bearer {KEY}"}).status_code == 503


def test_a_word_that_the_store_is_too_silent_to_take_is_no_crash(logged_in: httpx.Client, store: Store) -> None:
    csrf = token(logged_in)
    store.away = True
    answer = logged_in.post("/alerts", data={"id": ALERT["id"], "state": "acknowledged", "csrf": csrf})
    assert (answer.status_code, "try again" in answer.text) == (503, True)


def test_a_huge_form_is_refused(client: httpx.Client) -> None:
    assert client.post("/login", data={"password": "x" * 10_000}).status_code == 413


def test_every_text_has_both_languages() -> None:
    pairs = [*TEXTS.values(), *(pair for names in NAMES.values() for pair in names.values())]
    assert all(len(pair) == len(LANGUAGES) and all(pair) for pair in pairs)


def test_what_the_agents_and_the_supervisor_name_has_words() -> None:
    assert set(RULES) <= set(NAMES["topic"])
    assert set(INTENTS) <= set(NAMES["intent"])
    assert set(get_args(State)) == set(NAMES["process"])
    assert name("topic", "of a shop's own rules", "zh") == "of a shop's own rules"


def test_clips_that_could_not_be_made_do_not_stand_among_the_clips(logged_in: httpx.Client, store: Store) -> None:
    store.clips = [CLIP, CLIP | {"id": "clip:2", "title": "没录到", "status": "failed", "reason": "no video", "path": ""}]
    page = logged_in.get("/clips").text
    assert page.count("<video") == 1
    assert page.index("抢疯了") < page.index("<details>") < page.index("没录到")


def test_a_curve_runs_over_time() -> None:
    points = [{"ts": WHEN + timedelta(minutes=minute), "value": value} for minute, value in ((0, 0), (1, 3), (4, 6))]
    assert polyline(points, 600, 120) == "0.0,120.0 150.0,63.0 600.0,6.0"


# ── The FAQ ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FORM = {
    "room": "r",
    "id": "mined-1",
    "do": "accept",
    "question": "能开发票吗",
    "answer": "能，备注抬头",
    "wordings": "开票\r\n\r\n 要發票 ",
}


def test_the_faq_page_shows_drafts_to_correct_and_entries_in_use(logged_in: httpx.Client, store: Store) -> None:
    page = logged_in.get("/faq").text
    assert "能开发票吗&lt;" in page
    assert 'value="mined-1"' in page
    assert TEXTS["all_rooms"][0] in page
    assert 'data-refresh="0"' in page, "what is typed must not be swept away"
    store.faq = []
    assert "livetide faq mine" in logged_in.get("/faq").text


def test_a_draft_is_taken_as_it_was_corrected(logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict]) -> None:
    form = FORM | {"price": "9.9", "valid_until": "2027-01-01T12:00", "sku": "vest", "csrf": token(logged_in)}
    answer = logged_in.post("/faq", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/faq")
    (entry,) = written
    assert isinstance(entry, FaqEntry)
    assert (entry.room, entry.id, entry.state, entry.source, entry.by) == ("r", "mined-1", "active", "mined", "console")
    assert (entry.answer, entry.wordings, entry.price, entry.sku) == ("能，备注抬头", ["开票", "要發票"], 990, "vest")
    assert (entry.valid_until, entry.asked) == (1_798_804_800_000, 4)
    assert entry.ingest_ts == int(WHEN.timestamp() * 1000) + 1, "behind what it corrects, though this clock is late"


@pytest.mark.parametrize(("do", "state"), [("save", "draft"), ("refuse", "withdrawn")])
def test_a_draft_is_kept_or_refused(logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict], do: str, state: str) -> None:
    logged_in.post("/faq", data=FORM | {"do": do, "answer": "", "csrf": token(logged_in)})
    (entry,) = written
    assert isinstance(entry, FaqEntry)
    assert entry.state == state
    assert entry.answer == ("" if do == "save" else "备注抬头"), "of what is refused nothing is corrected"


@pytest.mark.parametrize(
    "wrong",
    [
        {"answer": " "}, {"question": ""}, {"id": "nobody"}, {"do": "burn"}, {"price": "cheap"}, {"valid_until": "soon"},
        {"wordings": "\n".join(str(n) for n in range(40))}, {"answer": "答" * 5_000},
    ],
)  # fmt: skip
def test_what_cannot_be_an_entry_is_refused_and_nothing_is_written(
    logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict], wrong: dict[str, str]
) -> None:
    assert logged_in.post("/faq", data=FORM | wrong | {"csrf": token(logged_in)}).status_code == 422
    assert written == []


def test_a_form_of_the_faq_may_be_long_and_not_endless(logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict]) -> None:
    csrf = token(logged_in)
    assert logged_in.post("/faq", data=FORM | {"answer": "答" * 900, "do": "save", "csrf": csrf}).status_code == 303
    assert logged_in.post("/faq", data=FORM | {"answer": "答" * 9_000, "csrf": csrf}).status_code == 413
    assert logged_in.post("/answers", data={"id": "x" * 5_000, "csrf": csrf}).status_code == 413


def test_an_answer_is_called_right_or_wrong(
    logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict], now: list[int]
) -> None:
    page = logged_in.get("/answers").text
    assert page.count('name="verdict" value="wrong"') == 1, "what is unknown is not judged"
    for verdict in ("right", "wrong"):
        form = {"id": ANSWER["id"], "verdict": verdict, "csrf": token(logged_in), "back": "/rooms/r"}
        answer = logged_in.post("/answers", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/rooms/r")
    assert [one.right for one in written if isinstance(one, FaqVerdict)] == [True, False]
    (one, _) = written
    assert isinstance(one, FaqVerdict)
    assert (one.room, one.id, one.score, one.question, one.matched, one.by) == (
        "r", ANSWER["id"], 0.97, "包税吗？", "包税吗", "console",
    )  # fmt: skip
    assert (one.event_ts, one.ingest_ts) == (int(WHEN.timestamp() * 1000), now[0])


@pytest.mark.parametrize("wrong", [{"id": "nobody"}, {"id": "answer:r:s:2"}, {"verdict": "maybe"}])
def test_what_cannot_be_judged(logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict], wrong: dict[str, str]) -> None:
    form = {"id": ANSWER["id"], "verdict": "right", "csrf": token(logged_in)} | wrong
    assert logged_in.post("/answers", data=form).status_code == 422
    assert written == []


@pytest.mark.parametrize("path", ["/faq", "/answers"])
def test_forms_of_the_faq_need_the_token_of_this_console(
    logged_in: httpx.Client, written: list[FaqEntry | FaqVerdict], path: str
) -> None:
    for csrf in ({}, {"csrf": "guessed"}):
        form = FORM | {"id": ANSWER["id"] if path == "/answers" else "mined-1", "verdict": "right"} | csrf
        assert logged_in.post(path, data=form).status_code == 403
    assert written == []
