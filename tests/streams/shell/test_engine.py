"""Recovery, refusal and failure of an engine, over the log in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

import pytest

from streams.commits import Committed
from streams.records import FatalError, InvalidError, Record, RetryError, encode
from streams.shell.agent import Agent
from streams.shell.checkpoint import decode
from streams.shell.checkpoint import encode as encode_checkpoint
from streams.shell.engine import Engine
from streams.shell.poison import PoisonLimit
from streams.topics import ANSWERS, SALES, SPEECH
from tests.streams.shell.operators import DIRECT, OUTBOX, Echo, Tally, sale, speech
from tests.streams.shell.simlog import PARTITION, Faults, Log, NullMeter, Worker, entries


class Willing(Worker):
    """A wire on which everything happens at once."""

    async def _point(self) -> None:
        await asyncio.sleep(0)
        while self.queue:
            self.deliver()

    def deliver(self) -> None:
        super().deliver()


def log_of(count: int = 10) -> Log:
    return Log(
        {
            SALES.name: entries(SALES.name, [encode(sale(n)) for n in range(count)]),
            SPEECH.name: entries(SPEECH.name, [encode(speech(n)) for n in range(count)]),
        }
    )


def sales_only(count: int = 10) -> Log:
    log = log_of(count)
    del log.inputs[SPEECH.name]
    return log


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


def engine_of(agent: Agent, log: Log) -> Engine:
    return Willing(log, agent, Clock(), Faults()).engine


async def settle(engine: Engine, work: Sequence[object]) -> None:
    """Run coroutines of an engine to their end, delivering what they send."""
    wire = engine._wire
    assert isinstance(wire, Willing)
    for one in work:
        task = asyncio.ensure_future(one)  # type: ignore[call-overload]  # coroutines
        while not task.done():
            await asyncio.sleep(0)
            while wire.queue:
                wire.deliver()
        await task


async def test_a_fresh_partition_commits_its_lineage_before_it_says_anything() -> None:
    log = sales_only()
    engine = engine_of(DIRECT, log)
    await settle(engine, [engine.recover(PARTITION)])
    assert log.committed == {SALES.name: Committed(0, "ck:0")}
    assert log.outputs == []


async def test_state_goes_on_from_the_committed_checkpoint() -> None:
    log = log_of()
    engine = engine_of(OUTBOX, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4]), engine.checkpoint([PARTITION])])
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][4:])])  # and this is lost with the process
    again = engine_of(OUTBOX, log)
    await settle(again, [again.recover(PARTITION)])
    assert again.positions() == {(SALES.name, PARTITION): 4, (SPEECH.name, PARTITION): 0}
    scores = [ANSWERS.decode(said.output.value).score for said in log.outputs]
    assert scores == [1, 2, 3, 4, 1, 2, 3, 4]  # the restored outbox, said again


@pytest.mark.parametrize(
    ("committed", "message"),
    [
        ({SALES.name: Committed(2, "ck:1"), SPEECH.name: Committed(0, "")}, "do not name one checkpoint"),
        ({SALES.name: Committed(2, ""), SPEECH.name: Committed(0, "")}, "do not name one checkpoint"),
        ({SALES.name: Committed(2, "ck:1"), SPEECH.name: Committed(0, "ck:0")}, "do not name one checkpoint"),
        ({SALES.name: Committed(7, "ck:1"), SPEECH.name: Committed(0, "ck:1")}, "disagrees"),
        ({SALES.name: Committed(4, "ck:1")}, "disagrees"),
    ],
)
async def test_offsets_moved_by_hand_are_refused_with_the_repair(committed: dict[str, Committed], message: str) -> None:
    log = log_of()
    engine = engine_of(OUTBOX, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4]), engine.checkpoint([PARTITION])])
    log.committed = committed
    again = engine_of(OUTBOX, log)
    with pytest.raises(FatalError, match=f"(?s){message}.*livetide agents repair tally"):
        await settle(again, [again.recover(PARTITION)])


async def test_a_checkpoint_of_another_agent_is_refused() -> None:
    log = sales_only()
    engine = engine_of(DIRECT, log)
    await settle(engine, [engine.recover(PARTITION)])
    other = engine_of(Agent("other", (SALES,), Echo, "direct"), log)
    with pytest.raises(FatalError, match="disagrees"):
        await settle(other, [other.recover(PARTITION)])


async def test_an_agent_that_has_got_another_source_begins_it_at_the_start() -> None:
    log = log_of()
    small = Agent("tally", (SALES,), Tally)
    engine = engine_of(small, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4])])
    log.committed = {}
    only_sales = sales_only()
    engine = engine_of(small, only_sales)
    await settle(engine, [engine.feed(PARTITION, only_sales.inputs[SALES.name][:4]), engine.checkpoint([PARTITION])])
    only_sales.inputs[SPEECH.name] = log.inputs[SPEECH.name]
    grown = engine_of(OUTBOX, only_sales)
    await settle(grown, [grown.recover(PARTITION)])
    assert grown.positions() == {(SALES.name, PARTITION): 4, (SPEECH.name, PARTITION): 0}


async def test_a_group_that_has_forgotten_its_offsets_does_not_begin_anew() -> None:
    log = log_of()
    engine = engine_of(OUTBOX, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4]), engine.checkpoint([PARTITION])])
    log.committed = {}
    again = engine_of(OUTBOX, log)
    with pytest.raises(FatalError, match=r"(?s)checkpoints of it lie in.*livetide agents repair tally --to-checkpoint.*--anew"):
        await settle(again, [again.recover(PARTITION)])
    assert log.committed == {}


async def test_a_first_start_that_was_cut_short_before_its_commit_begins_anew() -> None:
    log = log_of()
    engine = engine_of(OUTBOX, log)
    await settle(engine, [engine.recover(PARTITION)])
    log.committed = {}
    again = engine_of(OUTBOX, log)
    await settle(again, [again.recover(PARTITION)])
    assert log.committed[SALES.name] == Committed(0, "ck:1")


async def test_a_checkpoint_behind_the_committed_one_is_answered_by_another_in_the_other_slot() -> None:
    log = log_of()
    engine = engine_of(OUTBOX, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4]), engine.checkpoint([PARTITION])])
    engine.overtaken(PARTITION, len(log.checkpoints))
    assert engine.dirty() == []
    stray = decode(log.checkpoints[-1], "here")
    log.checkpoints.append(encode_checkpoint(stray))  # of a worker that had lost the partition
    engine.overtaken(PARTITION, len(log.checkpoints))
    assert engine.dirty() == [PARTITION]
    await settle(engine, [engine.checkpoint(engine.dirty())])
    assert log.committed[SALES.name] == Committed(4, f"ck:{len(log.checkpoints) - 1}")
    assert decode(log.checkpoints[-1], "here").key != stray.key
    engine.overtaken(PARTITION, len(log.checkpoints))
    assert engine.dirty() == []


async def test_nothing_is_committed_after_a_failure() -> None:
    class Broken(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            if revision == 3:
                raise ZeroDivisionError("oh")
            return super().feed(record, revision)

    log = sales_only()
    engine = engine_of(Agent("broken", (SALES,), Broken, "direct"), log)
    with pytest.raises(FatalError):
        await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name])])
    assert not engine.live
    commits = log.commits
    await settle(engine, [engine.checkpoint(engine.dirty())])
    assert log.commits == commits


async def test_an_operator_that_asks_for_patience_gets_the_same_record_again() -> None:
    asked: list[int] = []

    class Slow(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            asked.append(revision)
            if asked.count(revision) < 3:
                raise RetryError("later")
            return super().feed(record, revision)

    log = sales_only(2)
    engine = engine_of(Agent("slow", (SALES,), Slow, "direct"), log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name]), engine.checkpoint([PARTITION])])
    assert asked == [0, 0, 0, 1, 1, 1]
    assert log.committed[SALES.name].offset == 2


async def test_a_closed_engine_takes_and_commits_nothing() -> None:
    log = sales_only()
    engine = engine_of(DIRECT, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:3])])
    engine.close()
    commits = log.commits
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][3:]), engine.checkpoint([PARTITION])])
    assert engine.positions() == {(SALES.name, PARTITION): 3}
    assert log.commits == commits


async def test_what_an_operator_tells_of_its_state_is_exported_at_a_checkpoint() -> None:
    class Telling(Echo):
        def gauges(self) -> Mapping[str, float]:
            return {"kept": 7.0}

    log = sales_only()
    engine = engine_of(Agent("direct", sources=(SALES,), operator=Telling, mode="direct"), log)
    engine._meter = meter = Gauges()
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:2]), engine.checkpoint([PARTITION])])
    assert meter.told["agent_state"] == [(7.0, {"agent": "direct", "partition": str(PARTITION), "what": "kept"})] * 2


async def test_the_figures_of_a_generation_end_with_it() -> None:
    class Telling(Echo):
        def gauges(self) -> Mapping[str, float]:
            return {"kept": 7.0, "late": 1.0}

    log = sales_only()
    engine = engine_of(Agent("direct", sources=(SALES,), operator=Telling, mode="direct"), log)
    engine._meter = meter = Gauges()
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:2]), engine.checkpoint([PARTITION])])
    assert {name for name, _ in meter.shown} == {"agent_state", "agent_checkpoint_bytes"}
    engine.close()
    engine.close()  # a generation may be ended from several sides
    assert meter.shown == {}
    await engine._durable(PARTITION, engine._open[PARTITION].core.snapshot(), [])  # of a checkpoint that was under way
    assert meter.shown == {}


class Gauges(NullMeter):
    def __init__(self) -> None:
        self.told: dict[str, list[tuple[float, dict[str, str]]]] = {}
        self.shown: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        self.told.setdefault(name, []).append((value, labels))
        key = name, frozenset(labels.items())
        if math.isnan(value):
            self.shown.pop(key, None)
        else:
            self.shown[key] = value


async def test_the_poison_limit_counts_what_an_engine_buries() -> None:
    class Refuse(Echo):
        def feed(self, record: Record, revision: int) -> Sequence[Record]:
            raise InvalidError("no")

    log = sales_only(8)
    worker = Willing(log, Agent("refuse", (SALES,), Refuse, "direct"), Clock(), Faults())
    limit = PoisonLimit(window=5, share=0.5)
    engine = Engine(worker.engine.agent, worker, meter=NullMeter(), clock=Clock(), poison=limit)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:4])])
    before = limit.exceeded
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][4:])])
    assert (before, limit.exceeded) == (False, True)
    assert "5 of the last 5 records were dead letters" in str(limit.error("refuse"))


async def test_what_is_long_known_is_not_read_to_its_end() -> None:
    log = sales_only(1_200)
    engine = engine_of(DIRECT, log)
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name])])
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][:50])])
    assert engine._wire.read_at[SALES.name] == 1_200  # type: ignore[attr-defined]  # the wire of the test
    await settle(engine, [engine.feed(PARTITION, log.inputs[SALES.name][1_150:])])
    assert engine.positions() == {(SALES.name, PARTITION): 1_200}


@pytest.mark.parametrize(("window", "share"), [(0, 0.5), (10, 0.0), (10, 1.1)])
def test_poison_limits_that_cannot_be(window: int, share: float) -> None:
    with pytest.raises(ValueError, match="poison limit"):
        PoisonLimit(window, share)


def test_the_poison_limit_forgets_what_is_long_ago() -> None:
    limit = PoisonLimit(window=10, share=0.5)
    for dead in [True] * 5 + [False] * 5:
        limit.record(dead)
    assert not limit.exceeded
    limit.record(True)
    assert not limit.exceeded  # one dead came, one dead went
    for _ in range(6):
        limit.record(True)
    assert limit.exceeded
