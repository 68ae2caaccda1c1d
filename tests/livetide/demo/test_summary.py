"""The demo's comparison: it is content with what was planted, and notices each thing that can be lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from livetide.demo.findings import Findings
from livetide.demo.receiver import Delivered
from livetide.demo.summary import compare, lost, still_to_come
from streams.sources.simulator.truth import (
    Asked,
    ExpectedAlert,
    Family,
    PlantedMoment,
    PlantedParagraph,
    Poison,
    Totals,
    Truth,
    VideoLaw,
)

BASE = 1_800_000_000_000


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BASE / 1000 + seconds, UTC)


def ms(seconds: float) -> int:
    return BASE + round(seconds * 1000)


TRUTH = Truth(
    seed=1,
    minutes=5,
    base_ts=BASE,
    end_ts=ms(300),
    skew_ms=0,
    events={"chat": 100, "sale": 20, "viewer": 30, "speech": 5},
    chat_by_class={},
    sales_by_type={},
    viewers_by_type={},
    sent=160,
    duplicates={"chat": 5},
    disordered=0,
    late=0,
    poison=[Poison(why="no JSON", sha256="aa"), Poison(why="no object", sha256="aa")],
    sales=Totals(orders=7, gmv=12_345),
    sales_by_sku={},
    products=["A", "B"],
    speech=[],
    paragraphs=[
        PlantedParagraph(sku="A", start_ts=ms(0), end_ts=ms(60), complete=True, stages={}),
        PlantedParagraph(sku="B", start_ts=ms(70), end_ts=ms(90), complete=False, stages={}),
        PlantedParagraph(sku="B", start_ts=ms(100), end_ts=ms(160), complete=True, stages={}),
    ],
    families=[
        Family(name="price", wordings=2, asked=[Asked(id=f"q{n}", ts=ms(n), text="多少钱", faq="price") for n in range(4)])
    ],
    alerts_expected=[
        ExpectedAlert(
            topic="quality", words=["质量差"], speed="fast", onset_ts=ms(100), end_ts=ms(130), evidence_ts=ms(110),
            evidence_id="c9", rule="", users=20, messages=[],
        )
    ],
    alerts_forbidden=[],
    moments=[
        PlantedMoment(
            sku="A", peak_ts=ms(50), start_ts=ms(45), end_ts=ms(65), chat_peak_ts=ms(52), order_peak_ts=ms(58), messages=9,
            orders=5,
        )
    ],
    decoys=[],
    video=VideoLaw(width=1280, height=720, fps=25, gop=50, segment_ms=2000, frames=7500, stream="s"),
)  # fmt: skip
ALERT = {"id": "a1", "topic": "quality", "words": ["质量差"], "examples": ["质量差"], "state": "firing", "ts": at(111)}
ANSWER = {"status": "given", "matched": "price"}
DELIVERED = Delivered("a1", 2, "firing", 2, "quality", 900)
SPOKEN = {
    "command": "command:1", "type": "spoken", "reason": "", "latency_ms": {"total": 400.0}, "simulated": ["avatar"],
}  # fmt: skip
SKIPPED = SPOKEN | {"type": "skipped", "reason": "it came 31 s late", "latency_ms": {}}


def everything() -> Findings:
    """What comes out when nothing is lost."""
    return Findings(
        rows=dict(TRUTH.events),
        distinct=dict(TRUTH.events),
        minute_messages=100,
        dead=["aa", "aa"],
        sales={"orders": 7, "gmv": 12_345, "refunds": 0},
        alerts=[ALERT, ALERT | {"state": "resolved", "ts": at(200)}],
        answers=[ANSWER | {"source_id": f"q{n}"} for n in range(4)],
        paragraphs=[
            {"id": "p1", "sku": "A", "status": "complete", "ts": at(1), "end_ts": at(58)},
            {"id": "p2", "sku": "B", "status": "complete", "ts": at(99), "end_ts": at(161)},
        ],
        highlights=[{"id": "h1", "status": "final", "ts": at(52)}],
        clips=[{"highlight": "h1", "status": "ready", "reason": ""}],
        groups=3,
        mood_seconds=300,
        commands=[{"id": "command:1", "action": "answer"}],
        replies=[SPOKEN],
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(111, "1.0 s of room time after"), (106.7, "3.3 s of room time before"), (110, "0.0 s of room time after")],
)
def test_how_early_an_alert_was_raised_is_said_in_words(seconds: float, said: str) -> None:
    found = replace(everything(), alerts=[ALERT | {"ts": at(seconds)}])
    (line,) = [line for line in compare(TRUTH, found, [DELIVERED], 1) if line.what.startswith("alert:")]
    assert (line.found, line.ok) == ("at the webhook after 0.90 s", True)
    assert line.note == f"raised {said} the last planted sign of it"


def test_an_alert_that_came_late_says_what_was_promised() -> None:
    late = [replace(DELIVERED, delay_ms=120_000)]
    (line,) = [line for line in compare(TRUTH, everything(), late, 1) if line.what.startswith("alert:")]
    assert (line.found, line.ok) == ("at the webhook after 120.00 s", False)
    assert line.note.endswith("; promised: within 10 s by both clocks")


def test_a_reply_that_did_not_come_to_sound_says_why() -> None:
    found = replace(everything(), replies=[SKIPPED])
    (line,) = [line for line in compare(TRUTH, found, [DELIVERED], 1) if line.what == "spoken replies"]
    assert (line.planted, line.found, line.ok, line.note) == ("1 told", "0", False, "it came 31 s late")


def test_nothing_is_missed_when_all_came_out() -> None:
    lines = compare(TRUTH, everything(), [DELIVERED], 1)
    assert lost(lines) == []
    assert len(lines) == 16
    assert still_to_come(TRUTH, everything()) == ""


LATE = ALERT | {"ts": at(121)}
LOSSES: list[tuple[str, dict[str, Any]]] = [
    ("danmaku: rows", {"rows": TRUTH.events | {"chat": 99}}),
    ("danmaku: rows", {"rows": TRUTH.events | {"chat": 101}}),
    ("sales: rows", {"distinct": TRUTH.events | {"sale": 19}}),
    ("viewers: rows", {"rows": TRUTH.events | {"viewer": 0}}),
    ("speech: rows", {"rows": TRUTH.events | {"speech": 4}}),
    ("minute view: messages", {"minute_messages": 101}),
    ("poison in dead letters", {"dead": ["aa"]}),
    ("poison in dead letters", {"dead": ["aa", "aa", "aa"]}),
    ("orders", {"sales": {"orders": 6, "gmv": 12_345}}),
    ("paid, CNY", {"sales": {"orders": 7, "gmv": 12_344}}),
    ("alert: quality, fast rise", {"alerts": []}),
    ("alert: quality, fast rise", {"alerts": [LATE]}),
    ("false alerts", {"alerts": [ALERT, ALERT | {"topic": "fraud", "words": ["骗"]}]}),
    ("answerable questions met", {"answers": [ANSWER | {"source_id": "q0"}]}),
    ("answerable questions met", {"answers": [ANSWER | {"source_id": f"q{n}", "matched": "size"} for n in range(4)]}),
    ("highlights", {"highlights": [{"id": "h1", "status": "final", "ts": at(120)}]}),
    ("highlights", {"highlights": [{"id": "h1", "status": "withdrawn", "ts": at(52)}]}),
    ("clips", {"clips": [{"highlight": "h1", "status": "failed", "reason": "no video"}]}),
    ("product paragraphs, complete", {"paragraphs": everything().paragraphs[:1]}),
    ("spoken replies", {"replies": []}),
    ("spoken replies", {"replies": [SKIPPED]}),
    ("spoken replies", {"commands": [{"id": "command:1"}, {"id": "command:2"}]}),
    ("spoken replies", {"commands": [], "replies": []}),
    ("question groups, mood seconds", {"mood_seconds": 0}),
]


@pytest.mark.parametrize(("what", "damage"), LOSSES, ids=[f"{what} {n}" for n, (what, _) in enumerate(LOSSES)])
def test_each_loss_is_noticed(what: str, damage: dict[str, Any]) -> None:
    assert what in [line.what for line in lost(compare(TRUTH, replace(everything(), **damage), [DELIVERED], 1))]


@pytest.mark.parametrize(
    ("what", "delivered", "whole"),
    [
        ("alert: quality, fast rise", [], 1),
        ("alert: quality, fast rise", [replace(DELIVERED, id="another")], 1),
        ("alert: quality, fast rise", [replace(DELIVERED, delay_ms=120_000)], 1),
        ("alert: quality, fast rise", [replace(DELIVERED, delay_ms=10_001), replace(DELIVERED, revision=3)], 1),
        ("clips", [DELIVERED], 0),
    ],
)
def test_an_undelivered_alert_and_a_torn_clip_are_noticed(what: str, delivered: list[Delivered], whole: int) -> None:
    assert [line.what for line in lost(compare(TRUTH, everything(), delivered, whole))] == [what]


@pytest.mark.parametrize(
    ("words", "unfinished"),
    [
        ("rows", lambda found: replace(found, rows=TRUTH.events | {"sale": 19})),
        ("provisional", lambda found: replace(found, highlights=[*found.highlights, {"id": "h2", "status": "provisional"}])),
        ("reply", lambda found: replace(found, replies=[])),
        ("open", lambda found: replace(found, paragraphs=[*found.paragraphs, {"status": "open"}])),
        ("clip", lambda found: replace(found, highlights=[*found.highlights, {"id": "h2", "status": "final"}])),
        ("clip", lambda found: replace(found, clips=[{"highlight": "of an earlier run"}])),
    ],
)
def test_what_is_unfinished_is_waited_for(words: str, unfinished: Callable[[Findings], Findings]) -> None:
    assert words in still_to_come(TRUTH, unfinished(everything()))
