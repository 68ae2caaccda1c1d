"""Highlights: planted moments are found where they are, and what only looks like one is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest

from analytics.highlight_judge import AFTER_S, BEFORE_S, FEWEST_PEOPLE, FEWEST_TEXTS
from analytics.highlights import HighlightOperator
from analytics.moment import AROUND_S, Bin, new_signals
from streams.records import ComprehendedEnvelope, Highlight, Product, Record, Sale, UnderstoodChat
from tests.analytics.contract import Step, check_hash_seeds, check_operator, play
from tests.analytics.rooms import simulated
from tests.analytics.talk import START, at_once, chat, order

SECOND = 1_000


def murmur(seconds: int, rate: int = 6, seed: int = 1) -> list[UnderstoodChat]:
    """A dull room."""
    rng = random.Random(seed)
    return [
        chat(START + second * SECOND + index * 150, f"u{rng.randrange(500)}", f"闲聊第{rng.randrange(900)}句")
        for second in range(seconds)
        for index in range(rng.randint(rate - 2, rate + 2))
    ]


def cheer(at: int, count: int = 80, spread_s: int = 12, lag_s: int = 12, seed: int = 2) -> list[UnderstoodChat]:
    """Many people who are beside themselves, around the lag after second ``at``."""
    rng = random.Random(seed)
    messages = []
    for index in range(count):
        ts = START + int((at + lag_s - spread_s / 2 + spread_s * rng.betavariate(2, 2)) * SECOND)
        messages.append(chat(ts, f"c{index}", f"太值了第{index}次冲啊！！！", sentiment="positive"))
    return messages


def orders(at: int, count: int = 40, lag_s: int = 35, first: int = 0, sku: str = "sku-1") -> list[Record]:
    rng = random.Random(3)
    return [
        order(START + int((at + lag_s - 12 + 24 * rng.betavariate(2, 2)) * SECOND), first + index, sku=sku)
        for index in range(count)
    ]


def trickle(seconds: int) -> list[Record]:
    """An order now and then, so that the room is known to sell."""
    return [order(START + second * SECOND, 100_000 + second, sku="sku-0") for second in range(5, seconds, 20)]


def merged(messages: list[UnderstoodChat], sales: list[Record], room: str = "r") -> list[Record]:
    messages = sorted(messages, key=lambda message: message.event_ts)
    records: list[Record] = [*at_once(messages, room), *(msgspec.structs.replace(sale, room=room) for sale in sales)]
    return sorted(records, key=lambda record: record.ingest_ts)


def told(steps: Sequence[Step], operator: HighlightOperator | None = None) -> list[Highlight]:
    outputs = [record for outputs in play(operator or HighlightOperator(), steps) for record in outputs]
    assert all(isinstance(record, Highlight) for record in outputs)
    return [record for record in outputs if isinstance(record, Highlight)]


def ticked(records: Sequence[Record]) -> list[Step]:
    """With a tick every second, by the clock of those who read along."""
    first, last = records[0].ingest_ts, records[-1].ingest_ts
    stamped: list[tuple[int, Step]] = [(record.ingest_ts, record) for record in records]
    return [step for _, step in sorted([*stamped, *((ts, ts) for ts in range(first, last, SECOND))], key=lambda pair: pair[0])]


def test_a_moment_is_provisional_then_final() -> None:
    steps = ticked(merged([*murmur(420), *cheer(240)], [*trickle(420), *orders(240)]))
    provisional, final = told(steps)
    assert (provisional.status, final.status) == ("provisional", "final")
    assert provisional.id == final.id == f"highlight:r:{provisional.event_ts // SECOND}"
    assert abs(final.event_ts - START - 240 * SECOND) <= 5 * SECOND
    assert (final.start_ts, final.end_ts) == (final.event_ts - BEFORE_S * SECOND, final.event_ts + AFTER_S * SECOND)
    assert 25 * SECOND <= provisional.ingest_ts - provisional.event_ts <= 27 * SECOND
    assert 90 * SECOND <= final.ingest_ts - provisional.event_ts <= 93 * SECOND  # the shop is silent then
    assert min(final.score, final.chat_z, final.emotion_z, final.orders_z) > 2
    assert final.sku == "sku-1"
    assert final.title == "sku-1 · 40 单"


def test_excitement_without_orders_is_withdrawn_in_a_room_that_sells() -> None:
    assert [h.status for h in told(merged([*murmur(420), *cheer(240)], trickle(420)))] == ["provisional", "withdrawn"]


def test_orders_without_excitement_are_no_moment() -> None:
    assert told(merged(murmur(420), [*trickle(420), *orders(240)])) == []


def test_a_room_without_sales_is_judged_by_chat_alone() -> None:
    final = told(merged([*murmur(420), *cheer(240)], []))[-1]
    assert final.status == "final"
    assert final.orders_z == 0
    assert final.title.startswith("弹幕：太值了")


def test_the_opening_is_left_out() -> None:
    assert told(merged([*murmur(300), *cheer(60)], [*trickle(300), *orders(60)])) == []


def test_a_lottery_flood_is_no_moment_even_when_orders_come() -> None:
    flood = [chat(START + 240 * SECOND + index * 40, f"f{index}", "我要福袋！！！") for index in range(500)]
    assert [h for h in told(merged([*murmur(420), *flood], [*trickle(420), *orders(228)])) if h.status == "final"] == []


def test_one_person_is_no_crowd() -> None:
    alone = [msgspec.structs.replace(message, user="one") for message in cheer(240, 200)]
    assert told(merged([*murmur(420), *alone], [*trickle(420), *orders(240)])) == []


def test_a_dull_hour_has_no_highlight() -> None:
    assert told(merged(murmur(3_600, 5), trickle(3_600))) == []


def test_an_order_that_is_placed_and_paid_counts_once() -> None:
    placed = [order(START + 270 * SECOND + n * 300, n, kind="order") for n in range(30)]
    paid = [order(START + 274 * SECOND + n * 300, n, kind="pay") for n in range(30)]
    final = told(merged([*murmur(420), *cheer(240)], [*trickle(420), *placed, *paid]))[-1]
    assert final.title == "sku-1 · 30 单"


def test_the_title_names_the_product() -> None:
    sheet = Product(
        room="r", event_ts=START, ingest_ts=START, id="p", source="s", sku="sku-1", type="show", name="云朵羊毛针织衫"
    )
    final = told([sheet, *merged([*murmur(420), *cheer(240)], [*trickle(420), *orders(240)])])[-1]
    assert final.title == "云朵羊毛针织衫 · 40 单"


def test_a_room_that_falls_silent_is_closed_by_a_tick() -> None:
    steps = merged([*murmur(300), *cheer(240)], [*trickle(300), *orders(240)])
    end = START + 301 * SECOND
    closing = [end + second * SECOND for second in range(1, 40)]
    statuses = [h.status for h in told([*steps, *closing])]
    assert statuses == ["provisional", "final"]
    assert [h.status for h in told(steps)] == ["provisional"]


def test_a_stall_just_before_a_moment_does_not_lose_it() -> None:
    records = merged([*murmur(420), *cheer(240)], [*trickle(420), *orders(240)])
    before = [record for record in records if record.ingest_ts < START + 246 * SECOND]
    stalled = [msgspec.structs.replace(record, ingest_ts=record.ingest_ts + 60 * SECOND) for record in records[len(before) :]]
    ticks = [START + (250 + second) * SECOND for second in range(50)]
    assert [h.status for h in told([*before, *ticks, *stalled])] == ["provisional", "final"]


def test_a_recording_from_another_day_starts_the_room_afresh() -> None:
    first = merged([*murmur(420), *cheer(240)], [*trickle(420), *orders(240)])
    day = 86_400 * SECOND
    second: list[Record] = []
    for step in first:
        moved = msgspec.structs.replace(step, event_ts=step.event_ts - day, ingest_ts=step.ingest_ts + 500 * SECOND)
        if isinstance(moved, ComprehendedEnvelope):
            messages = [msgspec.structs.replace(m, event_ts=m.event_ts - day) for m in moved.messages]
            moved = msgspec.structs.replace(moved, messages=messages)
        elif isinstance(moved, Sale):
            moved = msgspec.structs.replace(moved, order=moved.order + "-b")
        second.append(moved)
    statuses = [h.status for h in told([*first, *second])]
    assert statuses == ["provisional", "final"] * 2


def test_sales_that_arrive_some_seconds_after_chat_count() -> None:
    late = [msgspec.structs.replace(sale, ingest_ts=sale.ingest_ts + 6 * SECOND) for sale in orders(240)]
    assert told(merged([*murmur(420), *cheer(240)], [*trickle(420), *late]))[-1].status == "final"


def after_a_pause(records: Sequence[Record], start_s: int, end_s: int, first: type[Record]) -> list[Step]:
    """As a reader meets them that was away: of what came meanwhile, all records of one kind before the others."""
    start, end = START + start_s * SECOND, START + end_s * SECOND
    missed = [record for record in records if start <= record.ingest_ts < end]
    before = [record for record in records if record.ingest_ts < start]
    after = [record for record in records if record.ingest_ts >= end]
    ahead = [record for record in missed if isinstance(record, first)]
    behind = [record for record in missed if not isinstance(record, first)]
    return [*ticked(before), end, *ahead, end + SECOND, *behind, end + 2 * SECOND, *ticked(after)]


def statuses(found: Sequence[Highlight]) -> list[tuple[str, str, int, float]]:
    return [(h.id, h.status, h.event_ts, h.score) for h in found]


@pytest.mark.parametrize("first", [Sale, ComprehendedEnvelope])
@pytest.mark.parametrize("away_s", [10, 30, 60, 110])
@pytest.mark.parametrize("until_s", [254, 275, 320, 345])
def test_whichever_topic_comes_first_after_a_pause_of_the_reader_the_moments_are_the_same(
    first: type[Record], away_s: int, until_s: int
) -> None:
    records = merged([*murmur(480), *cheer(240)], [*trickle(480), *orders(240)])
    operator = HighlightOperator()
    found = told(after_a_pause(records, until_s - away_s, until_s, first), operator)
    assert operator.gauges() == {"refused": 0, "late": 0}
    plain = told(ticked(records))
    assert [h.status for h in plain] == ["provisional", "final"]
    assert statuses(found)[-1] == statuses(plain)[-1]
    assert {h.id for h in found} == {plain[0].id}


def test_after_a_long_time_away_sales_may_all_come_before_their_chat() -> None:
    records = merged([*murmur(1_200), *cheer(240), *cheer(900)], [*trickle(1_200), *orders(240), *orders(900, first=500)])
    sales = [record for record in records if isinstance(record, Sale)]
    found = told([*sales, *(record for record in records if not isinstance(record, Sale))])
    assert [h.status for h in found] == ["provisional", "final"] * 2


@pytest.mark.parametrize("ahead_s", [-8, 2, 6, 10])
def test_a_shop_whose_clock_is_another_makes_no_chat_late(ahead_s: int) -> None:
    shifted = [msgspec.structs.replace(s, event_ts=s.event_ts + ahead_s * SECOND) for s in [*trickle(420), *orders(240)]]
    shifted = [sale for sale in shifted if sale.event_ts >= START]
    operator = HighlightOperator()
    found = told(ticked(merged([*murmur(420), *cheer(240)], shifted)), operator)
    assert [h.status for h in found] == ["provisional", "final"]
    assert operator.gauges() == {"refused": 0, "late": 0}


def test_a_shop_whose_clock_is_a_minute_ahead_loses_no_chat() -> None:
    shifted = [msgspec.structs.replace(s, event_ts=s.event_ts + 60 * SECOND) for s in [*trickle(420), *orders(240)]]
    operator = HighlightOperator()
    assert told(ticked(merged([*murmur(420), *cheer(240)], shifted)), operator)[0].status == "provisional"
    assert operator.gauges() == {"refused": 0, "late": 0}


@pytest.mark.parametrize("gap_s", [66, 120, 200, 290])
def test_a_room_that_holds_its_breath_tells_a_moment_once_a_record(gap_s: int) -> None:
    """One message may move time by minutes: a moment that began and ended in them is told as it ended."""
    messages = [*murmur(900), *cheer(240)]
    start, end = START + 256 * SECOND, START + (256 + gap_s) * SECOND
    quiet = merged([message for message in messages if not start < message.event_ts < end], [])
    seen = [(h.id, h.revision) for h in told(quiet)]
    assert seen
    assert len(set(seen)) == len(seen)


def test_a_host_who_plays_music_while_orders_go_on_is_judged() -> None:
    records = merged([*murmur(300), *cheer(240)], [*trickle(500), *orders(240)])
    assert [h.status for h in told(ticked(records))] == ["provisional", "final"]


def test_a_recording_that_is_played_twice_gives_its_moments_twice() -> None:
    records = merged([*murmur(500), *cheer(240)], [*trickle(500), *orders(240)])
    again = [msgspec.structs.replace(record, ingest_ts=record.ingest_ts + 600 * SECOND) for record in records]
    found = told([*ticked(records), *ticked(again)])
    assert [h.status for h in found] == ["provisional", "final"] * 2


def test_a_room_without_names_has_moments() -> None:
    records = merged([msgspec.structs.replace(m, user="") for m in [*murmur(420), *cheer(240)]], [*trickle(420), *orders(240)])
    assert [h.status for h in told(ticked(records))] == ["provisional", "final"]


def test_sales_without_chat_leave_a_bounded_state() -> None:
    operator = HighlightOperator()
    told([order(START + second * SECOND, second) for second in range(8_000)], operator)
    assert len(operator.dump()) < 120_000


def test_battery() -> None:
    records = [
        *merged([*murmur(260, 3), *cheer(150)], [*trickle(260), *orders(150)], "a"),
        *merged([*murmur(260, 3, 5), *cheer(170, seed=7)], [*trickle(260), *orders(170)], "b"),
    ]
    records.sort(key=lambda record: record.ingest_ts)
    steps: list[Step] = [*records, START + 290 * SECOND, START + 300 * SECOND]
    outputs = check_operator(HighlightOperator, steps, silence_ms=3_600 * SECOND, crashes=8)
    assert {record.room for record in outputs} == {"a", "b"}
    check_hash_seeds("analytics.highlights:HighlightOperator", steps)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_simulated_room_gives_its_planted_moments_and_no_other(seed: int) -> None:
    simulation, records = simulated(seed)
    found = told([*records, records[-1].ingest_ts + 20 * SECOND])
    finals = [h for h in found if h.status == "final"]
    planted = simulation.truth().moments
    assert len(finals) == len(planted) == 2
    for moment, final in zip(planted, finals, strict=True):
        assert abs(final.event_ts - moment.peak_ts) <= 10 * SECOND
        assert final.sku == moment.sku


def test_a_message_minutes_ahead_closes_no_second() -> None:
    records = merged([*murmur(420), *cheer(240)], [*trickle(420), *orders(240)])
    wrong = merged([chat(START + 200 * SECOND, "wrong", "穿越了")], [])[0]
    assert isinstance(wrong, ComprehendedEnvelope)
    ahead = [msgspec.structs.replace(wrong.messages[0], event_ts=START + 490 * SECOND)]
    at = next(index for index, record in enumerate(records) if record.ingest_ts > wrong.ingest_ts)
    plain = [(h.id, h.status) for h in told(records)]
    operator = HighlightOperator()
    found = told([*records[:at], msgspec.structs.replace(wrong, messages=ahead), *records[at:]], operator)
    assert [(h.id, h.status) for h in found] == plain
    assert operator.gauges() == {"refused": 0, "late": 0}


def test_the_state_of_an_excited_room_that_sells_is_small() -> None:
    cheers = [message for at in range(0, 900, 12) for message in cheer(at, 160, seed=at)]
    sold = [sale for at in range(0, 900, 30) for sale in orders(at, 20, first=1_000 * at)]
    operator = HighlightOperator()
    told(merged(cheers, sold), operator)
    assert len(operator.dump()) < 16_000


def test_a_sale_that_is_sent_again_counts_once() -> None:
    twice = [*orders(240), *(msgspec.structs.replace(sale, ingest_ts=sale.ingest_ts + 2 * SECOND) for sale in orders(240))]
    assert told(merged([*murmur(420), *cheer(240)], [*trickle(420), *twice]))[-1].title == "sku-1 · 40 单"


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_thinned_out_is_asked_by_no_moment(seed: int) -> None:
    """The best text and the crowd of every thirteen seconds are those of the bins as they were."""
    rng = random.Random(seed)
    signals = new_signals(0)
    whole: dict[int, Bin] = {}
    for second in range(400):
        for index in range(rng.choice((0, 1, 3, 9, 14))):
            text = f"太值了{rng.randrange(50)}冲啊！！！"[: rng.randint(3, 12)]
            message = chat(second * SECOND, f"u{rng.randrange(30)}-{index}", text, sentiment="positive")
            signals.bin(second).add(message)
            whole.setdefault(second, Bin()).add(message)
        signals.close_chat(second + 1)
        signals.forget(second - 90)
        for start in range(max(0, second - 150 + 20), second - 11):
            assert asked(signals.bins, start) == asked(whole, start)
    assert len(signals.bins) < 100 < len([second for second in whole if second >= 250])


def asked(bins: dict[int, Bin], start: int) -> tuple[tuple[int, str], bool, bool]:
    inside = [bins[at] for at in range(start, start + 2 * AROUND_S + 1) if at in bins]
    moved = [pair for found in inside for pair in found.movers()]
    people, texts = len({user for _, user in moved}), len({text for text, _ in moved})
    return max((found.rank() for found in inside), default=(-1, "")), people >= FEWEST_PEOPLE, texts >= FEWEST_TEXTS
