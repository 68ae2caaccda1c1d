"""One request through the gateway, over a log that the test holds, releases and breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.auth import bearer_key
from streams.gateway.intake import MOST_DAYS
from streams.gateway.memory_log import MemoryLog
from streams.gateway.skew import DAY_MS
from streams.records import RetryError, encode
from streams.topics import DEADLETTER, LETTER_VALUE_BYTES, partition_of
from tests.support.gateway import MASTER, NOW, Harness, answer, chat, gateway, lines, sale, until, viewer

GONE = RetryError("the broker is gone")


async def settle(task: asyncio.Task[Any]) -> None:
    """Let everything run that can run."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_every_kind_becomes_its_record() -> None:
    speech = {"kind": "speech", "id": "p1", "ts": NOW - 900, "end": NOW, "text": "三二一上链接"}
    product = {
        "kind": "product", "id": "x1", "ts": NOW, "sku": "A/1", "type": "show", "name": "衬衫", "price": "99.5",
        "attributes": {"颜色": "蓝"}, "faq": [{"question": "有蓝色吗", "answer": "有"}],
    }  # fmt: skip
    async with gateway() as g:
        told = await g.post(chat(), sale(), viewer(), speech, product, source="tap")
        assert answer(told) == (202, 5, 0, [])
        (envelope,), (sold,) = g.records("live.danmaku"), g.records("live.sales")
        (came,), (said,), (shown,) = g.records("live.viewers"), g.records("live.speech"), g.records("live.catalogue")
        for record in (envelope, sold, came, said, shown):
            assert (record.room, record.source, record.ingest_ts) == ("r1", "tap", NOW)
        assert [(m.id, m.text, m.event_ts, m.skew_ms) for m in envelope.messages] == [("c1", "有蓝色的吗", NOW, 0)]
        assert (sold.id, sold.type, sold.amount, sold.sku, sold.user) == ("s1", "order", 1230, "A1", "")
        assert (came.type, came.user) == ("enter", envelope.messages[0].user)
        assert (said.event_ts, said.end_ts, said.text) == (NOW - 900, NOW, "三二一上链接")
        assert (shown.sku, shown.price, shown.attributes, shown.faq[0].answer) == ("A/1", 9950, {"颜色": "蓝"}, "有")
        keys = {record.topic: record.key for record in g.log.records}
        assert keys["live.catalogue"] == b"r1/A/1"
        assert {key for topic, key in keys.items() if topic != "live.catalogue"} == {b"r1"}
        assert {record.partition for record in g.log.records} == {partition_of("r1", 4)}


async def test_an_accepted_event_is_in_the_log_when_the_answer_goes_out() -> None:
    async with gateway() as g:
        g.log.hold()
        posting = asyncio.create_task(g.post(chat(), sale()))
        await until(lambda: g.log.backlog == 2)
        await settle(posting)
        assert not posting.done()
        g.log.release()
        assert answer(await posting) == (202, 2, 0, [])
        assert len(g.log.records) == 2


async def test_people_are_hashed_and_names_dropped() -> None:
    async with gateway() as g:
        await g.post(chat(user="张三", name="三哥"), sale(user="张三"), viewer(user="张三"))
        message = g.records("live.danmaku")[0].messages[0]
        assert message.user == g.records("live.sales")[0].user == g.records("live.viewers")[0].user
        assert message.name == ""
        everything = b"".join(record.value + record.key for record in g.log.records)
        assert "张三".encode() not in everything
        assert "三哥".encode() not in everything


async def test_names_are_kept_where_that_is_set_and_ids_are_hashed_all_the_same() -> None:
    async with gateway(keep_names=True) as g:
        await g.post(chat(user="张三", name="三哥"))
        message = g.records("live.danmaku")[0].messages[0]
        assert message.name == "三哥"
        assert "张三" not in message.user


async def test_chat_travels_in_envelopes_in_order() -> None:
    async with gateway() as g:
        events = [chat(str(number), text=str(number)) for number in range(150)]
        assert answer(await g.post(*events)) == (202, 150, 0, [])
        assert [len(envelope.messages) for envelope in g.records("live.danmaku")] == [64, 64, 22]
        assert g.texts() == [str(number) for number in range(150)]


