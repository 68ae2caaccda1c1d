"""The sink against a real broker and a real store, while things die. The verifier knows only what was written to Kafka."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.rows import TABLE_OF
from streams import records as r
from streams.topics import TOPIC_OF, partition_of
from tests.faults.support.sinkworld import NOW, Keep, World, count_of, end, module_store, mood_of, own_broker, world
from tests.storage.support import until
from tests.support.kafka import broker

__all__ = ["broker", "end", "module_store", "own_broker", "world"]
pytestmark = [pytest.mark.kafka, pytest.mark.store]


def test_every_record_is_stored_once(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    world.talk(300, repeat=0.3)
    world.trade(500, repeat=0.5)
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_kill_9_of_the_sink_loses_and_doubles_nothing(world: World, end: Keep) -> None:
    sink = end(world.sink("one"))
    for round_ in range(6):
        sink.start()
        world.talk(150, repeat=0.2)
        world.trade(150, repeat=0.4)
        world.producer.poll(0)
        if round_ < 5:
            time.sleep(world.chance.uniform(0.2, 2.0))
            sink.kill()
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_kill_9_of_the_store_loses_and_doubles_nothing(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    for _ in range(3):
        world.talk(150, repeat=0.2)
        world.trade(150, repeat=0.4)
        world.producer.poll(0)
        time.sleep(world.chance.uniform(0.2, 1.5))
        world.store.kill()
        time.sleep(world.chance.uniform(0.1, 1.0))
        world.store.start()
    world.settle()
    world.verify()
    sink.stop()


@pytest.mark.slow
def test_two_sinks_share_and_one_takes_over(world: World, end: Keep) -> None:
    one, two = end(world.sink("one")), end(world.sink("two"))
    one.start()
    world.talk(150, repeat=0.2)
    two.start()
    world.trade(300, repeat=0.2)
    time.sleep(2)
    one.kill()
    world.talk(150, repeat=0.2)
    world.settle()
    world.verify()
    two.stop()


@pytest.mark.slow
def test_a_sink_that_slept_through_its_time_writes_nothing(world: World, end: Keep) -> None:
    one = end(world.sink("one"))
    one.start()
    world.talk(50)
    world.settle()
    one.pause()
    two = end(world.sink("two"))
    two.start()
    world.talk(150)
    world.trade(150)
    world.settle()
    one.go_on()
    world.talk(50)
    world.settle()
    world.verify()
    two.stop()


def test_a_stop_writes_out_what_is_held(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    world.talk(30)
    world.settle()
    sink.stop()
    world.talk(30)
    again = end(world.sink())
    again.start()
    world.settle()
    world.verify()
    again.stop()


def test_poison_lies_among_the_dead_letters_and_the_rest_is_stored(world: World, end: Keep) -> None:
    sink = end(world.sink())
    sink.start()
    room = f"{world.group}-0"
    no_time = r.Sale(room="x", event_ts=-5, ingest_ts=NOW, id="p", source="s", type="pay")
    poison = [None, b"", b"\xc1\xc1", b"{}", r.encode(mood_of("x")), r.encode(no_time)]
    for value in poison:
        world.trade(50)
        world.put("live.sales", room, value)
    world.talk(20)
    world.settle()
    world.verify()
    client = world.store.client()
    key = {"r": room}
    until(
        lambda: client.execute("SELECT count() FROM live.deadletters WHERE room_id = %(r)s", key) == [(len(poison),)],
        say=sink.log,
    )
    found = client.execute(
        "SELECT DISTINCT topic, stage, partition FROM live.deadletters WHERE room_id = %(r)s AND offset >= 0 AND reason != ''",
        key,
    )
    assert found == [("live.sales", "sink", partition_of(room, 4))]
    values = client.execute("SELECT value FROM live.deadletters WHERE room_id = %(r)s ORDER BY offset", key)
    assert [len(v[0]) for v in values] == [len(v or b"") for v in poison]
    client.close()
    sink.stop()


def test_nothing_but_poison_stops_the_sink_and_it_says_so(world: World, end: Keep) -> None:
    sink = end(world.sink(dead=0.2))
    sink.start()
    for n in range(400):
        world.put("live.viewers", f"{world.group}-{n % 4}", b"\xc1poison")
    world.producer.flush(30)
    assert sink.wait(60) != 0
    assert "could not be used" in sink.log()


def test_the_same_batch_again_changes_nothing(world: World) -> None:
    """An insert whose outcome nobody knows, sent five times, at once and one after the other."""
    room = f"{world.group}-0"
    table = TABLE_OF["live.comprehended"]
    messages = [r.UnderstoodChat(f"c{n}", NOW + n * 100, f"u{n % 7}", "x", "x", "negative") for n in range(1500)]
    rows = table.rows(r.ComprehendedEnvelope(room=room, event_ts=NOW, ingest_ts=NOW, source="sim", messages=messages), 0, 1)

    def send(_: int) -> None:
        client = world.store.client()
        client.insert("live.danmaku", table.columns, [list(c) for c in zip(*rows, strict=True)], token=f"{room}:1-1")
        client.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(send, range(5)))
    client = world.store.client()
    assert count_of(client, "danmaku", world.group) == 1500
    assert client.execute(
        "SELECT sum(messages), max(negative_share) FROM live.chat_minutes WHERE room_id = %(r)s", {"r": room}
    ) == [(1500, 1.0)]
    states = client.execute(
        "SELECT count() FROM live.chat_minutes_state WHERE room_id = %(r)s GROUP BY minute "
        "HAVING count() > 1 SETTINGS final = 0",
        {"r": room},
    )
    assert states == []
    client.close()


def test_rows_under_another_token_are_one_row_and_count_once(world: World) -> None:
    room = f"{world.group}-0"
    table = TABLE_OF["live.comprehended"]
    messages = [r.UnderstoodChat(f"c{n}", NOW, f"u{n % 7}", "x", "x") for n in range(100)]
    rows = table.rows(r.ComprehendedEnvelope(room=room, event_ts=NOW, ingest_ts=NOW, source="sim", messages=messages), 0, 1)
    client = world.store.client()
    for token in ("a", "b"):
        client.insert("live.danmaku", table.columns, [list(c) for c in zip(*rows, strict=True)], token=f"{room}:{token}")
    assert client.execute("SELECT count() FROM live.danmaku WHERE room_id = %(r)s", {"r": room}) == [(100,)]
    assert client.execute("SELECT sum(messages) FROM live.chat_minutes WHERE room_id = %(r)s", {"r": room}) == [(100,)]
    client.close()


def test_all_kinds_reach_their_tables(world: World, end: Keep) -> None:
    from tests.storage.test_rows import SAMPLES

    sink = end(world.sink())
    sink.start()
    import msgspec

    for sample in SAMPLES:
        record = msgspec.structs.replace(sample, room=world.group)
        world.put(TOPIC_OF[type(record)].name, world.group, r.encode(record))
    world.producer.flush(30)
    client = world.store.client()
    wanted = Counter(TABLE_OF[TOPIC_OF[type(sample)].name].of(sample).name for sample in SAMPLES)
    wanted["danmaku"] = 2

    def found() -> dict[str, int]:
        return {
            name: int(client.execute(f"SELECT count() FROM live.{name} WHERE room_id = %(r)s", {"r": world.group})[0][0])
            for name in wanted
        }

    until(lambda: found() == wanted, say=lambda: (found(), wanted, sink.log()[-500:]))
    client.close()
    sink.stop()
