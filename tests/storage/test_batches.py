from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.batches import Batch, DeadShare, Message, Partition
from storage.ledger import Claim
from storage.recent import Recent, row_key
from storage.rows import TABLE_OF
from streams import records as r
from streams.records import FatalError, RetryError, encode
from streams.topics import DEADLETTER

NOW = 1_700_000_000_000


def sale(number: int) -> r.Sale:
    return r.Sale(room="r", event_ts=NOW, ingest_ts=NOW, id=str(number), source="s", type="order", order=str(number))


def mood(number: int) -> r.Mood:
    return r.Mood(
        room="r", event_ts=NOW, ingest_ts=NOW, id=str(number), revision=number, messages=1, users=1, negative_share=0,
        positive_share=0, arousal=0,
    )  # fmt: skip


def message(offset: int, record: Any, sequence: tuple[str, int] | None = None) -> Message:
    value = record if isinstance(record, bytes | None) else r.encode(record)
    return Message(offset, b"r", value, [r.sequence_header(*sequence)] if sequence else None)


def partition(topic: str = "live.sales", **given: Any) -> Partition:
    return Partition(TABLE_OF[topic], 0, given.pop("sequences", {}), given.pop("recent", Recent), **given)


def feed(reader: Partition, messages: list[Message]) -> Batch:
    for each in messages:
        reader.take(each, lambda: NOW)
    batch = reader.cut()
    assert batch
    return batch


def ids(batch: Batch, table: str = "live.sales") -> list[str]:
    return [row[TABLE_OF[table].columns.index("source_id" if table == "live.sales" else "id")] for row in batch.rows]


def test_a_batch_knows_its_offsets() -> None:
    batch = feed(partition(), [message(5, sale(1)), message(9, sale(2))])
    assert (batch.first, batch.last, batch.records, ids(batch)) == (5, 9, 2, ["1", "2"])


def test_a_row_that_comes_again_is_left_out() -> None:
    batch = feed(partition(), [message(1, sale(1)), message(2, sale(1)), message(3, sale(2)), message(4, sale(1))])
    assert (ids(batch), batch.repeats) == (["1", "2"], 2)


def test_numbered_records_count_once_whatever_their_ids() -> None:
    reader = partition("live.mood")
    batch = feed(reader, [message(1, mood(1), ("w", 1)), message(2, mood(1), ("w", 2)), message(3, mood(1), ("w", 2))])
    assert (ids(batch, "live.mood"), batch.repeats) == (["1", "1"], 1)
    assert (batch.before, reader.sequences) == ({}, {"w": 2})


def test_writers_count_for_themselves() -> None:
    batch = feed(partition("live.mood", sequences={"a": 5}), [message(1, mood(1), ("a", 5)), message(2, mood(2), ("b", 1))])
    assert ids(batch, "live.mood") == ["2"]
    assert batch.before == {"a": 5}


@pytest.mark.parametrize("value", [None, b"", b"\xc1", b"not msgpack", r.encode(mood(1))])
def test_poison_becomes_a_dead_letter_and_the_rest_goes_on(value: bytes | None) -> None:
    batch = feed(partition(), [message(1, sale(1)), message(2, value), message(3, sale(2))])
    assert ids(batch) == ["1", "2"]
    (letter,) = batch.dead
    assert (letter.topic, letter.partition, letter.offset, letter.stage) == ("live.sales", 0, 2, "sink")
    assert (letter.value, letter.key, letter.room, letter.failed_ts) == (value or b"", b"r", "r", NOW)
    assert letter.reason


def chats(*stamps: int) -> r.ComprehendedEnvelope:
    messages = [r.UnderstoodChat(f"m{number}", ts, "u", "好", "好") for number, ts in enumerate(stamps)]
    return r.ComprehendedEnvelope(room="r", event_ts=NOW, ingest_ts=NOW, source="s", messages=messages)


def test_a_message_that_no_column_holds_is_buried_alone() -> None:
    batch = feed(partition("live.comprehended"), [message(1, chats(NOW, -5, NOW + 1), ("w", 1))])
    at = TABLE_OF["live.comprehended"].columns.index("source_id")
    assert [row[at] for row in batch.rows] == ["m0", "m2"]
    (letter,) = batch.dead
    kept = r.decode(letter.value, r.ComprehendedEnvelope)
    assert [(one.id, one.event_ts) for one in kept.messages] == [("m1", -5)]
    assert "'m1'" in letter.reason
    assert (letter.offset, batch.records, batch.repeats) == (1, 1, 0)


