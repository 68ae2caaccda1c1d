"""Planted against found: a pure comparison, line by line, that says what was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from livetide.demo.findings import COUNTED, Findings
from livetide.demo.receiver import Delivered
from streams.sources.simulator.truth import ExpectedAlert, PlantedMoment, Truth

ALERT_WITHIN_MS = 10_000
"""The promise: an alert at most this long after the message that completes the evidence. It holds by both clocks: when it was
raised by the room's, and when it reached the webhook by the wall's (a demo plays faster than real time)."""
MOMENT_WITHIN_MS = 20_000
OVERLAP = 0.5
ANSWERED = 0.85
"""Less than this share of the answerable questions answered or proposed rightly counts as lost."""


class Line(NamedTuple):
    """One comparison. ``ok`` None: a figure to know, nothing that can be lost."""

    what: str
    planted: str
    found: str
    ok: bool | None
    note: str = ""


def compare(truth: Truth, found: Findings, delivered: list[Delivered], whole_frames: int | None) -> list[Line]:
    """Every line of the summary.

    ``delivered`` is what reached the webhook of this room; ``whole_frames`` how many clips carry exactly the frames that their
    catalogue entry promises (None when no clip could be opened).
    """
    return [
        *_rows(truth, found),
        *_sales(truth, found),
        *_alerts(truth, found, delivered),
        *_answers(truth, found),
        *_moments(truth, found, whole_frames),
        *_paragraphs(truth, found),
        _replies(found),
        Line(
            "question groups, mood seconds",
            "",
            f"{found.groups}, {found.mood_seconds}",
            found.groups > 0 and found.mood_seconds > 0,
        ),
    ]


def lost(lines: list[Line]) -> list[Line]:
    """The lines that failed."""
    return [line for line in lines if line.ok is False]


def still_to_come(truth: Truth, found: Findings) -> str:
    """What the pipeline has still to finish though it has read everything, in words; empty when nothing is."""
    if any(found.rows[kind] < truth.events.get(kind, 0) for kind in found.rows):
        return "rows on their way"
    if any(moment["status"] == "provisional" for moment in found.highlights):
        return "a highlight is still provisional"
    if any(paragraph["status"] == "open" for paragraph in found.paragraphs):
        return "a product paragraph is still open"  # the last of a room ends by the host's silence
    if {command["id"] for command in found.commands} - {reply["command"] for reply in found.replies}:
        return "a reply is being spoken"
    finals = {moment["id"] for moment in found.highlights if moment["status"] == "final"}
    return "a clip is being cut" if finals - {clip["highlight"] for clip in found.clips} else ""


def _rows(truth: Truth, found: Findings) -> Iterator[Line]:
    for kind, table in COUNTED.items():
        planted, rows, ids = truth.events.get(kind, 0), found.rows[kind], found.distinct[kind]
        sent_again = truth.duplicates.get(kind, 0)
        note = f"{sent_again} were sent again" if sent_again else ""
        yield Line(f"{table}: rows", f"{planted:,}", f"{rows:,}", rows == ids == planted, note)
    messages = truth.events["chat"]
    yield Line("minute view: messages", f"{messages:,}", f"{found.minute_messages:,}", found.minute_messages == messages)
    planted_poison, dead = Counter(poison.sha256 for poison in truth.poison), Counter(found.dead)
    yield Line(
        "poison in dead letters", f"{planted_poison.total()}", f"{dead.total()}", dead == planted_poison, "byte for byte"
    )


def _sales(truth: Truth, found: Findings) -> Iterator[Line]:
    yield Line("orders", f"{truth.sales.orders:,}", f"{found.sales['orders']:,}", found.sales["orders"] == truth.sales.orders)
    planted, got = truth.sales.gmv, found.sales["gmv"]
    yield Line("paid, CNY", f"{planted / 100:,.2f}", f"{got / 100:,.2f}", planted == got)


def _alerts(truth: Truth, found: Findings, delivered: list[Delivered]) -> Iterator[Line]:
    firing = [alert for alert in found.alerts if alert["state"] == "firing"]
    for expected in truth.alerts_expected:
        mine = [alert for alert in firing if _answers_to(alert, expected)]
        delay = (_ms(mine[0]["ts"]) - expected.evidence_ts) / 1000 if mine else None
        ids = {alert["id"] for alert in mine}
        arrived = sorted((one.revision, one.delay_ms) for one in delivered if one.id in ids and one.state == "firing")
        told, note, ok = "none", "", False
        if delay is not None:
            told, note = "raised, and not delivered", _how_early(delay)
        if delay is not None and arrived:
            waited = arrived[0][1]  # of the first one that came
            told = f"at the webhook after {waited / 1000:.2f} s"
            ok = max(delay * 1000, waited) <= ALERT_WITHIN_MS
            note += "" if ok else f"; promised: within {ALERT_WITHIN_MS / 1000:.0f} s by both clocks"
        yield Line(f"alert: {expected.topic}, {expected.speed} rise", f"{expected.users} people", told, ok, note)
    excused = [alert for alert in firing if any(_answers_to(alert, expected) for expected in truth.alerts_expected)]
    wrong = [alert for alert in firing if alert not in excused]
    words = ", ".join(sorted({f"{alert['topic']} {alert['examples'][:1]}" for alert in wrong}))
    lures = "a lone spammer and a promotion flood were planted to cause some"
    yield Line("false alerts", "0", f"{len(wrong)}", not wrong, words or lures)


def _how_early(delay: float) -> str:
    """When the alert was raised, by the clock of the room (which the demo plays faster than it was)."""
    return f"raised {abs(delay):.1f} s of room time {'before' if delay < 0 else 'after'} the last planted sign of it"


def _answers_to(alert: dict[str, Any], expected: ExpectedAlert) -> bool:
    """The alert is of the expected rise: its topic or one of its words, fired between onset and a minute after its end."""
    about = alert["topic"] == expected.topic or bool(set(alert["words"]) & set(expected.words))
    return about and expected.onset_ts <= _ms(alert["ts"]) <= expected.end_ts + 60_000


def _answers(truth: Truth, found: Findings) -> Iterator[Line]:
    wanted = {asked.id: asked for family in truth.families for asked in family.asked if asked.faq}
    said = {answer["source_id"]: answer for answer in found.answers if answer["status"] != "unknown"}
    hit = [answer for identity, answer in said.items() if identity in wanted and answer["matched"] == wanted[identity].faq]
    given = [answer for answer in said.values() if answer["status"] == "given"]
    wrong = [
        answer
        for answer in given
        if answer["source_id"] in wanted and answer["matched"] and answer["matched"] != wanted[answer["source_id"]].faq
    ]
    share = len(hit) / max(len(wanted), 1)
    note = f"{len(given)} given, {len(wrong)} of them to another entry"
    yield Line("answerable questions met", f"{len(wanted):,}", f"{len(hit):,} ({share:.0%})", share >= ANSWERED, note)


def _moments(truth: Truth, found: Findings, whole_frames: int | None) -> Iterator[Line]:
    final = [moment for moment in found.highlights if moment["status"] == "final"]
    met = [planted for planted in truth.moments if any(_near(moment, planted) for moment in final)]
    extra = [moment for moment in final if not any(_near(moment, planted) for planted in truth.moments)]
    note = f"{len(extra)} beyond the planted" if extra else ""
    yield Line("highlights", f"{len(truth.moments)}", f"{len(met)}", len(met) == len(truth.moments), note)
    ready = [clip for clip in found.clips if clip["status"] == "ready"]
    exact = f", {whole_frames} exact to the frame" if whole_frames is not None else ""
    ok = len(ready) == len(final) and len(ready) > 0 and whole_frames == len(ready)
    yield Line("clips", f"{len(final)}", f"{len(ready)}{exact}", ok, "; ".join(c["reason"] for c in found.clips if c["reason"]))


def _near(moment: dict[str, Any], planted: PlantedMoment) -> bool:
    peak = _ms(moment["ts"])
    return planted.start_ts - MOMENT_WITHIN_MS <= peak <= planted.end_ts + MOMENT_WITHIN_MS


def _paragraphs(truth: Truth, found: Findings) -> Iterator[Line]:
    complete = [planted for planted in truth.paragraphs if planted.complete]
    got = [paragraph for paragraph in found.paragraphs if paragraph["status"] == "complete"]
    met = [
        planted
        for planted in complete
        if any(p["sku"] == planted.sku and _iou(p, planted.start_ts, planted.end_ts) >= OVERLAP for p in got)
    ]
    yield Line(
        "product paragraphs, complete",
        f"{len(complete)}",
        f"{len(met)}",
        len(met) == len(complete),
        f"{len(got)} said to be complete",
    )


def _iou(paragraph: dict[str, Any], start: int, end: int) -> float:
    a, b = _ms(paragraph["ts"]), _ms(paragraph["end_ts"])
    return max(0, min(b, end) - max(a, start)) / max(max(b, end) - min(a, start), 1)


def _replies(found: Findings) -> Line:
    """What the host was told to say, and whether each of it came to sound."""
    told, spoken = {command["id"] for command in found.commands}, {reply["command"] for reply in found.spoken}
    silent = [reply["reason"] for reply in found.replies if reply["type"] != "spoken"]
    note = "; ".join(part for part in (_latency(found), *sorted(set(silent))[:2]) if part)
    return Line("spoken replies", f"{len(told)} told", f"{len(spoken)}", bool(told) and spoken == told, note)


def _latency(found: Findings) -> str:
    totals = sorted(event["latency_ms"].get("total", 0.0) for event in found.spoken)
    simulated = sorted({stage for event in found.spoken for stage in event["simulated"]})
    if not totals:
        return ""
    return f"command to sound {totals[len(totals) // 2]:.0f} ms (median); simulated: {', '.join(simulated) or 'nothing'}"


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
