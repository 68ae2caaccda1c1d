"""The opinion detector and time: how messages are packed, sources that are late, clocks set back. And rooms without names."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest

from analytics.opinion import OpinionOperator
from analytics.traffic import LATE_MS
from streams.records import Alert, ComprehendedEnvelope, HostCommand, Record, UnderstoodChat
from tests.analytics.contract import Step, check_operator, play
from tests.analytics.talk import START, chat

SECOND = 1_000
WORDS = ("假货", "这是假货吧", "骗子退钱", "都是假的", "卖假货的骗子", "假货别买了", "退钱骗子", "假的假的")
CHATTER = ("主播好", "哈哈哈", "来了来了", "好看", "这个颜色不错", "想要", "支持", "666", "第一次来", "关注了")


def room(rate: float, at_s: int, people: int, seconds: int = 700, seed: int = 1) -> list[UnderstoodChat]:
    """A room of ``rate`` messages a second, with a crisis at ``at_s``."""
    rng, messages, ts = random.Random(seed), [], 0.0
    while ts < seconds * SECOND:
        ts += rng.expovariate(rate) * SECOND
        messages.append(chat(START + int(ts), f"u{rng.randrange(400)}", rng.choice(CHATTER) + str(rng.randrange(50))))
    messages += angry(at_s, people, rng)
    return sorted(messages, key=lambda message: message.event_ts)


def angry(at_s: int, people: int, rng: random.Random, spacing_ms: int = 350, tag: str = "a") -> list[UnderstoodChat]:
    return [
        chat(START + at_s * SECOND + n * spacing_ms, f"{tag}{n}", rng.choice(WORDS), topic="counterfeit", word="假货")
        for n in range(people)
    ]


def packed(messages: Sequence[UnderstoodChat], size: int, room: str = "r") -> list[ComprehendedEnvelope]:
    """As at any speed: how many messages share an envelope, and when they arrive, is chance."""
    parts = [messages[start : start + size] for start in range(0, len(messages), size)]
    return [
        ComprehendedEnvelope(
            room=room, event_ts=max(m.event_ts for m in part), ingest_ts=START + n, source="s", messages=list(part)
        )
        for n, part in enumerate(parts)
    ]


def alerts(steps: Sequence[Step], operator: OpinionOperator | None = None) -> list[Alert]:
    told: list[Record] = [record for outputs in play(operator or OpinionOperator(), steps) for record in outputs]
    return [record for record in told if isinstance(record, Alert)]


def newest(told: Sequence[Alert]) -> list[Alert]:
    """Each alert as it stands at last, without what hangs on the packing: when it came in, and in which record."""
    last = {alert.id: alert for alert in told}
    return [msgspec.structs.replace(alert, ingest_ts=0, evidence_ts=0, revision=0) for alert in last.values()]


@pytest.mark.parametrize("rate", [0.5, 1, 2, 5, 20])
@pytest.mark.parametrize("seed", range(4))
def test_how_messages_are_packed_changes_no_alert(rate: float, seed: int) -> None:
    messages = room(rate, 400 + 7 * seed, 16, seed=seed)
    end = START + 10**9
    ones, many = (alerts([*packed(messages, size), end]) for size in (1, 64))
    assert newest(ones) == newest(many)
    assert {alert.state for alert in newest(many)} == {"resolved"}
    assert max(alert.level for alert in ones if alert.state == "firing") >= (2 if rate < 20 else 1)
    top = {alert.id: alert.level for alert in ones if alert.state == "firing"}
    assert {alert.id: alert.level for alert in many if alert.state == "firing"} == top  # its height is told while it fires


@pytest.mark.parametrize("size", [64, 1_000])
def test_an_alert_that_begins_and_ends_in_one_envelope_is_told_as_it_rose_and_then_as_over(size: int) -> None:
    messages = room(0.5, 100, 16, seconds=400)
    steps: list[Step] = [*packed(messages, size), START + 10 * SECOND]
    told = play(OpinionOperator(), steps)
    firing, resolved = (r for outputs in told for r in outputs if isinstance(r, Alert))
    assert (firing.state, firing.level, resolved.state, resolved.level) == ("firing", 2, "resolved", 2)
    assert firing.id == resolved.id
    assert firing.revision < resolved.revision
    assert firing.event_ts < resolved.event_ts
    assert sum(isinstance(r, HostCommand) for outputs in told for r in outputs) == 1


def two_platforms(behind_s: int, rate_a: int = 5) -> list[Step]:
    """Two platforms of one room; everything of B, and the crisis there, comes ``behind_s`` after it happened."""
    rng = random.Random(3)
    arrivals: list[tuple[int, str, UnderstoodChat]] = []
    for n in range(600 * rate_a):
        at = n * SECOND // rate_a
        arrivals.append((at, "a", chat(START + at, f"u{rng.randrange(300)}", f"好看{rng.randrange(99)}")))
        if n % 2:
            late = at + behind_s * SECOND + 1
            arrivals.append((late, "b", chat(START + at, f"w{rng.randrange(300)}", f"支持{rng.randrange(99)}")))
    arrivals += [(m.event_ts - START + behind_s * SECOND, "b", m) for m in angry(400, 25, rng, 300)]
    arrivals.sort(key=lambda arrival: arrival[0])
    return [
        ComprehendedEnvelope(room="r", event_ts=m.event_ts, ingest_ts=START + at, source=source, messages=[m])
        for at, source, m in arrivals
    ]


@pytest.mark.parametrize("behind_s", [0, 3, 5, 7, 10, 15, 20, 25, 35, 60, 110])
def test_a_crisis_on_a_platform_that_is_behind_is_found_with_its_message(behind_s: int) -> None:
    operator = OpinionOperator()
    told = alerts(two_platforms(behind_s), operator)
    assert operator.gauges() == {"refused": 0, "late": 0}
    rises = [alert for alert in told if alert.state == "firing"]
    assert [alert.level for alert in rises] == [1, 2]
    assert all(alert.event_ts <= START + 405 * SECOND for alert in rises)
    if behind_s <= 60:
        (end,) = [alert for alert in told if alert.state == "resolved"]
        assert end.users == end.messages == 25
        assert end.ingest_ts >= START + (407 + behind_s + 55) * SECOND  # not while its complaints still come


def test_a_platform_that_is_later_than_the_gateway_allows_is_counted_as_late() -> None:
    operator = OpinionOperator()
    assert alerts(two_platforms(LATE_MS // SECOND + 5), operator) == []
    assert operator.gauges()["late"] > 1_000


@pytest.mark.parametrize("seed", range(10))
def test_complaints_that_overtake_one_another_count_as_if_they_had_not(seed: int) -> None:
    rng = random.Random(seed)
    messages = [(m.event_ts, m) for m in room(5, 10_000, 0, seconds=200, seed=seed)]
    messages += [(m.event_ts + rng.randrange(6 * SECOND), m) for m in angry(150, 10, rng, 500)]
    messages.sort(key=lambda pair: pair[0])
    told = alerts(packed([m for _, m in messages], 1))
    assert max(alert.level for alert in told) == 2


def test_ordinary_displeasure_on_a_platform_that_is_behind_becomes_normal() -> None:
    """The normal is that of all sources: one that is half a minute late and grumbles always does not alarm."""
    rng = random.Random(4)
    arrivals: list[tuple[int, str, UnderstoodChat]] = []
    for n in range(2_400 * 4):
        at = n * 250
        arrivals.append((at, "a", chat(START + at, f"u{rng.randrange(900)}", f"好看{rng.randrange(99)}")))
        share = 0.05 * min(1.0, at / 1_200_000)
        if rng.random() < share:
            grumble = chat(START + at, f"w{rng.randrange(900)}", f"有点假{rng.randrange(99)}", topic="counterfeit")
        else:
            grumble = chat(START + at, f"w{rng.randrange(900)}", f"支持{rng.randrange(99)}")
        arrivals.append((at + 30 * SECOND, "b", grumble))
    arrivals.sort(key=lambda arrival: arrival[0])
    told = alerts([
        ComprehendedEnvelope(room="r", event_ts=m.event_ts, ingest_ts=START + at, source=source, messages=[m])
        for at, source, m in arrivals
    ])  # fmt: skip
    assert not [alert for alert in told if alert.level == 2]


@pytest.mark.parametrize("size", [1, 64])
def test_a_recording_that_is_played_twice_alerts_twice(size: int) -> None:
    first = room(5, 200, 16, seconds=500)
    second = [msgspec.structs.replace(message, id=message.id + "b") for message in first]
    told = alerts([*packed(first, size), *packed(second, size), START + 10**9])
    half = len(told) // 2
    known = [(alert.id, alert.users, alert.messages, alert.event_ts, alert.examples) for alert in told]
    assert known[half:] == known[:half]
    levels = [(alert.level, alert.state) for alert in told]
    assert levels[half:] == levels[:half]
    assert levels[-1] == (2, "resolved")


def test_a_clock_that_is_set_back_ends_what_is_open() -> None:
    """The alert of before does not swallow the crisis after."""
    before, rng = room(5, 390, 16, seconds=400), random.Random(1)
    after = [*room(5, 10_000, 0, seconds=300, seed=2), *angry(40, 16, rng, tag="b")]
    back = [msgspec.structs.replace(m, event_ts=m.event_ts - 3_600 * SECOND) for m in after]
    told = alerts(packed([*before, *sorted(back, key=lambda m: m.event_ts)], 1))
    assert [(alert.level, alert.state) for alert in told] == [
        (1, "firing"), (2, "firing"), (2, "resolved"), (1, "firing"), (2, "firing"), (2, "resolved")
    ]  # fmt: skip
    assert told[2].event_ts >= told[1].event_ts  # over when its own clock ended
    assert told[3].id != told[0].id


LONG = (
    "我收到的是", "这家卖", "上次买的就是", "鉴定过了", "朋友也说是", "大家别买都是", "拿去专柜看了是",
    "包装都不对", "又一个卖", "这不就是", "标签都是歪的", "说好的正品结果", "味道不对是", "拆开就知道",
    "气死了", "一眼", "客服承认了", "质检报告说", "我妈都看出来", "线头这么多肯定",
)  # fmt: skip


def nameless(texts: Sequence[str], count: int, spacing_ms: int = 300) -> list[ComprehendedEnvelope]:
    messages = [msgspec.structs.replace(m, user="") for m in room(5, 10_000, 0, seconds=300)]
    messages += [
        chat(START + 200 * SECOND + n * spacing_ms, "", texts[n % len(texts)].format(n), topic="counterfeit", word="假货")
        for n in range(count)
    ]
    return packed(sorted(messages, key=lambda m: m.event_ts), 1)


def test_a_room_without_names_alerts_when_many_texts_complain() -> None:
    told = alerts(nameless([f"{text}假货" for text in LONG], 20))
    assert [(alert.level, alert.state) for alert in told] == [(1, "firing"), (2, "firing"), (2, "resolved")]
    assert "没有用户标识" in told[1].note


@pytest.mark.parametrize("text", ["假货", "假货{}", "骗子退钱{}次了大家快跑", "{}假一赔十的正品店铺加我领券吧"])
def test_one_text_without_names_does_not_alarm_however_often(text: str) -> None:
    assert alerts(nameless([text], 90)) == []


def test_the_time_of_a_room_without_names_goes_on_after_a_pause() -> None:
    messages = room(5, 200, 16, seconds=300)
    after = [msgspec.structs.replace(m, user="", event_ts=m.event_ts + 900 * SECOND) for m in messages]
    operator = OpinionOperator()
    play(operator, packed([msgspec.structs.replace(m, user="") for m in messages] + after, 1))
    assert operator.gauges() == {"refused": 2, "late": 0}


def test_battery_of_two_platforms_a_pause_and_a_clock_that_is_set_back() -> None:
    late = [step for step in two_platforms(20, 3) if not isinstance(step, int) and step.ingest_ts > START + 300 * SECOND]
    envelopes = [step for step in late if isinstance(step, ComprehendedEnvelope)]
    back = [
        msgspec.structs.replace(
            step, ingest_ts=step.ingest_ts + 700 * SECOND,
            messages=[msgspec.structs.replace(m, event_ts=m.event_ts - 900 * SECOND) for m in step.messages],
        )
        for step in envelopes
    ]  # fmt: skip
    whole = packed(room(0.5, 50, 16, seconds=300), 64, room="other")
    steps: list[Step] = [*envelopes, *back, *whole, START + 2_000 * SECOND, START + 2_001 * SECOND]
    told = check_operator(OpinionOperator, steps, silence_ms=3_600 * SECOND)
    assert len([r for r in told if isinstance(r, Alert) and r.state == "resolved" and r.room == "r"]) == 2


def test_the_state_of_a_room_that_always_complains_is_bounded() -> None:
    """Also where time stands still, so that nothing is ever tidied up."""
    rng = random.Random(1)
    for spread in (40, 0):
        operator = OpinionOperator()
        texts = [
            chat(START + n * spread, f"u{n}", "".join(rng.choices("真假货骗退钱烂坏差", k=12)), topic="counterfeit")
            for n in range(8_000)
        ]
        play(operator, packed(texts, 64))
        assert len(operator.dump()) < 230_000
