"""What one partition decides."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.records import REPLAY_HEADER, SEQUENCE_HEADER, FatalError, Record, RetryError, encode, sequence_header
from streams.shell.agent import Agent
from streams.shell.checkpoint import Checkpoint
from streams.shell.partition import GapError, Partition
from streams.topics import CATALOGUE, DEADLETTER, SALES, SPEECH
from tests.streams.shell.operators import DIRECT, OUTBOX, Echo, Tally, sale, speech
from tests.streams.shell.simlog import Entry


def fresh(agent: Agent) -> Partition:
    return Partition.fresh(agent, 0, {topic.name: 0 for topic in agent.sources}, lineage=5)


def entry(offset: int, value: bytes | None = None, topic: str = SALES.name, headers: Sequence[tuple[str, bytes]] = ()) -> Entry:
    return Entry(topic, offset, encode(sale(offset)) if value is None else value, headers=headers)


def test_records_are_taken_once_and_in_order() -> None:
    part = fresh(DIRECT)
    assert [part.feed(entry(n)) for n in (0, 1, 1, 0, 2)] == ["processed", "processed", "stale", "stale", "processed"]
    assert [output.number for output in part.outputs] == [1, 2, 3]
    with pytest.raises(GapError, match="offset 3 was expected, 5 came"):
        part.feed(entry(5))
    assert part.positions == {SALES.name: 3}


def test_a_compacted_topic_may_have_holes() -> None:
    part = fresh(Agent("holes", (CATALOGUE,), Echo, "direct"))
    assert part.feed(Entry(CATALOGUE.name, 9, b"\xc1")) == "dead"
    assert part.positions == {CATALOGUE.name: 10}


def test_numbers_of_a_writer_are_taken_once() -> None:
    part = fresh(DIRECT)
    numbers = [("a", 1), ("a", 2), ("b", 1), ("a", 2), ("a", 1), ("b", 1), ("a", 3)]
    fates = [part.feed(entry(at, headers=[sequence_header(*given)])) for at, given in enumerate(numbers)]
    assert fates == ["processed"] * 3 + ["repeated"] * 3 + ["processed"]
    restored = Partition(DIRECT, _handed_over(part))
    assert restored.feed(entry(7, headers=[sequence_header("a", 3)])) == "repeated"


def _handed_over(part: Partition) -> Checkpoint:
    part.outputs = []
    return part.snapshot().checkpoint


def test_poison_is_buried_with_its_origin_and_nothing_that_changes() -> None:
    letters = []
    for _ in range(2):
        part = fresh(DIRECT)
        assert part.feed(entry(0, b"\xc1 poison")) == "dead"
        assert part.feed(entry(1, headers=[(SEQUENCE_HEADER, b"w:NaN")])) == "dead"
        assert part.feed(entry(2)) == "processed"
        letters.append([output.value for output in part.outputs if output.topic == DEADLETTER.name])
    assert letters[0] == letters[1]
    first, second = map(DEADLETTER.decode, letters[0])
    assert (first.topic, first.partition, first.offset, first.value, first.stage) == (SALES.name, 0, 0, b"\xc1 poison", "echo")
    assert first.room == "room-1"
    assert "sequence header" in second.reason


def test_a_null_value_and_a_lone_surrogate_are_poison() -> None:
    part = fresh(DIRECT)
    for at, value in enumerate((b"", b"\x81\xa4kind\xa6sale.1", b"\x81\xa4kind\xa3\xed\xa0\x80")):
        assert part.feed(entry(at, value)) == "dead"


def test_a_replayed_record_is_for_the_stage_that_buried_it() -> None:
    part = fresh(DIRECT)
    assert part.feed(entry(0, headers=[(REPLAY_HEADER, b"echo")])) == "processed"
    assert part.feed(entry(1, headers=[(REPLAY_HEADER, b"mood")])) == "repeated"


def test_an_operator_that_breaks_is_fatal_and_moves_nothing() -> None:
    class Broken(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            raise ZeroDivisionError("oh")

    part = fresh(Agent("broken", (SALES,), Broken, "direct"))
    with pytest.raises(FatalError, match=r"live\.sales-0@0 broke the operator"):
        part.feed(entry(0))
    assert part.positions == {SALES.name: 0}
    assert not part.dirty


def test_an_operator_that_asks_for_patience_moves_nothing() -> None:
    class Slow(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            raise RetryError("later")

    part = fresh(Agent("slow", (SALES,), Slow, "direct"))
    with pytest.raises(RetryError):
        part.feed(entry(0, headers=[sequence_header("w", 1)]))
    assert part.positions == {SALES.name: 0}


def test_revisions_of_an_outbox_agent_grow_with_every_record_and_tick() -> None:
    part = fresh(OUTBOX)
    revisions = [part.revision]
    part.feed(entry(0))
    revisions.append(part.revision)
    part.tick(1)
    revisions.append(part.revision)
    part.feed(Entry(SPEECH.name, 0, encode(speech(0))))
    revisions.append(part.revision)
    assert revisions == [0, 2, 4, 6], "odd ones are left for people"


def test_the_revision_of_a_direct_agent_is_the_offset() -> None:
    seen: list[int] = []

    class Note(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            seen.append(revision)
            return ()

    part = fresh(Agent("note", (SALES,), Note, "direct"))
    for at in range(3):
        part.feed(entry(at))
    assert seen == [0, 1, 2]


def test_a_checkpoint_is_the_whole_state() -> None:
    part = fresh(OUTBOX)
    for at in range(5):
        part.feed(entry(at))
        part.tick(at)
    shot = part.snapshot()
    assert [output.number for output in shot.outputs] == list(range(1, 7))
    restored = Partition(OUTBOX, shot.checkpoint)
    for one in (part, restored):
        one.feed(entry(5))
        one.tick(9)
    assert part.outputs == restored.outputs
    assert part.snapshot().checkpoint == restored.snapshot().checkpoint


def test_the_key_alternates_so_that_compaction_spares_the_committed_checkpoint() -> None:
    part = fresh(OUTBOX)
    committed = part.snapshot().checkpoint
    restored = Partition(OUTBOX, committed)
    assert restored.snapshot().checkpoint.key != committed.key
    again = Partition(OUTBOX, committed)  # a crash loop: each incarnation writes one and commits none
    assert again.snapshot().checkpoint.key != committed.key


def test_ticks_that_say_nothing_need_no_checkpoint() -> None:
    part = fresh(OUTBOX)
    part.tick(1)
    assert not part.dirty
    part.tick(2)
    part.tick(3)  # the third speaks
    assert part.dirty


@pytest.mark.parametrize(
    ("name", "sources", "mode"),
    [("Mood", (SALES,), "outbox"), ("a", (), "outbox"), ("a", (SALES, SALES), "outbox"), ("a", (SALES, SPEECH), "direct")],
)
def test_agents_that_cannot_be(name: str, sources: tuple[object, ...], mode: str) -> None:
    with pytest.raises(ValueError, match="agent"):
        Agent(name, sources, Tally, mode)  # type: ignore[arg-type]  # wrong on purpose
