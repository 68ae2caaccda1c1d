"""The comprehension operator: each message once, understood, and the same whatever was seen before."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.comprehension import HORIZON_MS, LIMIT, Comprehender, Comprehension, understand
from streams.agents.comprehension import AGENT
from streams.records import Chat, ComprehendedEnvelope, DanmakuEnvelope, Record, Sale, UnderstoodChat, encode
from tests.analytics.contract import check_hash_seeds, check_operator
from tests.analytics.labelled import OPEN_DATA

START = 1_700_000_000_000
TWITCH = OPEN_DATA / "danmaku/twitch_zh/VoD_104703028.jsonl.gz"


def envelope(texts: list[str], first: int = 0, *, room: str = "r", source: str = "s", ts: int = START) -> DanmakuEnvelope:
    chats = [Chat(str(first + n), ts + n, f"u{n}", text, 7, "name") for n, text in enumerate(texts)]
    return DanmakuEnvelope(room=room, event_ts=ts + len(texts), ingest_ts=ts + 100, source=source, messages=chats)


STEPS: list[Record] = [
    envelope(["多少钱", "哈哈哈哈哈", "假 貨", "多少钱"]),
    envelope(["多少钱", "太好看了"], 2),
    envelope(["多少钱", "？？？", "", "\0"], room="q"),
    envelope(["退钱"], source="t"),
    envelope(["多少钱", "退钱"], ts=START + 700_000),
]


def test_battery() -> None:
    check_operator(Comprehension, STEPS)
    check_hash_seeds("analytics.comprehension:Comprehension", STEPS)


def test_messages_are_understood_in_order_with_their_own_fields() -> None:
    source = envelope(["多少钱", "假 貨"])
    (out,) = Comprehension().feed(source, 5)
    assert isinstance(out, ComprehendedEnvelope)
    assert (out.room, out.source, out.event_ts, out.ingest_ts) == ("r", "s", source.event_ts, source.ingest_ts)
    for chat, said in zip(source.messages, out.messages, strict=True):
        assert (said.id, said.event_ts, said.user, said.text, said.skew_ms, said.name) == (
            chat.id, chat.event_ts, chat.user, chat.text, chat.skew_ms, chat.name,
        )  # fmt: skip
    price, fake = out.messages
    assert (price.folded, price.intent, price.sentiment, price.hits) == ("多少钱", "ask_price", "neutral", [])
    assert (fake.folded, fake.sentiment, fake.hits[0].word, fake.hits[0].disguised) == ("假货", "negative", "假货", True)


def test_each_message_once_by_room_source_and_id() -> None:
    operator = Comprehension()
    assert len(said(operator.feed(envelope(["好", "好"]), 0))) == 2
    assert operator.feed(envelope(["好", "别的"]), 1) == (), "an envelope of repeats says nothing"
    assert [m.id for m in said(operator.feed(envelope(["好", "好"], 1), 2))] == ["2"]
    assert len(said(operator.feed(envelope(["好"], room="q"), 3))) == 1
    assert len(said(operator.feed(envelope(["好"], source="t"), 4))) == 1
    assert len(said(operator.feed(envelope(["好"], ts=START + 700_000), 5))) == 1, "after the horizon an id is new again"


def test_a_foreign_kind_and_a_tick_say_nothing() -> None:
    sale = Sale(room="r", event_ts=1, ingest_ts=1, id="1", source="s", type="order")
    assert Comprehension().feed(sale, 0) == ()
    assert Comprehension().tick(START, 0) == ()


def test_the_state_stays_small() -> None:
    operator = Comprehension(limit=2_000)
    for number in range(100):
        operator.feed(envelope(["好"] * 64, number * 64), number)
    assert len(operator.dump()) < 2_000 * 8 + 2_000


def test_how_long_repeats_are_known_is_told() -> None:
    operator = Comprehension(limit=100)
    assert operator.gauges() == {"dedupe_horizon_seconds": 600.0}
    for number in range(10):
        operator.feed(envelope(["好"] * 20, number * 20, ts=START + number * 2_000), number)
    assert operator.gauges() == {"dedupe_horizon_seconds": 10.0}, "the five newest envelopes, two seconds apart"
    assert operator.feed(envelope(["好"] * 20, 5 * 20, ts=START + 18_000), 10) == (), "within it a repeat is one"
    again = Comprehension(limit=100)
    again.load(operator.dump())
    assert again.gauges() == operator.gauges()
    operator.feed(envelope(["好"], 900, ts=START + 700_000), 11)
    assert operator.gauges() == {"dedupe_horizon_seconds": 600.0}, "the crowd is gone"


def test_the_horizon_holds_at_three_hundred_messages_a_second() -> None:
    assert LIMIT >= 300 * HORIZON_MS // 1000


@given(st.lists(st.sampled_from(["多少钱", "哈哈哈", "假货", "", "？", "jia货", "好看吗", "好看"]), max_size=20))
def test_what_was_seen_before_changes_no_meaning(texts: list[str]) -> None:
    comprehender = Comprehender()
    assert [comprehender.understand(text) for text in texts] == [understand(text) for text in texts]


@given(st.text(st.characters(exclude_categories=()), max_size=600))
def test_understands_anything(text: str) -> None:
    assert understand(text) == understand(text)


def test_the_agent() -> None:
    assert AGENT.mode == "direct"
    assert isinstance(AGENT.operator(), Comprehension)


@pytest.mark.skipif(not TWITCH.exists(), reason="the open recordings are not beside the repository")
def test_a_real_stream_loses_and_invents_nothing() -> None:
    with gzip.open(TWITCH, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:6_000]
    chats = [Chat(str(n), row["ts_ms"], row["user"], row["text"]) for n, row in enumerate(rows)]
    operator = Comprehension()
    out: list[UnderstoodChat] = []
    for start in range(0, len(chats), 50):  # every envelope overlaps the one before: a gateway that was killed sends again
        part = chats[max(0, start - 14) : start + 50]
        record = DanmakuEnvelope(room="r", event_ts=part[-1].event_ts, ingest_ts=START + start, source="s", messages=part)
        out += said(operator.feed(record, start))
    assert [(m.id, m.user, m.text) for m in out] == [(c.id, c.user, c.text) for c in chats]
    assert all(encode(m) for m in out)


def said(records: Sequence[Record]) -> list[UnderstoodChat]:
    (out,) = records
    assert isinstance(out, ComprehendedEnvelope)
    return out.messages
