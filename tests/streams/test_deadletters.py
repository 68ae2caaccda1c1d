"""Dead letters on a real broker: read, replay to the stage that buried them, once."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams import admin
from streams.deadletters import Filter, Letter, read_letters, replay, sort_out
from streams.kafka import Cluster
from streams.publisher import Publisher
from streams.records import REPLAY_HEADER, DeadLetter, meant_for
from streams.topics import LETTER_VALUE_BYTES, SPEECH, TOPICS

pytestmark = pytest.mark.kafka


def letter(stage: str, offset: int, **given: object) -> DeadLetter:
    fields = {
        "topic": SPEECH.name, "partition": 2, "offset": offset, "reason": "no msgpack", "stage": stage,
        "failed_ts": 1_000 + offset, "room": "room-1", "key": b"room-1", "value": b"bytes %d" % offset,
    } | given  # fmt: skip
    return DeadLetter(**fields)  # type: ignore[arg-type]  # a test's shorthand


def read(cluster: Cluster, stage: str) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of what was replayed for a stage."""
    consumer = Consumer(cluster.client(group_id="reader", enable_auto_commit=False))
    place = TopicPartition(SPEECH.name, 2, 0)
    at, end = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([place])
    found = []
    while at < end:
        message = consumer.poll(10)
        assert message is not None
        at = (message.offset() or 0) + 1
        if (REPLAY_HEADER, stage.encode()) in (message.headers() or ()):
            found.append((message.key(), message.value()))
    consumer.close()
    return found


@pytest.fixture
def stage(cluster: Cluster) -> str:
    """A stage's name that nobody else has."""
    admin.create_topics(cluster, TOPICS.values())
    return f"stage-{uuid.uuid4().hex[:8]}"


def bury(cluster: Cluster, *letters: DeadLetter) -> None:
    publisher = Publisher(cluster)
    for one in letters:
        publisher.send(one)
    publisher.flush()


def test_a_letter_is_read_once_however_often_it_was_said(cluster: Cluster, stage: str) -> None:
    bury(cluster, letter(stage, 1), letter(stage, 2), letter(stage, 1))
    found = read_letters(cluster, Filter(stage=stage))
    assert [place.letter for place in found] == [letter(stage, 1), letter(stage, 2)]
    assert not any(place.replayed for place in found)


def test_filters(cluster: Cluster, stage: str) -> None:
    bury(cluster, letter(stage, 1), letter(stage, 2, reason="of another version"), letter(stage, 9, topic="live.sales"))
    for which, offsets in (
        (Filter(stage=stage), {1, 2, 9}),
        (Filter(stage=stage, topic=SPEECH.name), {1, 2}),
        (Filter(stage=stage, reason="version"), {2}),
        (Filter(stage=stage, since_ms=1_002), {2, 9}),
        (Filter(stage=stage, until_ms=1_002), {1}),
    ):
        assert {place.letter.offset for place in read_letters(cluster, which)} == offsets


def test_replay_sends_the_bytes_back_once_and_for_one_stage(cluster: Cluster, stage: str) -> None:
    bury(cluster, letter(stage, 1), letter(stage, 2))
    assert replay(cluster, read_letters(cluster, Filter(stage=stage))).replayed == 2
    assert read(cluster, stage) == [(b"room-1", b"bytes 1"), (b"room-1", b"bytes 2")]
    again = read_letters(cluster, Filter(stage=stage))
    assert all(place.replayed for place in again)
    outcome = replay(cluster, again)
    assert (outcome.replayed, outcome.refused) == (0, {"replayed before": 2})
    assert replay(cluster, again[:1], again=True).replayed == 1
    assert len(read(cluster, stage)) == 3


def test_a_letter_of_any_size_is_kept_and_goes_back_if_it_is_whole(cluster: Cluster, stage: str) -> None:
    bury(cluster, letter(stage, 1, value=b"\xc1" * 1_500_000), letter(stage, 2, value=b"\xc1" * 4_000_000))
    letters = read_letters(cluster, Filter(stage=stage))
    assert [len(place.letter.value) for place in letters] == [1_500_000, LETTER_VALUE_BYTES]
    outcome = replay(cluster, letters)
    assert (outcome.replayed, sum(outcome.refused.values())) == (1, 1)
    assert "only the beginning" in next(iter(outcome.refused))
    assert read(cluster, stage) == [(b"room-1", b"\xc1" * 1_500_000)]


def test_what_the_gateway_refused_stays(cluster: Cluster) -> None:
    refused = letter("gateway", -1, topic="gateway", partition=-1)
    outcome = replay(cluster, [Letter(0, 0, refused, False)])
    assert outcome.replayed == 0
    assert "send it through the gateway again" in next(iter(outcome.refused))


def test_a_dry_run_says_what_the_replay_then_says(cluster: Cluster, stage: str) -> None:
    bury(cluster, letter(stage, 1), letter(stage, 2), letter(stage, 3, topic="of.somebody.else"))
    letters = read_letters(cluster, Filter(stage=stage))
    letters += [letters[0]._replace(replayed=True), Letter(0, 0, letter("gateway", -1, topic="gateway", partition=-1), False)]
    for again in (False, True):
        going, told = sort_out(letters, again=again)
        assert [one.offset for one in going] == ([1, 2, 1] if again else [1, 2])
        assert told.replayed + sum(told.refused.values()) == 5
        assert replay(cluster, letters, again=again) == told


def test_a_record_is_meant_for_all_unless_it_was_replayed() -> None:
    assert meant_for(None, "mood")
    assert meant_for([("x", b"y")], "mood")
    assert meant_for([(REPLAY_HEADER, b"mood")], "mood")
    assert not meant_for([(REPLAY_HEADER, b"mood")], "opinion")
    assert not meant_for([(REPLAY_HEADER, None)], "opinion")
