"""Mood per second: against a plain recomputation, and what its arousal and forecast promise."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from analytics.emotion import excitement
from analytics.mood import SECOND, SPAN_MS, MoodOperator
from streams.records import ComprehendedEnvelope, Mood, Record, Sentiment, UnderstoodChat
from tests.analytics.contract import Step, check_hash_seeds, check_operator, play
from tests.analytics.talk import START, at_once, chat, pack

FEELINGS: list[Sentiment] = ["negative", "neutral", "neutral", "neutral", "positive"]


def talk(seconds: int, rate: int, seed: int = 1, delay_ms: int = 0) -> list[tuple[int, UnderstoodChat]]:
    """(arrival, message): ``rate`` a second, each up to ``delay_ms`` late."""
    rng = random.Random(seed)
    messages = []
    for second in range(seconds):
        for _ in range(rate):
            ts = START + second * SECOND + rng.randrange(SECOND)
            sentiment = rng.choice(FEELINGS)
            messages.append((ts + rng.randint(0, delay_ms), chat(ts, f"u{rng.randrange(30)}", "好看!", sentiment=sentiment)))
    return messages


def moods(told: list[list[Record]]) -> dict[str, Mood]:
    """The newest revision of each."""
    newest: dict[str, Mood] = {}
    for outputs in told:
        for record in outputs:
            assert isinstance(record, Mood)
            if record.id not in newest or newest[record.id].revision < record.revision:
                newest[record.id] = record
    return newest


def recomputed(messages: list[UnderstoodChat]) -> dict[int, tuple[int, int, float, float]]:
    """Messages, users, negative and positive share of the ten seconds that end at each second."""
    spans: dict[int, list[UnderstoodChat]] = defaultdict(list)
    for message in messages:
        first = message.event_ts // SECOND * SECOND + SECOND
        for end in range(first, first + SPAN_MS, SECOND):
            spans[end].append(message)
    return {
        end: (
            len(span), len({m.user for m in span}),
            round(sum(m.sentiment == "negative" for m in span) / len(span), 4),
            round(sum(m.sentiment == "positive" for m in span) / len(span), 4),
        )
        for end, span in spans.items()
    }  # fmt: skip


def steps_of(messages: list[tuple[int, UnderstoodChat]], rooms: tuple[str, ...] = ("a", "b")) -> list[Step]:
    envelopes: list[ComprehendedEnvelope] = []
    for room in rooms:
        envelopes += pack(messages, room)
    envelopes.sort(key=lambda envelope: envelope.ingest_ts)
    steps: list[Step] = []
    for envelope in envelopes:
        if (
            steps
            and isinstance(steps[-1], ComprehendedEnvelope)
            and steps[-1].ingest_ts // SECOND < envelope.ingest_ts // SECOND
        ):
            steps.append(envelope.ingest_ts // SECOND * SECOND)
        steps.append(envelope)
    return steps


@pytest.mark.parametrize("delay_ms", [0, 1_900, 16_000])
def test_the_newest_revision_of_each_second_is_the_recomputation(delay_ms: int) -> None:
    messages = talk(90, 6, delay_ms=delay_ms)
    told = play(MoodOperator(), [*steps_of(messages, ("a",)), START + 10_000_000])
    found = {m.event_ts: (m.messages, m.users, m.negative_share, m.positive_share) for m in moods(told).values()}
    assert found == recomputed([message for _, message in messages])


def test_each_second_is_told_once_within_the_bound() -> None:
    told = play(MoodOperator(), [*steps_of(talk(60, 5, delay_ms=1_900), ("a",)), START + 10_000_000])
    ids = [record.id for outputs in told for record in outputs if isinstance(record, Mood)]
    assert len(ids) == len(set(ids)) == 69  # sixty seconds of talk, and nine more that still look back on them
    assert ids[0] == f"mood:a:{START // SECOND + 1}"


def test_a_late_message_is_counted_and_shown() -> None:
    messages = talk(60, 5)
    straggler = chat(START + 5_000, "u-late", "来了")
    messages.append((START + 50_000, straggler))
    told = moods(play(MoodOperator(), [*steps_of(messages, ("a",)), START + 10_000_000]))
    assert told[f"mood:a:{START // SECOND + 10}"].late == 0
    assert told[f"mood:a:{START // SECOND + 10}"].messages == 50
    assert told[f"mood:a:{START // SECOND + 60}"].late == 1


def test_one_absurd_time_costs_one_message_and_many_move_the_room() -> None:
    messages = talk(60, 5)
    absurd = [(START + 30_000, chat(START + 86_400_000, "u", "穿越了"))]
    told = moods(play(MoodOperator(), [*steps_of(messages + absurd, ("a",)), START + 10_000_000]))
    assert told[f"mood:a:{START // SECOND + 60}"].messages == 50
    assert told[f"mood:a:{START // SECOND + 60}"].late == 1
    older = [(START + 100_000 + m.event_ts - START, chat(m.event_ts - 86_400_000, m.user, "旧")) for _, m in messages]
    told = moods(play(MoodOperator(), [*steps_of(messages + older, ("a",)), START + 10_000_000]))
    again = told[f"mood:a:{START // SECOND - 86_400 + 60}"]
    assert (again.messages, again.late) == (50, 29)


def test_battery() -> None:
    steps = [*steps_of(talk(40, 3, delay_ms=6_000)), START + 60_000, START + 70_000]
    check_operator(MoodOperator, steps, silence_ms=3_600_000)
    check_hash_seeds("analytics.mood:MoodOperator", steps)


def test_a_busy_room_has_a_small_state() -> None:
    operator = MoodOperator()
    rng = random.Random(1)
    messages = [chat(START + ms, f"user-{rng.randrange(100_000)}", "666") for ms in range(0, 60_000, 2)]  # 500 a second
    play(operator, list(at_once(messages)))
    assert len(operator.dump()) < 150_000


def storm(quiet_s: int, loud_s: int) -> list[UnderstoodChat]:
    messages = []
    for second in range(quiet_s + loud_s):
        loud = second >= quiet_s
        for index in range(20 if loud else 4):
            text, feeling = ("气死我了!!!", "negative") if loud else ("多少钱", "neutral")
            ts = START + second * SECOND + index * 40
            messages.append(chat(ts, f"u{index}", text, sentiment="negative" if feeling == "negative" else "neutral"))
    return messages


def test_arousal_is_near_zero_in_a_steady_room_and_high_in_a_storm() -> None:
    told = moods(play(MoodOperator(), list(at_once(storm(120, 20)))))
    by_second = {mood.event_ts // SECOND - START // SECOND: mood for mood in told.values()}
    assert all(abs(by_second[second].arousal) < 1 for second in range(30, 120))
    assert by_second[130].arousal > 4
    assert by_second[130].negative_share > 0.8


def test_the_forecast_leads_a_slow_rise_and_stays_low_in_a_quiet_room() -> None:
    rng = random.Random(3)
    messages = []
    for second in range(420):
        share = 0.04 if second < 240 else 0.04 + 0.5 * (second - 240) / 180
        for index in range(20):
            feeling: Sentiment = "negative" if rng.random() < share else "neutral"
            messages.append(chat(START + second * SECOND + index * 40, f"u{index}", "嗯", sentiment=feeling))
    told = moods(play(MoodOperator(), list(at_once(messages))))
    by_second = {mood.event_ts // SECOND - START // SECOND: mood for mood in told.values()}
    assert max(by_second[second].forecast for second in range(60, 240)) < 0.3
    crossing = next(second for second in range(240, 418) if by_second[second].negative_share > 0.3)
    warned = next(second for second in range(240, 418) if by_second[second].forecast > 0.3)
    assert warned < crossing


@pytest.mark.parametrize(
    ("text", "sentiment", "least", "most"),
    [
        ("多少钱", "neutral", 0.0, 0.0),
        ("太好看了！！！", "positive", 0.9, 1.0),
        ("哈哈哈哈", "neutral", 0.2, 0.2),
        ("骗子", "negative", 0.4, 0.5),
    ],
)
def test_excitement(text: str, sentiment: Sentiment, least: float, most: float) -> None:
    assert least <= excitement(chat(START, "u", text, sentiment=sentiment)) <= most


def test_a_message_minutes_ahead_makes_no_other_late() -> None:
    plain = talk(60, 5)
    wrong = (START + 20 * SECOND, chat(START + 220 * SECOND, "wrong", "好看!"))
    operator = MoodOperator()
    told = moods(play(operator, steps_of([*plain, wrong], ("a",))))
    assert len(told) > 50
    assert {mood.late for mood in told.values()} == {0}
    assert set(told) == set(moods(play(MoodOperator(), steps_of(plain, ("a",)))))
    assert operator.gauges() == {"refused": 0, "late": 0}


def test_what_is_refused_or_late_is_counted() -> None:
    odd = [
        (START + 40 * SECOND, chat(START + 86_400_000, "wrong", "好看!")),
        (START + 41 * SECOND, chat(START, "late", "好看!")),
    ]
    operator = MoodOperator()
    play(operator, steps_of([*talk(60, 5), *odd], ("a",)))
    assert operator.gauges() == {"refused": 1, "late": 1}
