"""The console in a real browser: from the wrong password to the log-out, in both languages and by keyboard alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize, expect, sync_playwright

from livetide.console.texts import LANGUAGES, TEXTS
from tests.e2e.running import Demo, now_ms, until

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.store,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium fonts-noto-cjk"),
]
PHONE: ViewportSize = {"width": 390, "height": 844}
PAGES = ("/", "/alerts", "/answers", "/clips", "/health")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Seen:
    """What a browser met and nobody should: complaints of its console and scripts, answers in error, strangers' addresses."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", lambda answer: self._answered(answer.status, answer.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.strangers.append(url)

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.complaints.append(f"{status}: {url}")


@pytest.fixture
def seen(demo: Demo) -> Iterator[Seen]:
    """Nothing of it may be left at the end of a test."""
    found = Seen(demo.state.console)
    yield found
    assert found.complaints == []
    assert found.strangers == []


@pytest.fixture
def context(chromium: Browser, demo: Demo) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=demo.state.console, locale="zh-CN", viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, demo: Demo, seen: Seen) -> Page:
    """A page of a person who is logged in."""
    page = context.new_page()
    seen.watch(page)
    page.goto("/")
    log_in(page, demo.secrets["console_password"])
    return page


def log_in(page: Page, password: str) -> None:
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation")).to_be_visible()


def words(key: str, language: str) -> str:
    return TEXTS[key][LANGUAGES.index(language)]


def test_a_wrong_password_lets_nobody_in_and_the_right_one_leads_back(context: BrowserContext, demo: Demo, seen: Seen) -> None:
    page = context.new_page()
    seen.watch(page)
    page.goto("/clips")
    expect(page).to_have_url(f"{demo.state.console}/login?back=/clips")
    expect(page.get_by_role("textbox")).to_have_count(1)
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(words("wrong_password", "zh"))
    assert [complaint for complaint in seen.complaints if "403" not in complaint] == []
    seen.complaints.clear()  # a browser notes the refusal, as it should
    log_in(page, demo.secrets["console_password"])
    expect(page).to_have_url(f"{demo.state.console}/clips")
    (session,) = [cookie for cookie in context.cookies() if cookie["name"] == "livetide_session"]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_in_both_languages(page: Page, demo: Demo, language: str) -> None:
    other = next(one for one in LANGUAGES if one != language)
    if page.locator("html").get_attribute("lang") != {"zh": "zh-CN", "en": "en"}[language]:
        page.locator("button[name=language]").click()
    for path, key in zip(PAGES, ("rooms", "alerts", "answers", "clips", "health"), strict=True):
        page.get_by_role("navigation").get_by_text(words(key, language), exact=True).click()
        expect(page).to_have_url(demo.state.console + path)
        expect(page.get_by_role("heading", level=1)).to_have_text(words(key, language))
        expect(page.locator("[aria-current=page]")).to_have_text(words(key, language))
        assert words("logout", language) in page.inner_text("header")
        assert words("logout", other) not in page.inner_text("header")
    assert page.title() == words("title", language)


def test_a_room_shows_what_came_out_of_it(page: Page, demo: Demo, truth: Any) -> None:
    row = page.get_by_role("row").filter(has_text=demo.room)
    expect(row).to_contain_text(f"{truth.events['chat']:,}")
    expect(row).to_contain_text(f"{truth.sales.gmv / 100:,.2f}")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(demo.room)
    for chart in ("rate", "mood"):
        curve = page.locator(f"svg.{chart} polyline")
        expect(curve).to_have_count(1)
        points = [tuple(map(float, point.split(","))) for point in (curve.get_attribute("points") or "").split()]
        assert len(points) > 3
        assert len({y for _, y in points}) > 2, "no flat line"
        assert (min(x for x, _ in points), max(x for x, _ in points)) == (0, 600)
    expect(page.locator(".groups li").first).to_be_visible()
    assert page.locator(".clips video").count() == len(truth.moments)
    assert page.locator("tr.resolved").count() >= len(truth.alerts_expected)
    assert page.get_by_text(words("given", "zh"), exact=True).count() > 10


def test_times_are_the_browsers_and_the_page_says_so(chromium: Browser, demo: Demo, seen: Seen) -> None:
    """The same moment in two zones; and again after the page has renewed itself."""
    shown = {}
    for zone in ("Asia/Shanghai", "America/New_York"):
        context = chromium.new_context(base_url=demo.state.console, locale="en-US", timezone_id=zone)
        page = context.new_page()
        seen.watch(page)
        page.goto("/alerts")
        log_in(page, demo.secrets["console_password"])
        expect(page.locator("#zone")).to_have_text(zone)
        moment = page.locator("time").last
        with page.expect_response(lambda answer: "x-refresh" in answer.request.headers):
            stamp = moment.get_attribute("datetime")
        shown[zone] = datetime.fromisoformat(moment.inner_text()).replace(tzinfo=ZoneInfo(zone))
        assert shown[zone] == datetime.fromisoformat(stamp or "").replace(microsecond=0)
        context.close()
    assert len({when.utcoffset() for when in shown.values()}) == 2