def test_an_envelope_that_is_wrong_itself_is_buried_whole() -> None:
    batch = feed(partition("live.comprehended"), [message(1, msgspec.structs.replace(chats(NOW, -5), ingest_ts=-1))])
    assert ([len(r.decode(one.value, r.ComprehendedEnvelope).messages) for one in batch.dead], batch.rows) == ([2], [])


def test_a_letter_about_a_product_is_its_rooms_and_its_reason_is_short() -> None:
    (letter,) = feed(partition("live.catalogue"), [Message(1, b"r/A1", b"\xc1" * 4_000_000)]).dead
    assert (letter.room, letter.key, letter.cut) == ("r", b"r/A1", True)
    assert len(encode(letter)) < DEADLETTER.max_bytes


def test_a_header_that_is_no_number_is_poison() -> None:
    batch = feed(partition(), [Message(1, b"r", r.encode(sale(1)), [(r.SEQUENCE_HEADER, b"w:x")])])
    assert len(batch.dead) == 1
    assert not batch.rows


def test_a_numbered_poison_is_not_counted_again() -> None:
    batch = feed(partition("live.mood"), [message(1, b"bad", ("w", 1)), message(2, b"bad", ("w", 1))])
    assert (len(batch.dead), batch.repeats) == (1, 1)


def test_an_offset_that_goes_back_is_fatal() -> None:
    reader = partition()
    reader.take(message(5, sale(1)), lambda: NOW)
    with pytest.raises(FatalError, match="offset 5 came after 5"):
        reader.take(message(5, sale(1)), lambda: NOW)


def test_a_batch_that_is_sent_again_has_the_same_cut() -> None:
    claim = Claim("live.mood", 0, 3, 6, {"w": 2}, {"w": 5})
    reader = partition("live.mood", sequences={"w": 5}, resend=claim)
    for number in range(3, 9):
        reader.take(message(number, mood(number), ("w", number)), lambda: NOW)
    assert reader.due
    batch = reader.cut()
    assert batch
    assert (batch.first, batch.last, batch.resend, ids(batch, "live.mood")) == (3, 6, True, ["3", "4", "5", "6"])
    assert [held.offset for held in reader.held()] == [7, 8]
    assert reader.waits_for is None


def test_a_batch_that_is_sent_again_ends_where_reading_has_passed_it() -> None:
    reader = partition(resend=Claim("live.sales", 0, 3, 6))
    reader.take(message(3, sale(1)), lambda: NOW)
    before = reader.due
    reader.position = 6  # the rest was compacted away
    assert (before, reader.due) == (False, True)
    batch = reader.cut()
    assert batch
    assert (batch.first, batch.last) == (3, 6)


def test_an_id_is_one_rooms_and_many_rooms_share_a_partition() -> None:
    other = msgspec.structs.replace(sale(1), room="r2")
    batch = feed(
        partition(recent=lambda: Recent([row_key("r3", "s:1")])), [message(1, sale(1)), message(2, other), message(3, other)]
    )
    assert ([row[0] for row in batch.rows], batch.repeats) == (["r", "r2"], 1)


@pytest.mark.parametrize(("stage", "rows"), [("sink", ["1"]), ("highlights", [])])
def test_what_is_replayed_for_another_stage_is_no_new_row(stage: str, rows: list[str]) -> None:
    again = Message(1, b"r", r.encode(mood(1)), [(r.REPLAY_HEADER, stage.encode())])
    batch = feed(partition("live.mood"), [again])
    assert (ids(batch, "live.mood"), batch.repeats, batch.records) == (rows, 1 - len(rows), 1)