async def test_small_requests_share_an_envelope() -> None:
    async with gateway(envelope_messages=5, envelope_s=60) as g:
        answers = await asyncio.gather(*(g.post(chat(str(number))) for number in range(5)))
        assert [answer(one) for one in answers] == [(202, 1, 0, [])] * 5
        assert len(g.records("live.danmaku")) == 1


async def test_rooms_and_sources_do_not_share_an_envelope() -> None:
    async with gateway() as g:
        await asyncio.gather(g.post(chat(), room="a"), g.post(chat(), room="b"), g.post(chat(), room="a", source="other"))
        envelopes = g.records("live.danmaku")
        assert {(one.room, one.source) for one in envelopes} == {("a", "api"), ("b", "api"), ("a", "other")}


async def test_what_came_before_is_a_duplicate() -> None:
    async with gateway() as g:
        await g.post(chat("a"), sale("b"))
        assert answer(await g.post(chat("a", text="changed"), sale("b"), chat("c"))) == (202, 1, 2, [])
        assert answer(await g.post(chat("c"), source="other")) == (202, 1, 0, [])
        assert len(g.texts()) == 3
        assert g.meter.counted["gateway_events", "chat", "duplicate"] == 1
        assert g.meter.counted["gateway_events", "sale", "duplicate"] == 1


async def test_the_same_event_twice_in_one_request_is_one_event() -> None:
    async with gateway() as g:
        assert answer(await g.post(chat("a"), chat("a"), sale("a"), sale("a"))) == (202, 2, 2, [])
        assert len(g.log.records) == 2


async def test_an_event_on_its_way_is_waited_for_and_not_sent_again() -> None:
    async with gateway() as g:
        g.log.hold()
        first = asyncio.create_task(g.post(chat("a"), sale("b")))
        await until(lambda: g.log.backlog == 2)
        second = asyncio.create_task(g.post(sale("b"), chat("a")))
        await settle(second)
        assert not second.done()
        assert g.log.backlog == 2
        g.log.release()
        assert answer(await first) == (202, 2, 0, [])
        assert answer(await second) == (202, 0, 2, [])
        assert len(g.log.records) == 2


async def test_when_the_first_fails_those_who_waited_for_it_fail_too() -> None:
    async with gateway() as g:
        g.log.hold()
        both = [asyncio.create_task(g.post(sale("b"))) for _ in range(2)]
        await until(lambda: g.log.backlog == 1)
        g.log.fail(GONE)
        g.log.release()
        for task in both:
            told = await task
            assert told.status_code == 503
            assert told.headers["retry-after"] == "1"
            assert "the broker is gone" in told.json()["error"]
        g.log.fail(None)
        assert answer(await g.post(sale("b"))) == (202, 1, 0, [])


async def test_after_half_a_failure_the_whole_request_again_takes_the_rest() -> None:
    async with gateway() as g:
        g.log.fail(GONE, topic="live.viewers")
        request = (sale("a"), viewer("b"), chat("c"))
        assert answer(await g.post(*request))[:3] == (503, 0, 0)
        g.log.fail(None)
        assert answer(await g.post(*request)) == (202, 1, 2, [])
        assert sorted(record.topic for record in g.log.records) == ["live.danmaku", "live.sales", "live.viewers"]
        assert g.meter.counted["gateway_events", "viewer", "failed"] == 1


async def test_a_log_that_takes_longer_than_the_answer_doubles_nothing() -> None:
    async with gateway(answer_s=0.02) as g:
        g.log.hold()
        assert answer(await g.post(sale("a"), chat("b")))[:3] == (503, 0, 0)
        assert answer(await g.post(sale("a"), chat("b")))[:3] == (503, 0, 0)
        g.log.release()
        await until(lambda: g.log.backlog == 0)
        assert answer(await g.post(sale("a"), chat("b"))) == (202, 0, 2, [])
        assert len(g.log.records) == 2


async def full(g: Harness, records: int) -> asyncio.Task[Any]:
    """A log that does not answer and has so many records to do."""
    g.log.hold()
    posting = asyncio.create_task(g.post(*(sale(f"full-{number}") for number in range(records))))
    await until(lambda: g.log.backlog == records)
    return posting


