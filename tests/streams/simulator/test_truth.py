"""The answer sheet against an independent recount of the bytes that are sent."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.gateway.border import read_event, read_lines
from streams.records import InvalidError
from streams.sources.simulator import Simulation, Truth, read_truth, write_truth
from streams.sources.simulator.opinion import SPAM_COUNT
from tests.streams.simulator.conftest import BASE


@pytest.fixture(scope="module")
def lines(room: Simulation) -> list[bytes]:
    return [event.line for event in room.events()]


@pytest.fixture(scope="module")
def good(lines: list[bytes]) -> list[dict[str, Any]]:
    """Every line that the gateway's border takes, in order of arrival, repeats included."""
    batch = read_lines(b"\n".join(lines), len(lines))
    return [json.loads(lines[place]) for place in batch.places]


@pytest.fixture(scope="module")
def unique(good: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for event in good:
        found[event["kind"]].setdefault(event["id"], event)
    return found


def test_exactly_the_poison_is_refused(lines: list[bytes], truth: Truth) -> None:
    refused = []
    for line in lines:
        try:
            read_event(line)
        except InvalidError:
            refused.append(hashlib.sha256(line).hexdigest())
    assert sorted(refused) == sorted(poison.sha256 for poison in truth.poison)
    assert len({poison.why for poison in truth.poison}) == len(truth.poison) >= 10
    assert max(map(len, lines)) < 500_000


def test_counts(unique: dict[str, dict[str, Any]], good: list[dict[str, Any]], lines: list[bytes], truth: Truth) -> None:
    assert {kind: len(events) for kind, events in unique.items()} == truth.events
    assert truth.sent == len(lines) == len(good) + len(truth.poison)
    assert sum(truth.chat_by_class.values()) == truth.events["chat"]
    assert Counter(event["type"] for event in unique["sale"].values()) == truth.sales_by_type
    assert Counter(event["type"] for event in unique["viewer"].values()) == truth.viewers_by_type


def test_repeats_are_the_same_to_the_byte_and_counted(good: list[dict[str, Any]], truth: Truth) -> None:
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    repeats: Counter[str] = Counter()
    for event in good:
        first = seen.setdefault((event["kind"], event["id"]), event)
        if first is not event:
            assert first == event
            repeats[event["kind"]] += 1
    assert repeats == truth.duplicates
    assert 0.01 < sum(repeats.values()) / len(seen) < 0.03


def test_disorder_and_lateness(room: Simulation, truth: Truth) -> None:
    newest, late, behind, seen = 0, 0, 0, set()
    for event in room.events():
        try:
            body = read_event(event.line)
        except InvalidError:
            continue
        if (type(body), body.id) in seen or b'"kind":"speech"' in event.line:
            continue
        seen.add((type(body), body.id))
        late += event.at - body.ts > 3_000
        behind += body.ts < newest
        newest = max(newest, body.ts)
        assert event.at - body.ts < 60_000
    assert late == truth.late > 10
    assert truth.disordered > 100
    assert behind > truth.disordered / 2


def test_sales(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    paid: Counter[str] = Counter()
    refunded: Counter[str] = Counter()
    for sale in unique["sale"].values():
        if sale["type"] == "pay":
            paid[sale["sku"]] += int(Decimal(sale["amount"]) * 100)
        elif sale["type"] == "refund":
            refunded[sale["sku"]] += int(Decimal(sale["amount"]) * 100)
    assert {sku: totals.gmv for sku, totals in truth.sales_by_sku.items() if totals.gmv} == paid
    assert truth.sales.gmv == sum(paid.values()) > 0
    assert truth.sales.refunded == sum(refunded.values()) > 0
    assert truth.sales.orders == sum(totals.orders for totals in truth.sales_by_sku.values())
    orders = {sale["order"]: sale for sale in unique["sale"].values() if sale["type"] == "order"}
    assert len(orders) == truth.sales.orders
    for sale in unique["sale"].values():
        if sale["type"] in ("pay", "refund"):
            assert orders[sale["order"]]["ts"] < sale["ts"]
            assert orders[sale["order"]]["amount"] == sale["amount"]


def test_viewers_who_leave_had_come(unique: dict[str, dict[str, Any]]) -> None:
    came = {event["user"]: event["ts"] for event in unique["viewer"].values() if event["type"] == "enter"}
    left = [event for event in unique["viewer"].values() if event["type"] == "leave"]
    assert len(left) > 100
    assert all(event["ts"] - came[event["user"]] == event["dwell_ms"] for event in left)


def test_what_is_said(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    heard = sorted((event["ts"], event["end"], event["text"]) for event in unique["speech"].values())
    assert heard == [(said.start_ts, said.end_ts, said.text) for said in truth.speech]


def test_paragraphs_stand_where_their_sentences_are(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    pins = {(event["sku"], event["ts"]) for event in unique["product"].values() if event["type"] == "pin"}
    for paragraph in truth.paragraphs:
        own = [said for said in truth.speech if said.sku == paragraph.sku and said.start_ts <= paragraph.end_ts]
        assert (own[0].start_ts, own[-1].end_ts) == (paragraph.start_ts, paragraph.end_ts)
        for stage, start in paragraph.stages.items():
            assert start == min(said.start_ts for said in own if said.stage == stage)
        assert paragraph.complete == ({"intro", "feature", "price", "cta"} <= set(paragraph.stages))
        assert (paragraph.sku, paragraph.start_ts) in pins


def test_questions(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    sheets: dict[str, set[str]] = {}
    for event in unique["product"].values():
        assert event["name"]
        assert event["attributes"]
        sheets[event["sku"]] = {pair["question"] for pair in event["faq"]}
    asked = [question for family in truth.families for question in family.asked]
    assert len({question.id for question in asked}) == len(asked) == truth.chat_by_class["question"]
    for question in asked:
        chat = unique["chat"][question.id]
        assert (chat["text"], chat["ts"]) == (question.text, question.ts)
        assert not question.faq or question.faq in sheets[question.sku]
    assert sum(bool(question.faq) for question in asked) > len(asked) / 3
    assert any(not question.faq for question in asked)
    assert sum(len(family.asked) >= 5 for family in truth.families) >= 30


def test_evidence_by_the_stated_rule(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    """Users counted anew from the bytes; sentences differ by construction, so users decide."""
    chat = sorted(unique["chat"].values(), key=lambda event: event["ts"])
    for alert in truth.alerts_expected:
        own = set(alert.messages)
        assert all(alert.onset_ts <= unique["chat"][message]["ts"] < alert.end_ts for message in own)
        first = None
        for event in chat:
            if event["id"] in own:
                window = [other for other in chat if event["ts"] - 8_000 < other["ts"] <= event["ts"]]
                users = {other["user"] for other in window if other["id"] in own}
                if len(users) >= 8 and len(users) / len(window) >= 0.05:
                    first = event
                    break
        assert first is not None
        assert (first["id"], first["ts"]) == (alert.evidence_id, alert.evidence_ts)
        assert alert.users >= 20
        plain = sum(alert.words[0] in unique["chat"][message]["text"] for message in own)
        assert 0 < plain < len(own) * 0.6
    assert truth.alerts_expected[0].evidence_ts - truth.alerts_expected[0].onset_ts > 8_000
    assert truth.alerts_expected[1].evidence_ts - truth.alerts_expected[1].onset_ts < 8_000


def test_evidence_is_delivered_in_time(room: Simulation, truth: Truth) -> None:
    planted = {message for alert in truth.alerts_expected for message in alert.messages}
    arrived: dict[str, int] = {}
    for event in room.events():
        if b'"kind":"chat"' in event.line:
            try:
                body = read_event(event.line)
            except InvalidError:
                continue
            arrived.setdefault(body.id, event.at - body.ts)
    assert max(arrived[message] for message in planted) < 300


def test_what_must_not_alarm(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    by_reason = {alert.reason: alert for alert in truth.alerts_forbidden}
    spam, promotion = by_reason["one spammer"], by_reason["promotion"]
    assert len(spam.messages) == SPAM_COUNT
    assert len({unique["chat"][message]["user"] for message in spam.messages}) == spam.users == 1
    assert len({unique["chat"][message]["user"] for message in promotion.messages}) == promotion.users >= 150


def test_moments_have_their_crowd_and_their_orders(unique: dict[str, dict[str, Any]], truth: Truth) -> None:
    orders = [sale["ts"] for sale in unique["sale"].values() if sale["type"] == "order"]
    calm = len(orders) / 360
    for moment in truth.moments:
        assert moment.start_ts < moment.peak_ts < moment.end_ts
        assert 4_000 < moment.chat_peak_ts - moment.peak_ts < 20_000
        assert 10_000 < moment.order_peak_ts - moment.peak_ts < 60_000
        assert sum(moment.peak_ts + 10_000 <= ts < moment.peak_ts + 60_000 for ts in orders) >= moment.orders > 50 * calm
    for decoy in truth.decoys:
        assert decoy.messages >= 100
        assert sum(decoy.start_ts <= ts < decoy.end_ts for ts in orders) < 8


def test_the_sheet_is_written_and_read(truth: Truth, tmp_path: Path) -> None:
    write_truth(truth, tmp_path / "deep" / "truth.json")
    assert read_truth(tmp_path / "deep" / "truth.json") == truth
    assert json.loads((tmp_path / "deep" / "truth.json").read_text())["base_ts"] == BASE
