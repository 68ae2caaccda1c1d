"""What the sink must notice: what was replayed for others, what retention took, how far it is behind, what it buried."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # its public name is not in the type stubs

from storage.client import StoreClient
from streams import records as r
from streams.deadletters import Filter, read_letters, replay
from streams.topics import LETTER_VALUE_BYTES, partition_of
from tests.faults.support.sinkworld import (
    NOW,
    Keep,
    SinkThread,
    World,
    end,
    module_store,
    mood_of,
    own_broker,
    world,
)
from tests.storage.support import until

__all__ = ["end", "module_store", "own_broker", "world"]
pytestmark = [pytest.mark.kafka, pytest.mark.store]
_spec: Any = OffsetSpec  # its methods carry no types


def rows(client: StoreClient, table: str, room: str) -> int:
    found = client.execute(f"SELECT count() FROM live.{table} WHERE room_id = %(r)s SETTINGS final = 0", {"r": room})
    return int(found[0][0])


def test_a_letter_replayed_for_another_stage_adds_no_row(world: World) -> None:
    room, client = f"{world.group}-0", world.store.client()
    with SinkThread(world) as sink:
        world.put("live.mood", room, r.encode(mood_of(room)), world.number(room))
        world.producer.flush(30)
        until(lambda: rows(client, "mood", room))
        letter = r.DeadLetter(
            topic="live.mood", partition=partition_of(room, 4), offset=0, reason="x", stage=f"other-{room}", failed_ts=NOW,
            room=room, key=room.encode(), value=r.encode(mood_of(room)),
        )  # fmt: skip
        world.put("live.deadletter", "live.mood", r.encode(letter))
        world.producer.flush(30)
        outcome = replay(world.cluster, read_letters(world.cluster, Filter(stage=letter.stage)))
        assert outcome.replayed == 1
        until(lambda: sink.total("sink_repeats_total", topic="live.mood") == 1)
        world.put("live.mood", room, r.encode(mood_of(room)), world.number(room))
        world.producer.flush(30)
        until(lambda: rows(client, "mood", room) == 2)
    client.close()


def speak(world: World, room: str, start: int, count: int) -> None:
    for n in range(start, start + count):
        said = r.Speech(room=room, event_ts=NOW, ingest_ts=NOW, id=str(n), source="s", end_ts=NOW, text="x")
        world.put("live.speech", room, r.encode(said))
    assert world.producer.flush(30) == 0


def remove(world: World, room: str, count: int) -> None:
    """Retention: all but the newest ``count`` of the room's partition."""
    place = TopicPartition("live.speech", partition_of(room, 4))
    admin = AdminClient(world.cluster.client())
    end = next(iter(admin.list_offsets({place: _spec.latest()}).values())).result(30).offset
    place.offset = end - count
    for future in admin.delete_records([place]).values():
        future.result(30)


def test_what_retention_took_while_the_sink_was_away_is_counted(world: World) -> None:
    room, client = f"{world.group}-0", world.store.client()
    with SinkThread(world):
        speak(world, room, 0, 5)
        until(lambda: rows(client, "speech", room) == 5)
    speak(world, room, 5, 10)
    remove(world, room, 3)
    with SinkThread(world) as sink:
        until(lambda: rows(client, "speech", room) == 8)
        assert sink.total("records_lost_total", topic="live.speech") == 7
    client.close()


@pytest.mark.slow
def test_retention_that_overtakes_a_sink_whose_store_is_away_is_counted(world: World) -> None:
    """And the lag shows meanwhile how far behind it is."""
    room, client = f"{world.group}-0", world.store.client()
    with SinkThread(world) as sink:
        speak(world, room, 0, 5)
        until(lambda: rows(client, "speech", room) == 5)
        client.close()
        world.store.kill()
        try:
            speak(world, room, 5, 1)
            until(lambda: sink.sink.ready() is not None)
            speak(world, room, 6, 10)
            until(lambda: sink.total("sink_lag", topic="live.speech") == 11)
            remove(world, room, 3)
        finally:
            world.store.start()
        client = world.store.client()
        until(lambda: rows(client, "speech", room) == 9)
        assert sink.total("records_lost_total", topic="live.speech") == 7
        until(lambda: sink.total("sink_lag", topic="live.speech") == 0)
    client.close()


def test_a_sink_that_poison_stopped_has_buried_it_and_gets_further(world: World, end: Keep) -> None:
    room = f"{world.group}-0"
    sink = end(world.sink(dead=0.2))
    sink.start()
    for _ in range(150):
        world.put("live.viewers", room, b"\xc1poison")
    world.producer.flush(30)
    assert sink.wait(60) != 0
    buried = [letter for letter in read_letters(world.cluster, Filter(stage="sink")) if letter.letter.room == room]
    assert len(buried) >= 100
    with SinkThread(world) as again:
        world.put("live.mood", room, r.encode(mood_of(room)))
        world.producer.flush(30)
        client = world.store.client()
        until(lambda: rows(client, "mood", room))
        client.close()
        assert again.total("deadletters_total", stage="sink") == 150 - len(buried)


def test_junk_of_any_size_stops_no_sink(world: World) -> None:
    room, client = f"{world.group}-0", world.store.client()
    large = Producer(world.cluster.producer(message_max_bytes=8_000_000))
    with SinkThread(world):
        for size in (1_000_000, 4_000_000):
            large.produce("live.viewers", b"\xc1" * size, room.encode(), partition_of(room, 4))
        assert large.flush(30) == 0
        until(lambda: rows(client, "deadletters", room) == 2)
    found = [x.letter for x in read_letters(world.cluster, Filter(stage="sink")) if x.letter.room == room]
    assert [(len(letter.value), letter.cut) for letter in found] == [(1_000_000, False), (LETTER_VALUE_BYTES, True)]
    client.close()