async def test_under_pressure_chat_is_refused_and_sales_go_in() -> None:
    async with gateway(MemoryLog(most_records=4)) as g:
        filling = await full(g, 4)
        refused = await g.post(chat("a"))
        assert answer(refused) == (429, 0, 0, [0])
        assert refused.headers["retry-after"] == "1"
        assert "cannot keep up" in refused.json()["error"]
        mixed = asyncio.create_task(g.post(chat("a"), sale("b"), chat("c")))
        await until(lambda: g.log.backlog == 5)
        g.log.release()
        assert answer(await mixed) == (429, 1, 0, [0, 2])
        assert answer(await filling)[0] == 202
        assert answer(await g.post(chat("a"), sale("b"), chat("c"))) == (202, 2, 1, [])
        assert g.meter.counted["gateway_events", "chat", "shed"] == 3


async def test_sales_wait_for_their_place() -> None:
    async with gateway(MemoryLog(most_records=2)) as g:
        filling = await full(g, 4)
        waiting = asyncio.create_task(g.post(sale("late")))
        await settle(waiting)
        assert g.log.backlog == 4
        g.log.release()
        assert answer(await waiting) == (202, 1, 0, [])
        await filling


async def test_sales_that_find_no_place_are_told_503_and_nothing_was_taken() -> None:
    async with gateway(MemoryLog(most_records=2), answer_s=0.02) as g:
        filling = await full(g, 4)
        assert answer(await g.post(sale("late"), chat("c")))[:3] == (503, 0, 0)
        await filling
        g.log.release()
        await until(lambda: g.log.backlog == 0)
        assert answer(await g.post(sale("late"), chat("c"))) == (202, 2, 0, [])


async def test_a_room_over_its_rate_is_told_when_to_come_again() -> None:
    async with gateway(room_rate=10) as g:
        assert answer(await g.post(*(chat(str(number)) for number in range(50))))[:2] == (202, 50)
        refused = await g.post(chat("more"), sale("s"))
        assert answer(refused) == (429, 1, 0, [0])
        assert refused.headers["retry-after"] == "3"
        assert answer(await g.post(chat("x"), room="another")) == (202, 1, 0, [])
        g.clock.now += 3001
        assert answer(await g.post(chat("more"), sale("s"))) == (202, 1, 1, [])


async def test_a_wrong_clock_is_corrected_and_told() -> None:
    async with gateway() as g:
        wrong = NOW + 300_000
        told = await g.post(chat("a", wrong - 7), sale("b", wrong), chat("c", wrong - 3), viewer("d", wrong + 2))
        assert told.json()["skew_ms"] == -300_000
        (envelope,), (sold,) = g.records("live.danmaku"), g.records("live.sales")
        assert [(m.event_ts, m.skew_ms) for m in envelope.messages] == [(NOW - 7, -300_000), (NOW - 3, -300_000)]
        assert (sold.event_ts, sold.skew_ms) == (NOW, -300_000)
        assert g.meter.counted["gateway_skewed", "api"] == 4


async def test_both_times_of_speech_are_moved() -> None:
    async with gateway() as g:
        speech = {"kind": "speech", "id": "p", "ts": NOW + 600_000, "end": NOW + 601_000, "text": "好"}
        await g.post(speech)
        (said,) = g.records("live.speech")
        assert (said.event_ts, said.end_ts, said.skew_ms) == (NOW, NOW + 1000, -600_000)


@pytest.mark.parametrize("away_ms", [365 * DAY_MS, -8 * DAY_MS, 4_102_444_799_999 - NOW])
async def test_an_absurd_stamp_is_its_own_events_fault_and_nobody_else_is_moved(away_ms: int) -> None:
    chats = [chat(str(number), NOW - number * 10) for number in range(50)]
    absurd = sale("absurd", NOW + away_ms)
    async with gateway() as g:
        told = await g.post(*chats, sale("good"), absurd)
        assert answer(told) == (202, 51, 0, [51])
        assert "skew_ms" not in told.json()
        assert [m.event_ts - NOW for e in g.records("live.danmaku") for m in e.messages] == [-10 * n for n in range(50)]
        assert [(sold.id, sold.event_ts) for sold in g.records("live.sales")] == [("good", NOW)]
        (letter,) = g.records("live.deadletter")
        assert letter.value == lines(absurd)
        assert letter.reason == told.json()["rejected"][0]["reason"]
        assert "our clock" in letter.reason
        assert answer(await g.post(*chats, sale("good"), absurd)) == (202, 0, 51, [51])
        assert len(g.records("live.deadletter")) == 1