def test_what_could_not_be_answered_is_on_its_page(page: Page, demo: Demo) -> None:
    (unknown,) = demo.rows("SELECT count() AS n FROM answers WHERE room_id = %(room)s AND status = 'unknown'", room=demo.room)
    assert unknown["n"] > 0
    page.goto("/answers")
    expect(page.get_by_role("heading", name=words("unanswered", "zh"))).to_be_visible()
    assert page.locator("tr.unknown").count() > 0


def test_a_recording_of_another_year_has_curves_of_its_own(page: Page, demo: Demo, tmp_path: Path) -> None:
    for name, begun in (("new", 1_764_000_000_000), ("old", 1_551_441_600_000)):
        path = tmp_path / f"{name}.jsonl"
        events = [{"kind": "chat", "id": f"{n}", "ts": begun + n * 1000, "user": f"u{n}", "text": "多少钱"} for n in range(200)]
        path.write_text("\n".join(json.dumps(event) for event in events))
        demo.livetide("play", str(path), "--room", "two-years", "--speed", "max")
    count = "SELECT count() AS n FROM danmaku WHERE room_id = 'two-years'"
    until(lambda: demo.rows(count) == [{"n": 400}], 60, lambda: f"not all has come through: {demo.rows(count)}")
    page.goto("/rooms/two-years")
    sittings = page.locator(".sittings a")
    expect(sittings).to_have_count(2)
    for one, year in ((0, "2025"), (1, "2019")):
        sittings.nth(one).click()
        expect(sittings.nth(one)).to_have_attribute("aria-current", "true")
        for moment in page.locator(".axis time").all_inner_texts():
            assert moment.startswith(year)


def test_a_clip_plays(page: Page) -> None:
    page.goto("/clips")
    video = page.locator("video").first
    facts = played(video)
    assert (facts["width"], facts["height"]) == (1280, 720)
    assert 20 < facts["duration"] < 60
    with page.expect_download() as download:
        page.get_by_text(words("download", "zh")).first.click()
    assert download.value.path().stat().st_size > 100_000


def test_a_spoken_reply_plays(page: Page) -> None:
    page.goto("/answers")
    facts = played(page.locator("audio").first)
    assert 0.5 < facts["duration"] < 60


def played(player: Locator) -> dict[str, float]:
    """Play it, muted, until its time has advanced by half a second; what it then knows of itself."""
    facts: dict[str, float] = player.evaluate(
        """async player => {
            player.muted = true;
            await player.play();
            const from = player.currentTime;
            for (let tries = 0; tries < 300 && !player.ended && player.currentTime < from + 0.5; tries++)
                await new Promise(done => setTimeout(done, 100));
            player.pause();
            return { time: player.currentTime - from, duration: player.duration,
                     width: player.videoWidth || 0, height: player.videoHeight || 0 };
        }"""
    )
    assert facts["time"] >= 0.5, facts
    return facts


def test_an_alert_is_acknowledged_by_keyboard_alone(page: Page, demo: Demo, alarm: Callable[[str], dict[str, Any]]) -> None:
    alert = alarm("complaints-seen")
    page.goto("/alerts")
    row = page.get_by_role("row").filter(has_text="complaints-seen").first
    expect(row).to_contain_text(words("firing", "zh"))
    button = row.get_by_role("button", name=words("acknowledge", "zh"))
    desk = page.viewport_size
    assert desk is not None
    page.set_viewport_size(PHONE)
    assert (button.bounding_box() or {"x": 1000})["x"] < PHONE["width"] - 50, "at night one sees the button on a phone"
    page.set_viewport_size(desk)
    for _ in range(60):
        page.keyboard.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            break
    expect(button).to_be_focused()
    assert button.evaluate("one => getComputedStyle(one).outlineStyle") == "solid", "one sees where one is"
    page.keyboard.press("Enter")
    expect(row).to_contain_text(words("acknowledged", "zh"), timeout=20_000)
    (now,) = demo.rows("SELECT state, changed_by FROM alerts_now WHERE id = %(id)s", id=alert["id"])
    assert now == {"state": "acknowledged", "changed_by": "console"}


def test_the_page_renews_itself(page: Page, demo: Demo) -> None:
    demo.post("seen-coming", {"kind": "chat", "id": str(now_ms()), "ts": now_ms(), "user": "u", "text": "新来的"})
    expect(page.get_by_role("row").filter(has_text="seen-coming")).to_be_visible(timeout=30_000)


def test_every_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the screen"


def test_the_skip_link_leads_past_the_header(page: Page) -> None:
    page.goto("/health")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name=words("skip", "zh"))
    expect(skip).to_be_focused()
    assert (skip.bounding_box() or {"x": -1})["x"] >= 0, "it is seen while it has the focus"


def test_log_out(page: Page, context: BrowserContext, demo: Demo) -> None:
    page.get_by_role("button", name=words("logout", "zh")).click()
    expect(page).to_have_url(f"{demo.state.console}/login")
    page.goto("/alerts")
    expect(page).to_have_url(f"{demo.state.console}/login?back=/alerts")
    assert [cookie for cookie in context.cookies() if cookie["name"] == "livetide_session"] == []
