"""The subscriber and the publisher on a real broker."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource  # their public names are not exported
from confluent_kafka.admin._resource import ResourceType

from streams import topics
from streams.admin import create_topics
from streams.kafka import Cluster
from streams.lag import lag
from streams.publisher import Publisher
from streams.records import (
    ALL_ROOMS,
    DeadLetter,
    FaqEntry,
    FatalError,
    HostEvent,
    InvalidError,
    Record,
    RetryError,
    Sale,
    encode,
    read_sequence,
    sequence_header,
)
from streams.shell.poison import PoisonError, PoisonLimit
from streams.subscriber import Received, Subscriber
from streams.subscriber_memory import Memory, parse
from streams.subscriber_places import Places
from streams.topics import ANSWERS, CATALOGUE, DEADLETTER, HOST_EVENTS, LETTER_VALUE_BYTES, SALES, Topic, key_of, partition_of
from tests.streams.shell.operators import ROOM, answer, sale
from tests.streams.shell.simlog import NullMeter
from tests.support.kafka import start_broker

pytestmark = pytest.mark.kafka
PARTITION = partition_of(ROOM, 4)


@pytest.fixture
def source(topic_maker: Callable[..., str]) -> Topic:
    return dataclasses.replace(SALES, name=topic_maker("sales"))


@pytest.fixture(autouse=True)
def _all_topics(cluster: Cluster) -> None:
    create_topics(cluster, topics.TOPICS.values())


def put(cluster: Cluster, topic: Topic, values: list[bytes], writer: str = "", first: int = 1) -> None:
    producer = Producer(cluster.producer(message_max_bytes=8_000_000))
    for number, value in enumerate(values, first):
        headers = [sequence_header(writer, number)] if writer else []
        producer.produce(topic.name, value, ROOM.encode(), PARTITION, headers=headers)  # type: ignore[arg-type]  # list is invariant
    assert producer.flush(20) == 0


@contextmanager
def running(subscriber: Subscriber) -> Iterator[threading.Thread]:
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            subscriber.run(stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(20)
        if failures:
            raise failures[0]
    assert not thread.is_alive()


def until(what: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def read_all(cluster: Cluster, topic: Topic, writer: str) -> list[tuple[int, bytes]]:
    """Number and value of everything that ``writer`` put on the test's partition of a topic, raw."""
    consumer = Consumer(cluster.client(group_id="reader", enable_auto_commit=False))
    place = TopicPartition(topic.name, PARTITION, 0)
    low, high = consumer.get_watermark_offsets(place, timeout=10)
    consumer.assign([place])
    found = []
    at = low
    while at < high:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        at = (message.offset() or 0) + 1
        sequence = read_sequence(message.headers())  # type: ignore[arg-type]  # confluent's headers may be a mapping; ours are not
        if sequence and sequence[0].startswith(writer):
            found.append((sequence[1], bytes(message.value() or b"")))
    consumer.close()
    return found


def make(cluster: Cluster, source: Topic, handle: Callable[[Received], list[Record]], **more: Any) -> Subscriber:
    given: dict[str, Any] = {"meter": NullMeter(), "clock": lambda: int(time.time() * 1000), "writer": source.name} | more
    return Subscriber(cluster, f"livetide-{source.name}", (source,), handle, **given)


def committed(cluster: Cluster, source: Topic) -> int:
    """Where the group goes on in the test's partition; -1 where it has not begun."""
    return next(x.committed for x in lag(cluster, f"livetide-{source.name}", [source.name]) if x.partition == PARTITION)


def test_outputs_repeats_and_poison(cluster: Cluster, source: Topic) -> None:
    values = [encode(sale(n)) for n in range(20)] + [b"\xc1 poison"]
    put(cluster, source, values, writer="w")
    put(cluster, source, values[10:], writer="w", first=11)  # the writer says the last eleven again
    taken: list[str] = []

    def handle(received: Received) -> list[Record]:
        assert isinstance(received.record, Sale)
        taken.append(received.record.id)
        if received.record.id == "sale-3":
            raise InvalidError("three is refused")
        return [answer(received.record, received.offset, 0)]

    subscriber = make(cluster, source, handle)
    with running(subscriber):
        until(lambda: sum(x.lag for x in lag(cluster, f"livetide-{source.name}", [source.name])) == 0 and len(taken) >= 20)
    assert taken == [f"sale-{n}" for n in range(20)]
    answers = [ANSWERS.decode(value) for _, value in read_all(cluster, ANSWERS, source.name)]
    assert [a.source_id for a in answers] == [f"sale-{n}" for n in range(20) if n != 3]
    letters: list[DeadLetter] = [DEADLETTER.decode(v) for _, v in read_all(cluster, DEADLETTER, source.name)]
    assert [(x.topic, x.partition, x.offset, x.value) for x in letters] == [
        (source.name, PARTITION, 3, values[3]), (source.name, PARTITION, 20, values[20]),
    ]  # fmt: skip
    assert letters[0].reason == "three is refused"