async def test_an_absurd_stamp_in_a_document_is_buried_with_its_bytes() -> None:
    absurd = chat("absurd", NOW - 30 * DAY_MS)
    body = json.dumps({"events": [sale("good"), absurd]}, ensure_ascii=False)
    async with gateway() as g:
        headers = {"Authorization": f"Bearer {bearer_key(MASTER, 'r1')}", "Content-Type": "application/json"}
        told = await g.client.post("/v1/rooms/r1/events", content=body.encode(), headers=headers)
        assert answer(told) == (202, 1, 0, [1])
        assert [json.loads(letter.value) for letter in g.records("live.deadletter")] == [absurd]


async def test_a_request_of_absurd_stamps_only_is_told_422() -> None:
    async with gateway() as g:
        told = await g.post(chat("a", NOW - 8 * DAY_MS))
        assert answer(told) == (422, 0, 0, [0])
        assert "clock=replay" in told.json()["rejected"][0]["reason"]


async def test_a_backlog_that_a_new_gateway_is_sent_keeps_its_times() -> None:
    async with gateway() as g:
        stamps = [NOW - 600_000 + number * 1000 for number in range(600)]
        for first in range(0, 600, 100):
            told = await g.post(*(sale(str(ts), ts) for ts in stamps[first : first + 100]))
            assert "skew_ms" not in told.json()
            g.clock.now += 200
        assert [sold.event_ts for sold in g.records("live.sales")] == stamps


async def test_a_replay_of_too_many_days_at_once_is_refused_and_nothing_is_taken() -> None:
    events = [viewer(str(number), NOW - number * DAY_MS) for number in range(MOST_DAYS + 1)]
    async with gateway() as g:
        told = await g.post(*events, clock="replay")
        assert told.status_code == 422
        assert f"on {MOST_DAYS + 1} days" in told.json()["error"]
        assert g.log.records == []
        assert answer(await g.post(*events[1:], clock="replay")) == (202, MOST_DAYS, 0, [])


async def test_late_events_are_left_late() -> None:
    async with gateway() as g:
        told = await g.post(chat("a", NOW - 60_000), chat("b", NOW))
        assert "skew_ms" not in told.json()
        assert [m.event_ts for m in g.records("live.danmaku")[0].messages] == [NOW - 60_000, NOW]


async def test_a_recording_that_is_played_keeps_its_times() -> None:
    async with gateway() as g:
        told = await g.post(chat("a", NOW - 10**10), sale("b", NOW + 10**10), clock="replay")
        assert "skew_ms" not in told.json()
        assert g.records("live.danmaku")[0].event_ts == NOW - 10**10
        assert g.records("live.sales")[0].event_ts == NOW + 10**10


async def test_bad_events_are_dead_letters_with_their_reason_and_bytes() -> None:
    async with gateway() as g:
        bad = chat("x", ts="yesterday")
        told = await g.post(chat("a"), b"{oops", bad, sale("b"))
        assert answer(told) == (202, 2, 0, [1, 2])
        letters = g.records("live.deadletter")
        assert [letter.value for letter in letters] == [b"{oops", lines(bad)]
        assert [letter.reason for letter in letters] == [one["reason"] for one in told.json()["rejected"]]
        for letter in letters:
            assert (letter.topic, letter.partition, letter.offset, letter.stage) == ("gateway", -1, -1, "gateway")
            assert (letter.room, letter.failed_ts) == ("r1", NOW)
        assert g.meter.counted["deadletters", "gateway"] == 2


async def test_a_request_without_a_readable_event_is_told_422_when_its_letters_are_kept() -> None:
    async with gateway() as g:
        told = await g.post(b"{oops", b"null")
        assert answer(told) == (422, 0, 0, [0, 1])
        assert len(g.records("live.deadletter")) == 2
        assert answer(await g.post(body=b"\n\n")) == (422, 0, 0, [])


