"""The opinion detector: what must alarm, what must not, and how an alert lives and ends."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from analytics.opinion import OpinionOperator
from analytics.opinion_alert import MOST_PEOPLE
from analytics.opinion_rules import NEGATIVE, RULES, clarifications
from streams.records import Alert, HostCommand, Record, Sentiment, UnderstoodChat
from tests.analytics.contract import Step, check_hash_seeds, check_operator, play
from tests.analytics.rooms import chat_only, recorded, recordings, simulated
from tests.analytics.talk import START, at_once, chat, pack

SECOND = 1_000
LONG = (
    "我收到的是{}", "这家卖{}", "上次买的就是{}", "鉴定过了{}", "朋友也说是{}", "大家别买都是{}", "拿去专柜看了是{}",
    "包装都不对{}", "又一个卖{}的", "这不就是{}吗真行", "标签都是歪的{}", "说好的正品结果{}", "味道不对是{}", "拆开就知道{}",
    "气死了{}", "一眼{}",
)  # fmt: skip

SHORT_WORDS = ("假货", "骗子", "退钱", "都是假货")


def quiet(seconds: int, rate: int = 20, seed: int = 1, share: float = 0.002) -> list[UnderstoodChat]:
    """A room in which nothing happens: chatter, and a complaint now and then."""
    rng = random.Random(seed)
    messages = []
    for second in range(seconds):
        for index in range(rate):
            ts, user = START + second * SECOND + index * SECOND // rate, f"u{rng.randrange(2000)}"
            if rng.random() < share:
                messages.append(chat(ts, user, rng.choice(LONG).format("假货"), topic="counterfeit", word="假货"))
            else:
                messages.append(
                    chat(ts, user, rng.choice(("好看", "来了", "666", "多少钱", "主播晚上好", f"我在{rng.randrange(99)}楼")))
                )
    return messages


def complaints(
    at: int, count: int, spacing_ms: int, texts: Iterable[str] = LONG, topic: str = "counterfeit"
) -> list[UnderstoodChat]:
    """``count`` complaints of as many people from second ``at`` on."""
    wordings = list(texts)
    return [
        chat(
            START + at * SECOND + index * spacing_ms,
            f"angry{index}",
            wordings[index % len(wordings)].format("假货"),
            topic=topic,
            word="假货",
        )
        for index in range(count)
    ]


def judged(messages: list[UnderstoodChat], ticks: Iterable[int] = ()) -> list[Record]:
    steps: list[Step] = [*at_once(sorted(messages, key=lambda message: message.event_ts)), *ticks]
    return [record for outputs in play(OpinionOperator(), steps) for record in outputs]


def alerts(records: Iterable[Record]) -> list[Alert]:
    return [record for record in records if isinstance(record, Alert)]


def test_a_fast_rise_is_told_with_the_message_that_completes_it() -> None:
    rise = complaints(120, 16, 300)
    told = judged([*quiet(150, share=0), *rise])
    first, second = alerts(told)
    assert (first.topic, first.state, first.level) == ("counterfeit", "firing", 1)
    assert (second.id, second.state, second.level) == (first.id, "firing", 2)
    assert first.id == f"alert:r:counterfeit:{rise[3].event_ts}"
    assert (first.event_ts, second.event_ts) == (rise[3].event_ts, rise[7].event_ts)
    assert first.ingest_ts == first.evidence_ts  # the envelope that carried it, which was open for 100 ms at most
    assert 200 <= first.evidence_ts - rise[3].event_ts <= 300
    assert first.revision < second.revision
    assert second.users == 8
    assert second.words == ["假货"]
    assert len(second.examples) == 5
    assert set(second.examples) <= {message.text for message in rise}
    assert second.note == ""


def test_a_slow_rise_is_found() -> None:
    rise = [m for index, m in enumerate(complaints(120, 60, 900)) if index % 16 < 12]
    assert {alert.level for alert in alerts(judged([*quiet(240), *rise]))} == {1, 2}


def test_the_host_is_asked_once_and_knows_why() -> None:
    told = judged([*quiet(150), *complaints(120, 16, 300)])
    (command,) = [record for record in told if isinstance(record, HostCommand)]
    assert command.action == "clarify"
    assert command.because == alerts(told)[0].id
    assert command.text == clarifications()["counterfeit"]


def test_every_topic_has_a_sentence_for_the_host() -> None:
    assert set(clarifications()) == {*RULES, "other"}


def test_a_rise_of_short_equal_words_is_told_with_a_note() -> None:
    rise = complaints(120, 25, 200, ["假货"])
    told = alerts(judged([*quiet(150, share=0), *rise]))
    assert [(alert.level, alert.users) for alert in told] == [(1, 8), (2, 20)]
    assert "几乎相同" in told[-1].note


def test_short_words_in_a_few_wordings_are_a_crisis() -> None:
    told = alerts(judged([*quiet(150), *complaints(120, 12, 300, SHORT_WORDS)]))
    assert [alert.level for alert in told] == [1, 2]


def test_one_person_with_sixty_repeats_does_not_alarm() -> None:
    spam = [chat(START + 120 * SECOND + index * 400, "spammer", "骗子退钱", topic="fraud") for index in range(60)]
    varied = [
        chat(START + 120 * SECOND + index * 400, "spammer", f"骗子退钱{index}次了大家快跑", topic="fraud")
        for index in range(60)
    ]
    assert judged([*quiet(180), *spam]) == []
    assert judged([*quiet(180), *varied]) == []


@pytest.mark.parametrize(
    "text", ["假一赔十的正品店铺加我领券", "假一赔十的正品店铺加我领券{}", "{}假一赔十的正品店铺加我领券吧"]
)
def test_a_promotion_of_many_accounts_does_not_alarm(text: str) -> None:
    flood = [
        chat(START + 120 * SECOND + index * 100, f"bot{index}", text.format(index), topic="counterfeit") for index in range(80)
    ]
    assert judged([*quiet(180), *flood]) == []


def test_questions_are_no_evidence() -> None:
    questions = [
        chat(START + 120 * SECOND + index * 300, f"u{index}", f"这是不是假货啊{index}号链接", topic="counterfeit", weight=0.3)
        for index in range(30)
    ]
    assert judged([*quiet(180), *questions]) == []


def test_a_lottery_flood_does_not_bury_a_crisis() -> None:
    flood = [chat(START + 118 * SECOND + index * 10, f"f{index}", "我要福袋") for index in range(1500)]
    told = alerts(judged([*quiet(150), *complaints(120, 16, 300), *flood]))
    assert {alert.level for alert in told} == {1, 2}


def test_a_slow_drift_of_ordinary_displeasure_does_not_alarm() -> None:
    rng = random.Random(5)
    messages = []
    for second in range(1200):
        share = 0.04 + 0.14 * second / 1200
        for index in range(15):
            feeling: Sentiment = "negative" if rng.random() < share else "neutral"
            text = f"不太行{rng.randrange(40)}" if feeling == "negative" else "好看"
            messages.append(chat(START + second * SECOND + index * 60, f"u{rng.randrange(800)}", text, sentiment=feeling))
    assert judged(messages) == []


def test_a_storm_of_displeasure_without_a_word_on_the_list_alarms() -> None:
    rng = random.Random(6)
    storm = []
    for index in range(150):
        text = f"{rng.choice('太真好很')}{rng.choice('烦无讨厌')}{index}气死人"
        storm.append(chat(START + 120 * SECOND + index * 60, f"a{index}", text, sentiment="negative"))
    told = alerts(judged([*quiet(180), *storm]))
    assert [(alert.topic, alert.level) for alert in told] == [(NEGATIVE, 1), (NEGATIVE, 2)]


def test_a_topic_that_is_often_mentioned_needs_more() -> None:
    noisy = quiet(900, share=0.01, seed=3)
    few = complaints(880, 6, 1200)
    assert alerts(judged([*quiet(900), *few]))
    assert not alerts(judged([*noisy, *few]))


def test_an_alert_is_resolved_after_a_minute_below_the_line() -> None:
    rise = complaints(60, 16, 300)
    told = alerts(judged([*quiet(240, share=0), *rise]))
    last, ending = told[-2:]
    assert (ending.id, ending.state, ending.level) == (last.id, "resolved", 2)
    assert ending.revision > last.revision
    assert 60 * SECOND <= ending.event_ts - rise[-1].event_ts <= 72 * SECOND
    assert ending.examples == last.examples  # the newest revision still tells the story
    assert ending.users == 16


def test_a_silent_room_resolves_by_ticks_and_is_told_once() -> None:
    rise = complaints(20, 16, 300)
    end = rise[-1].event_ts + 200
    told = alerts(judged([*quiet(26), *rise], [end + second * SECOND for second in range(1, 200)]))
    assert [alert.state for alert in told] == ["firing", "firing", "resolved"]
    assert told[-1].event_ts - rise[-1].event_ts < 80 * SECOND


def test_a_second_crisis_is_a_new_alert() -> None:
    told = alerts(judged([*quiet(400), *complaints(60, 16, 300), *complaints(300, 16, 300)]))
    assert len({alert.id for alert in told}) == 2


def test_what_follows_from_a_cause_is_inhibited_while_it_fires() -> None:
    cause = complaints(60, 16, 300)
    endings = ["了快点", "别拖着", "三天没到账", "客服出来", "马上处理", "急用钱", "不要货了", "还等什么", "说话呀", "算数"]
    follows = [
        chat(START + 64 * SECOND + index * 300, f"r{index}", f"我要退款{ending}", topic="refund")
        for index, ending in enumerate(endings)
    ]
    told = alerts(judged([*quiet(300), *cause, *follows]))
    refunds = [(alert.state, alert.level) for alert in told if alert.topic == "refund"]
    assert refunds[0][0] == "inhibited"
    assert all(state != "firing" for state, _ in refunds)
    assert {alert.level for alert in told if alert.topic == "counterfeit" and alert.state == "firing"} == {1, 2}


def test_a_message_in_the_far_future_does_not_blind_the_detector() -> None:
    wrong = [(START + 100 * SECOND, chat(START + 86_400_000, "wrong", "穿越了"))]
    messages = [(m.event_ts, m) for m in [*quiet(150), *complaints(120, 16, 300)]]
    told = [record for outputs in play(OpinionOperator(), list(pack(messages + wrong))) for record in outputs]
    assert {alert.level for alert in alerts(told)} == {1, 2}


def test_one_message_minutes_ahead_does_not_blind_the_detector() -> None:
    messages = [(m.event_ts, m) for m in [*quiet(150), *complaints(120, 120, 200)]]
    wrong = [(START + 100 * SECOND, chat(START + (100 + 290) * SECOND, "wrong", "穿越了"))]
    operator = OpinionOperator()
    told = [record for outputs in play(operator, list(pack(messages + wrong))) for record in outputs]
    assert alerts(told)[:2] == alerts(r for o in play(OpinionOperator(), list(pack(messages))) for r in o)[:2]
    assert operator.gauges() == {"refused": 0, "late": 0}


def test_what_is_refused_or_late_is_counted() -> None:
    operator = OpinionOperator()
    odd = [
        (START + 50 * SECOND, chat(START + 86_400_000, "wrong", "穿越了")),
        (START + 151 * SECOND, chat(START + 10 * SECOND, "late", "假货")),
    ]
    play(operator, list(pack([(m.event_ts, m) for m in quiet(160)] + odd)))
    assert operator.gauges() == {"refused": 1, "late": 1}


def test_all_people_of_a_large_crisis_are_counted() -> None:
    told = alerts(judged([*quiet(150, share=0), *complaints(60, 3_000, 20, SHORT_WORDS), *quiet(260, share=0)]))
    assert told[-1].state == "resolved"
    assert told[-1].users == 3_000
    assert told[-1].messages == 3_000
    assert "为止" not in told[-1].note


def test_beyond_the_ceiling_the_note_says_that_there_are_more() -> None:
    told = alerts(judged([*quiet(60, share=0), *complaints(55, MOST_PEOPLE + 500, 5, SHORT_WORDS), *quiet(260, share=0)]))
    assert told[-1].users == MOST_PEOPLE
    assert f"人数计到 {MOST_PEOPLE} 为止，实际更多" in told[-1].note


def test_an_unknown_topic_is_judged_as_a_cause() -> None:
    told = judged([*quiet(150), *complaints(120, 16, 300, topic="shop-own")])
    assert {alert.topic for alert in alerts(told)} == {"shop-own"}
    assert [r.text for r in told if isinstance(r, HostCommand)] == [clarifications()["other"]]


def test_battery() -> None:
    steps: list[Step] = []
    for room, seed in (("a", 1), ("b", 2)):
        steps += at_once(
            [*quiet(100, rate=4, seed=seed), *complaints(20, 16, 300), *complaints(22, 12, 300, topic="refund")], room
        )
    steps.sort(key=lambda step: step if isinstance(step, int) else step.ingest_ts)
    end = START + 101 * SECOND
    steps += [end + second * SECOND for second in (10, 40, 80)]
    told = check_operator(OpinionOperator, steps, silence_ms=3_600 * SECOND)
    assert {alert.state for alert in alerts(told)} >= {"firing", "resolved"}
    check_hash_seeds("analytics.opinion:OpinionOperator", steps)


def test_a_storm_leaves_a_bounded_state() -> None:
    operator = OpinionOperator()
    storm = [chat(START + index, f"u{index}", f"都是假货{index}真的气人", topic="counterfeit") for index in range(0, 8_000, 2)]
    play(operator, list(at_once(storm)))
    assert len(operator.dump()) < 200_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_simulated_room_alarms_where_it_was_planted_and_nowhere_else(seed: int) -> None:
    simulation, records = simulated(seed)
    told = [r for outputs in play(OpinionOperator(), list(chat_only(records))) for r in outputs]
    expected = simulation.truth().alerts_expected
    assert {alert.topic for alert in alerts(told)} == {planted.topic for planted in expected}
    for planted in expected:
        pages = [alert for alert in alerts(told) if alert.topic == planted.topic and alert.level == 2]
        assert planted.onset_ts < pages[0].event_ts <= planted.evidence_ts + 2 * SECOND


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_real_chat_of_another_kind_pages_seldom(path: Path) -> None:
    """Game streams are full of 还钱 and 垃圾 said for fun: the hardest quiet chat there is. Here up to two pages an hour."""
    envelopes = recorded(path)
    hours = (envelopes[-1].event_ts - envelopes[0].event_ts) / 3_600_000
    told = [record for outputs in play(OpinionOperator(), list(envelopes)) for record in outputs]
    pages = {alert.id for alert in alerts(told) if alert.level == 2 and alert.state == "firing"}
    assert len(pages) <= 2 * hours