def test_junk_of_any_size_stops_nobody(cluster: Cluster, source: Topic) -> None:
    put(cluster, source, [b"\xc1" * 1_000_000, b"\xc1" * 4_000_000, encode(sale(2))], writer="w")
    taken: list[int] = []

    def handle(received: Received) -> list[Record]:
        taken.append(received.offset)
        return []

    with running(make(cluster, source, handle)):
        until(lambda: committed(cluster, source) == 3)
    assert taken == [2]
    letters: list[DeadLetter] = [DEADLETTER.decode(v) for _, v in read_all(cluster, DEADLETTER, source.name)]
    assert [(x.offset, len(x.value), x.cut) for x in letters] == [(0, 1_000_000, False), (1, LETTER_VALUE_BYTES, True)]
    assert "of the 4000000 bytes" in letters[1].reason


def test_repeats_are_known_after_a_restart(cluster: Cluster, source: Topic) -> None:
    taken: list[str] = []

    def handle(received: Received) -> list[Record]:
        taken.append(received.record.id)
        return []

    group = f"livetide-{source.name}"
    put(cluster, source, [encode(sale(n)) for n in range(5)], writer="w")
    with running(make(cluster, source, handle)):
        until(lambda: len(taken) == 5)
    put(cluster, source, [encode(sale(n)) for n in range(6)], writer="w")  # all again, and one more
    with running(make(cluster, source, handle)):
        until(lambda: sum(x.lag for x in lag(cluster, group, [source.name])) == 0)
    assert taken == [f"sale-{n}" for n in range(6)]


def test_retry_waits_and_fatal_stops_before_the_commit(cluster: Cluster, source: Topic) -> None:
    tries: list[int] = []

    def handle(received: Received) -> list[Record]:
        tries.append(received.offset)
        if len(tries) == 1:
            raise RetryError("not yet")
        if received.offset == 2:
            raise FatalError("this would lose something")
        return []

    put(cluster, source, [encode(sale(n)) for n in range(4)])
    with pytest.raises(FatalError, match="lose something"), running(make(cluster, source, handle)) as thread:
        thread.join(30)
    assert tries == [0, 0, 1, 2]
    assert committed(cluster, source) == 2


class Losses(NullMeter):
    def __init__(self) -> None:
        self.lost: list[tuple[str, float]] = []

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        if name == "records_lost":
            self.lost.append((labels["topic"], amount))


def test_what_retention_removed_is_counted_and_reading_goes_on(cluster: Cluster, source: Topic) -> None:
    taken: list[str] = []

    def handle(received: Received) -> list[Record]:
        taken.append(received.record.id)
        return []

    put(cluster, source, [encode(sale(n)) for n in range(5)])
    with running(make(cluster, source, handle)):
        until(lambda: committed(cluster, source) == 5)
    put(cluster, source, [encode(sale(n)) for n in range(5, 10)])
    admin = AdminClient(cluster.client())  # held: what is collected does not answer
    place = TopicPartition(source.name, PARTITION, 8)
    admin.delete_records([place])[place].result(20)
    meter = Losses()
    with running(make(cluster, source, handle, meter=meter)):
        until(lambda: committed(cluster, source) == 10)
    assert taken == [f"sale-{n}" for n in (0, 1, 2, 3, 4, 8, 9)]
    assert meter.lost == [(source.name, 3)]
    again = Losses()
    with running(make(cluster, source, handle, meter=again)):
        put(cluster, source, [encode(sale(10))])
        until(lambda: committed(cluster, source) == 11)
    assert again.lost == []


def test_a_jump_in_the_middle_is_a_loss_and_a_hole_of_compaction_is_none() -> None:
    meter = Losses()
    places = Places("g", meter, {"compacted"})
    places.came(("plain", 0), 100)  # the first that is read, of a group that has committed nothing
    places.came(("plain", 0), 101)
    places.came(("plain", 0), 150)
    places.came(("plain", 0), 20)  # read again after a rebalance
    places.came(("plain", 0), 21)
    places.begin(("compacted", 0), 5, 30)
    places.came(("compacted", 0), 40)
    assert meter.lost == [("plain", 48)]


def test_an_output_that_is_refused_while_stopping_is_not_committed_past(cluster: Cluster, source: Topic) -> None:
    stop = threading.Event()
    event = HostEvent(room=ROOM, event_ts=1, ingest_ts=1, id="e", type="spoken", command="c", revision=1, text="x" * 5_000)

    def handle(received: Received) -> list[Record]:
        if received.offset == 1:
            stop.set()
            return [event]
        return []

    put(cluster, source, [encode(sale(n)) for n in range(2)])
    with topic_limit(cluster, HOST_EVENTS, 1_000), pytest.raises(FatalError, match="refuses a record"):
        make(cluster, source, handle).run(stop)
    assert committed(cluster, source) < 2