def test_recent_rows_are_looked_up_when_the_first_record_comes_and_a_failure_changes_nothing() -> None:
    asked = 0

    def find() -> Recent:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RetryError("the store is away")
        return Recent([row_key("r", "s:1")])

    reader = partition(recent=find)
    assert asked == 0
    with pytest.raises(RetryError):
        reader.take(message(1, sale(1)), lambda: NOW)
    assert reader.batch is None
    batch = feed(reader, [message(1, sale(1)), message(2, sale(2))])
    assert (asked, ids(batch)) == (2, ["2"])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_whatever_crashes_the_store_gets_each_row_once(seed: int, count: int) -> None:
    """A store that remembers tokens, a sink that dies anywhere, duplicates and repeats in the log: every row once."""
    chance = random.Random(seed)
    log, number = [], 0
    for offset in range(count):
        if number and chance.random() < 0.3:
            again = chance.randint(1, number)
            log.append(message(offset, mood(again), ("w", again)))
        else:
            number += 1
            log.append(message(offset, mood(number), ("w", number)))
    stored: dict[str, list[str]] = {}
    ledger: Claim | None = None
    committed = 0
    while committed < count:
        resend = ledger if ledger and committed <= ledger.last else None
        reader = partition("live.mood", sequences=ledger.after if ledger else {}, resend=resend)
        start = resend.first if resend else max(committed, ledger.last + 1 if ledger else 0)
        for each in log[start:]:
            reader.take(each, lambda: NOW)
            if not (reader.due if reader.waits_for is not None else chance.random() < 0.3 or each is log[-1]):
                continue
            batch = reader.cut()
            assert batch
            if batch.rows and not batch.resend:
                ledger = Claim("live.mood", 0, batch.first, batch.last, batch.before, dict(reader.sequences))
            if chance.random() < 0.2:
                break
            if batch.rows:
                stored.setdefault(f"{batch.first}-{batch.last}", ids(batch, "live.mood"))
            if chance.random() < 0.2:
                break
            committed = batch.last + 1
            if reader.held():
                break
    assert sorted(int(row) for rows in stored.values() for row in rows) == list(range(1, number + 1))


def entry(number: int, **given: Any) -> r.FaqEntry:
    return r.FaqEntry(room="r", event_ts=NOW, ingest_ts=NOW, id=str(number), question="q", answer="a", **given)


def sheet(number: int) -> r.Product:
    return r.Product(room="r", event_ts=NOW, ingest_ts=NOW, id=str(number), source="s", sku="A", type="show", name="x")


def test_entries_of_the_faq_go_into_the_table_beside_the_sheets() -> None:
    """A sheet that comes again is left out; an entry's row replaces itself, so both are sent. A bad entry alone is buried."""
    word = r.FaqVerdict(room="r", event_ts=NOW, ingest_ts=NOW, id="answer:1", score=0.9, right=False)
    log = [sheet(1), entry(1), sheet(1), entry(1), entry(2, valid_until=-5), entry(3, state="withdrawn"), word]
    messages = [message(offset, record) for offset, record in enumerate(log)]
    batch = feed(partition("live.catalogue"), messages)
    named = {
        table.name: [row[table.columns.index("id")] for row in batch.beside[table.name]]
        for table in TABLE_OF["live.catalogue"].beside
    }
    assert named == {"faq": ["1", "1", "3"], "faq_verdicts": ["answer:1"]}
    assert (len(batch.rows), batch.size, batch.repeats, batch.last) == (1, 5, 1, 6)
    assert ["time -5" in dead.reason for dead in batch.dead] == [True]
    again = feed(partition("live.catalogue", resend=Claim("live.catalogue", 0, 0, 6, {}, {})), messages)
    assert (again.rows, again.beside) == (batch.rows, batch.beside), "what is sent again is the same to the letter"


def test_mostly_poison_stops_the_sink() -> None:
    share = DeadShare(0.5)
    share.count(Batch(0, {}, records=99, dead=[_letter()] * 99))
    with pytest.raises(FatalError, match="limit is 50%"):
        share.count(Batch(0, {}, records=10, dead=[_letter()] * 10))


def test_one_percent_of_poison_does_not() -> None:
    share = DeadShare(0.5)
    for _ in range(200):
        share.count(Batch(0, {}, records=1000, dead=[_letter()] * 10))


def test_without_a_limit_nothing_stops_it() -> None:
    share = DeadShare(1.0)
    for _ in range(20):
        share.count(Batch(0, {}, records=1000, dead=[_letter()] * 1000))


def _letter() -> r.DeadLetter:
    return r.DeadLetter(topic="t", partition=0, offset=0, reason="x", stage="sink", failed_ts=NOW)
