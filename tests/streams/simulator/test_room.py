"""The simulated room as a source: the same bytes from the same seed, chat as in real rooms, and what may be asked of it."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise

import pytest

from streams.records import InvalidError
from streams.sources.contract import check_source
from streams.sources.opening import open_source
from streams.sources.simulator import Simulation, Truth, open_simulation
from streams.sources.simulator.catalogue import ITEMS, spoken_number, spoken_price
from streams.sources.simulator.questions import FAMILIES
from tests.streams.simulator.conftest import BASE


def test_it_keeps_the_contract_of_sources() -> None:
    events = check_source(lambda: open_source("sim:7", base_ts=BASE, minutes=2), faults=True)
    assert len(events) > 1_500


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(room: Simulation) -> None:
    again, other = open_simulation(7, base_ts=BASE), open_simulation(8, base_ts=BASE)
    assert list(room.events()) == list(again.events())
    assert room.truth() == again.truth()
    ours, theirs = ({event.line for event in source.events()} for source in (room, other))
    assert not (ours & theirs) - {b"null", b'["chat","poison-7"]'} - _fixed_poison(room)
    assert room.truth().sales != other.truth().sales


def _fixed_poison(room: Simulation) -> set[bytes]:
    return {event.line for event in room.events() if b"poison-" in event.line or b'"kind":"chat","ts"' in event.line}


def test_another_start_is_the_same_room_at_another_time(room: Simulation) -> None:
    later = open_simulation(7, base_ts=BASE + 86_400_000)
    assert [event.at for event in later.events()] == [event.at + 86_400_000 for event in room.events()]
    assert later.truth().sales == room.truth().sales
    ids = {message for alert in later.truth().alerts_expected for message in alert.messages}
    assert not ids & {message for alert in room.truth().alerts_expected for message in alert.messages}


@pytest.mark.parametrize("seed", [1, 2, 3, 7, 11, 42])
def test_chat_is_as_in_real_rooms(seed: int) -> None:
    room = open_simulation(seed, base_ts=BASE)
    chat = [event for event in room.planned if event.kind == "chat"]
    texts = [event.body["text"] for event in chat]
    assert 0.52 <= 1 - len(set(texts)) / len(texts) <= 0.72
    assert 5 <= statistics.median(map(len, texts)) <= 6
    assert 13 <= len(texts) / 360 <= 17
    assert max(Counter(event.at // 1_000 for event in chat).values()) >= 39
    chatter = sum(event.role in ("chatter", "excitement") for event in chat) / len(chat)
    assert 0.60 <= chatter <= 0.85
    assert any(not text.strip() for text in texts)
    assert any(set(text) == {"7"} and len(text) > 5 for text in texts)
    assert any("[doge]" in text for text in texts)
    assert any(set(text) & set("來麼嗎錢運") for text in texts)


@pytest.mark.parametrize("seed", [1, 2, 3, 7, 11, 42])
def test_six_minutes_hold_everything_that_is_planted(seed: int) -> None:
    truth = open_simulation(seed, base_ts=BASE).truth()
    assert 6_000 <= truth.sent <= 9_000
    assert sum(paragraph.complete for paragraph in truth.paragraphs) >= 3
    assert any(not paragraph.complete for paragraph in truth.paragraphs)
    assert [alert.speed for alert in truth.alerts_expected] == ["slow", "fast"]
    assert sorted(alert.reason for alert in truth.alerts_forbidden) == ["one spammer", "promotion"]
    assert len(truth.moments) == 2
    assert {decoy.reason for decoy in truth.decoys} == {"opening", "lottery"}
    assert len(truth.families) >= 30
    assert len(truth.poison) >= 10
    assert len(truth.products) >= 5


def test_the_questions_are_enough_and_none_belongs_to_two_families() -> None:
    assert len(FAMILIES) >= 30
    assert all(len(wordings) >= 8 for wordings in FAMILIES.values())
    every = [wording for wordings in FAMILIES.values() for wording in wordings]
    assert len(every) == len(set(every))


def test_the_catalogue_answers_what_it_says() -> None:
    assert len(ITEMS) >= 6
    for item in ITEMS:
        assert 4 <= len(item.pairs) <= 8
        assert set(item.pairs) <= set(FAMILIES)


def test_sentences_follow_each_other_and_stay_in_the_room() -> None:
    for minutes in (0.25, 1, 3.3, 6, 14):
        room = open_simulation(5, base_ts=BASE, minutes=minutes)
        said = room.script.sentences
        assert all(one.end <= two.start for one, two in pairwise(said))
        assert all(sentence.start < sentence.end <= room.length for sentence in said)
        assert all(event.at < room.length for event in room.planned)
        assert all(BASE <= event.at < room.end_ts + 1_000 for event in room.events())


def test_a_long_room_goes_on(truth: Truth) -> None:
    long = open_simulation(7, base_ts=BASE, minutes=36, rate=5).truth()
    assert len(long.paragraphs) >= 25
    assert len(long.moments) >= 10
    assert len(long.alerts_expected) == 4
    assert long.events["chat"] / 36 < truth.events["chat"] / 6


def test_the_rate_is_a_setting() -> None:
    slow, fast = (open_simulation(7, base_ts=BASE, minutes=6, rate=rate).truth().events["chat"] / 360 for rate in (5, 40))
    assert 4 <= slow <= 8
    assert 33 <= fast <= 45


def test_a_wrong_clock_moves_time_stamps_and_not_arrival(room: Simulation) -> None:
    wrong = open_simulation(7, base_ts=BASE, skew_ms=-240_000)
    assert [event.at for event in wrong.events()] == [event.at for event in room.events()]
    assert wrong.truth().skew_ms == -240_000
    assert b'"ts":%d' % (BASE - 240_000 + room.planned[0].at) in b"".join(event.line for event in wrong.events())
    assert room.truth().skew_ms == 0


@pytest.mark.parametrize(("minutes", "rate"), [(0.1, 15), (100_000, 15), (6, 0), (6, 10_000), (700, 15)])
def test_rooms_that_cannot_be_are_refused(minutes: float, rate: float) -> None:
    with pytest.raises(InvalidError, match="simulated room"):
        open_simulation(1, base_ts=BASE, minutes=minutes, rate=rate)


@pytest.mark.parametrize(
    ("fen", "said"),
    [
        (12_990, "一百二十九块九"),
        (5_900, "五十九块"),
        (199_900, "一千九百九十九块"),
        (10_550, "一百零五块五"),
        (1_205, "十二块零五"),
    ],
)
def test_prices_as_they_are_said(fen: int, said: str) -> None:
    assert spoken_price(fen) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "零"), (10, "十"), (15, "十五"), (110, "一百一十"), (1_005, "一千零五"), (9_050, "九千零五十")]
)
def test_numbers_as_they_are_said(number: int, said: str) -> None:
    assert spoken_number(number) == said
    with pytest.raises(ValueError, match="ten thousand"):
        spoken_number(10_000)