@contextmanager
def topic_limit(cluster: Cluster, topic: Topic, size: int) -> Iterator[None]:
    """For a while the broker takes no larger record in this topic."""
    admin = AdminClient(cluster.client())

    def alter(operation: AlterConfigOpType) -> None:
        entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=operation)
        asked = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
        for future in admin.incremental_alter_configs([asked]).values():
            future.result(20)

    alter(AlterConfigOpType.SET)
    try:
        yield
    finally:
        alter(AlterConfigOpType.DELETE)


def test_the_writer_seen_last_is_remembered_last(cluster: Cluster, source: Topic) -> None:
    put(cluster, source, [encode(sale(1))], writer="old")
    put(cluster, source, [encode(sale(2))], writer="new")
    put(cluster, source, [encode(sale(3))], writer="old", first=2)
    with running(make(cluster, source, lambda _: [])):
        until(lambda: committed(cluster, source) == 3)
    numbers = Memory(cluster, f"livetide-{source.name}").load({(source.name, PARTITION)})[source.name, PARTITION].numbers
    assert list(numbers.items()) == [("new", 1), ("old", 2)]


def test_too_much_poison_ends_it_with_what_was_buried_committed(cluster: Cluster, source: Topic) -> None:
    put(cluster, source, [b"\xc1 poison"] * 30)
    with (
        pytest.raises(PoisonError, match="10 of the last 10"),
        running(make(cluster, source, lambda _: [], poison=PoisonLimit(10, 0.5))) as thread,
    ):
        thread.join(30)
    assert committed(cluster, source) == 10


def test_a_handler_that_hangs_is_not_alive_and_one_that_waits_is(cluster: Cluster, source: Topic) -> None:
    entered, go_on, at = threading.Event(), threading.Event(), [0.0]
    tries: list[float] = []

    def handle(received: Received) -> list[Record]:
        if len(tries) < 2:
            tries.append(at[0])
            at[0] += 100  # half a stall in each try, and longer than one in all
            raise RetryError("later")
        entered.set()
        go_on.wait(30)
        return []

    subscriber = make(cluster, source, handle, now=lambda: at[0], stall_s=120)
    assert subscriber.alive() is None
    put(cluster, source, [encode(sale(1))])
    with running(subscriber):
        assert entered.wait(30)
        assert subscriber.alive() is None
        at[0] += 121
        assert f"the handler of {source.name}-{PARTITION}@0 has not come back for 121 s" in str(subscriber.alive())
        go_on.set()
        until(lambda: subscriber.alive() is None)
    at[0] += 1_000
    assert subscriber.alive() is None  # it has ended, and was not hung


def test_a_ghost_is_not_waited_for(cluster: Cluster, source: Topic) -> None:
    """What kill -9 leaves in the group is a member that never says goodbye: here one that is still there."""
    group, instance = f"livetide-{source.name}", "host-1"
    ghost = Consumer(
        cluster.client(
            group_id=group, group_instance_id=instance, enable_auto_commit=False, session_timeout_ms=300_000,
            partition_assignment_strategy="range",
        ) | {"log_level": 0}
    )  # fmt: skip
    ghost.subscribe([source.name])
    until(lambda: bool(ghost.poll(0.2) or ghost.assignment()))
    put(cluster, source, [encode(sale(1))])
    taken: list[str] = []

    def handle(received: Received) -> list[Record]:
        taken.append(received.record.id)
        return []

    with running(make(cluster, source, handle, instance=instance)):
        until(lambda: taken == ["sale-1"])
    ghost.close()


def test_two_under_one_name_are_told(cluster: Cluster, source: Topic) -> None:
    put(cluster, source, [encode(sale(1))])
    failures: list[BaseException] = []

    def run_older() -> None:
        try:
            make(cluster, source, lambda _: [], instance="host-1").run(threading.Event())
        except BaseException as error:
            failures.append(error)

    older = threading.Thread(target=run_older)
    older.start()
    until(lambda: committed(cluster, source) == 1)
    with running(make(cluster, source, lambda _: [], instance="host-1")):
        put(cluster, source, [encode(sale(2))])
        until(lambda: committed(cluster, source) == 2)
        older.join(30)
    assert not older.is_alive()
    (failure,) = failures
    assert isinstance(failure, FatalError)
    assert re.search("fenced by other consumer .* another process runs as 'host-1'", str(failure))


def test_publisher_puts_a_record_into_the_partition_of_its_room(cluster: Cluster) -> None:
    publisher = Publisher(cluster)
    header = sequence_header("test-publisher", 1)
    record = answer(sale(1), 7, 0.5)
    publisher.send(record, [header])
    publisher.flush()
    assert [ANSWERS.decode(v) for _, v in read_all(cluster, ANSWERS, "test-publisher")] == [record]