async def test_letters_that_are_not_acknowledged_fail_the_request() -> None:
    async with gateway() as g:
        g.log.fail(GONE, topic="live.deadletter")
        assert answer(await g.post(b"{oops", chat("a")))[0] == 503
        g.log.fail(None)
        assert answer(await g.post(b"{oops", chat("a"))) == (202, 0, 1, [0])
        assert len(g.records("live.deadletter")) == 1


async def test_a_request_that_is_sent_again_does_not_bury_twice_but_two_requests_do() -> None:
    async with gateway() as g:
        for _ in range(2):
            assert answer(await g.post(b"{oops", b"{oops", chat("a")))[3] == [0, 1]
        assert len(g.records("live.deadletter")) == 2
        await g.post(b"{oops", chat("b"))
        assert len(g.records("live.deadletter")) == 3


@pytest.mark.parametrize("field", ["type", "kind", "ts", "note"])
@pytest.mark.parametrize("size", [100, 999_000, LETTER_VALUE_BYTES - 200, LETTER_VALUE_BYTES, 4_000_000])
async def test_a_bad_event_of_any_size_is_a_letter_that_its_topic_takes(field: str, size: int) -> None:
    poison = lines(viewer("x") | {"type": "nothing", field: "长" * (size // 3)})
    async with gateway() as g:
        told = await g.post(sale("good"), poison)
        assert answer(told) == (202, 1, 0, [1])
        assert len(told.content) < 2_000
        (letter,) = g.records("live.deadletter")
        assert len(encode(letter)) < DEADLETTER.max_bytes
        assert letter.value == poison[:LETTER_VALUE_BYTES]
        assert letter.cut == (len(poison) > LETTER_VALUE_BYTES)
        assert answer(await g.post(sale("good"), poison)) == (202, 0, 1, [1])


async def test_what_waits_for_company_is_sent_when_the_gateway_stops() -> None:
    log = MemoryLog()
    async with gateway(log, envelope_s=60) as g:
        posting = asyncio.create_task(g.post(chat("a")))
        await settle(posting)
        assert g.log.records == []
    assert len(log.records) == 1
    assert answer(await posting) == (202, 1, 0, [])


events = st.one_of(
    st.builds(chat, st.sampled_from("abcde")),
    st.builds(sale, st.sampled_from("abcde")),
    st.builds(viewer, st.sampled_from("abcde")),
    st.sampled_from([b"{", b"null", b"7", json.dumps(chat(ts=1)).encode()]),
)


@given(st.lists(st.lists(events, min_size=1, max_size=12), min_size=1, max_size=6), st.integers(1, 4))
def test_every_event_is_accounted_for_and_in_the_log_once(requests: list[list[Any]], size: int) -> None:
    async def play() -> None:
        async with gateway(envelope_messages=size, envelope_s=0) as g:
            told = await asyncio.gather(*(g.post(*request) for request in requests))
            for request, one in zip(requests, told, strict=True):
                status, accepted, duplicates, rejected = answer(one)
                assert accepted + duplicates + len(rejected) == len(request)
                assert rejected == [place for place, event in enumerate(request) if isinstance(event, bytes)]
                assert status == (422 if len(rejected) == len(request) else 202)
            wanted = {(event["kind"], event["id"]) for request in requests for event in request if isinstance(event, dict)}
            chats = [("chat", message.id) for envelope in g.records("live.danmaku") for message in envelope.messages]
            rest = [("sale", r.id) for r in g.records("live.sales")] + [("viewer", r.id) for r in g.records("live.viewers")]
            assert sorted(chats + rest) == sorted(wanted)

    asyncio.run(play())


async def test_sources_do_not_make_metrics_without_end() -> None:
    async with gateway(envelope_s=0) as g:
        for number in range(210):
            await g.post(chat(ts=NOW + 10**6), source=f"s{number}")
        labels = {name[1] for name in g.meter.counted if name[0] == "gateway_skewed"}
        assert len(labels) == 201
        assert "other" in labels