def test_publisher_puts_what_is_of_all_rooms_into_every_partition(cluster: Cluster) -> None:
    entry = FaqEntry(room=ALL_ROOMS, event_ts=1, ingest_ts=1, id="test-publisher", question="包邮吗", answer="都包邮")
    Publisher(cluster).publish(entry)
    reader = Consumer(cluster.client(group_id="test-all-rooms", enable_auto_commit=False))
    for partition in range(cluster.partitions):
        reader.assign([TopicPartition(CATALOGUE.name, partition, 0)])
        until(lambda: any(m.key() == key_of(entry) and CATALOGUE.decode(m.value()) == entry for m in reader.consume(100, 0.2)))
    reader.close()


def test_publisher_says_that_kafka_is_away() -> None:
    publisher = Publisher(Cluster("127.0.0.1:1"), timeout_s=0.5)
    publisher.send(answer(sale(1), 7, 0.5))
    with pytest.raises(RetryError, match="did not confirm"):
        publisher.flush()


def test_a_patient_publisher_keeps_a_record_until_kafka_is_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    broker = start_broker(tmp_path_factory)
    try:
        away = broker.cluster(partitions=4)
        create_topics(away, [ANSWERS])
        broker.stop()
        publisher = Publisher(away, timeout_s=1, patient=True)
        publisher.send(answer(sale(1), 7, 0.5), [sequence_header("patient", 1)])
        for _ in range(2):  # longer than any other publisher would keep it
            with pytest.raises(RetryError, match="still on their way"):
                publisher.flush()
        publisher.send(answer(sale(2), 7, 0.5), [sequence_header("patient", 2)])
        broker.start()
        until(lambda: _flushed(publisher))
        assert [number for number, _ in read_all(away, ANSWERS, "patient")] == [1, 2]
    finally:
        broker.stop()


def _flushed(publisher: Publisher) -> bool:
    try:
        publisher.flush()
    except RetryError:
        return False
    return True


def test_publisher_tells_at_the_next_record_what_it_has_given_up() -> None:
    publisher = Publisher(Cluster("127.0.0.1:1"), timeout_s=0.2)
    publisher.send(answer(sale(1), 7, 0.5))
    told: list[str] = []

    def tells() -> bool:
        try:
            publisher.send(answer(sale(2), 7, 0.5))
        except RetryError as error:
            told.append(str(error))
        return bool(told)

    until(tells)
    assert "did not confirm" in told[0]


def test_a_failure_that_a_flush_has_told_is_not_told_again() -> None:
    """Or a command that goes through would be answered for one that did not, a while ago."""
    publisher = Publisher(Cluster("127.0.0.1:1"), timeout_s=1)
    publisher.send(answer(sale(1), 7, 0.5))
    publisher._timeout_s = 0.1  # the flush is over before the record is given up
    with pytest.raises(RetryError, match="still on their way"):
        publisher.flush()
    until(lambda: not len(publisher._producer) or publisher._producer.poll(0.1) < 0)
    publisher.send(answer(sale(2), 7, 0.5))


def test_memory_keeps_the_last_writers_when_there_are_too_many() -> None:
    memory = Memory(Cluster("nowhere:1"), "g")
    seen = {f"writer-{n:04}-{'x' * 40}": n for n in range(200)}
    kept = parse(memory.dump(seen))
    assert len(memory.dump(seen)) <= 4_000
    assert list(kept) == list(seen)[-len(kept) :]
    assert parse(memory.dump({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("metadata", ["", "ck:17", "seq:", "seq:{", 'seq:{"a":"b"}'])
def test_metadata_of_somebody_else_is_no_memory(metadata: str) -> None:
    assert parse(metadata) == {}


def test_threads_that_share_a_publisher_each_learn_of_their_own_record() -> None:
    steps: list[tuple[str, int]] = []
    both = threading.Barrier(2)

    class Watched(Publisher):
        def send(self, record: Record | DeadLetter, headers: list[tuple[str, bytes]] | None = None) -> None:
            steps.append(("send", threading.get_ident()))
            super().send(record, headers)

        def flush(self) -> None:
            steps.append(("flush", threading.get_ident()))
            super().flush()

    publisher = Watched(Cluster("127.0.0.1:1"), timeout_s=0.2)
    failures: list[str] = []

    def publish(number: int) -> None:
        both.wait(30)
        try:
            publisher.publish(answer(sale(number), 7, 0.5))
        except RetryError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=publish, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(failures) == 2  # nobody answers there, and both are told
    assert [step for step, _ in steps] == ["send", "flush"] * 2
    assert steps[0][1] == steps[1][1] != steps[2][1] == steps[3][1]
