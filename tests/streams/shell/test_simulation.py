"""Crashes, take-overs and zombies at every step, with timers: nothing lost, nothing doubled, nothing said twice differently."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.records import Answer, DeadLetter, FatalError, Mood, encode
from streams.shell.agent import Agent
from streams.topics import ANSWERS, DEADLETTER, SALES, SPEECH, TOPICS
from tests.streams.shell.operators import DIRECT, OUTBOX, sale, speech
from tests.streams.shell.simlog import Faults, Log, Said, Simulation, entries, read_exactly_once

POISON = b"\xc1 no msgpack"


def sales_log(count: int = 60, seed: int = 1) -> Log:
    values = [POISON if n % 19 == 0 else encode(sale(n)) for n in range(count)]
    return Log({SALES.name: entries(SALES.name, values, writer="upstream", repeat=6, seed=seed)})


def mixed_log(count: int = 30, seed: int = 1) -> Log:
    log = sales_log(count, seed)
    log.inputs[SPEECH.name] = entries(SPEECH.name, [encode(speech(n)) for n in range(count)])
    return log


def conflicts(said: Sequence[Said]) -> list[str]:
    """Places where the same number, or the same id and revision, came with another content."""
    by_number: dict[tuple[str, int], tuple[str, bytes]] = {}
    by_revision: dict[tuple[str, int], bytes] = {}
    found = []
    for writer, output in said:
        content = (output.topic, output.value)
        if by_number.setdefault((writer, output.number), content) != content:
            found.append(f"number {output.number}")
        record = TOPICS[output.topic].decode(output.value)
        if not isinstance(record, Answer | Mood):
            continue
        if by_revision.setdefault((record.id, record.revision), output.value) != output.value:
            found.append(f"{record.id} revision {record.revision}")
    return found


def verify_echo(log: Log) -> None:
    """Every good sale is answered as often as its number says, in order; every poison is in the dead letters once."""
    assert conflicts(log.outputs) == []
    taken = read_exactly_once(log.outputs)
    first_offset = {entry.headers[0][1]: entry for entry in reversed(log.inputs[SALES.name])}
    ordered = sorted(first_offset.values(), key=lambda entry: entry.offset)
    answers = []
    for entry in ordered:
        if entry.value != POISON:
            number = SALES.decode(entry.value).event_ts
            answers += [(f"answer/sale-{number}/{c}", entry.offset) for c in range({7: 0, 5: 2}.get(number % 10, 1))]
    got = [ANSWERS.decode(output.value) for output in taken if output.topic == ANSWERS.name]
    assert [(a.id, a.revision) for a in got] == answers
    letters: list[DeadLetter] = [DEADLETTER.decode(o.value) for o in taken if o.topic == DEADLETTER.name]
    assert [(x.offset, x.value) for x in letters] == [(e.offset, POISON) for e in ordered if e.value == POISON]


def verify_tally(log: Log) -> None:
    """Every record was counted once, in whatever order, and every count that was said fits between its neighbours."""
    assert conflicts(log.outputs) == []
    taken = read_exactly_once(log.outputs)
    sales = {SALES.decode(e.value).id for e in log.inputs[SALES.name] if e.value != POISON}
    speeches = {SPEECH.decode(e.value).id for e in log.inputs[SPEECH.name]}
    good = {i for i in sales | speeches if not i.endswith("13")}
    answers: list[Answer] = [ANSWERS.decode(o.value) for o in taken if o.topic == ANSWERS.name]
    assert sorted(a.source_id for a in answers) == sorted(good)
    assert [a.score for a in answers] == list(range(1, len(good) + 1))
    count = 0
    revision = -1
    for output in taken:
        record = TOPICS[output.topic].decode(output.value)
        if isinstance(record, Answer):
            count += 1
        if isinstance(record, Mood):
            assert record.messages == count
        if isinstance(record, Answer | Mood):
            assert record.revision > revision
            revision = record.revision
    poison = {e.headers[0][1] for e in log.inputs[SALES.name] if e.value == POISON}
    letters: list[DeadLetter] = [DEADLETTER.decode(o.value) for o in taken if o.topic == DEADLETTER.name]
    assert sum(x.value == POISON for x in letters) == len(poison)
    assert len(letters) == len(poison) + len(sales | speeches) - len(good)


quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quiet
@given(st.integers(0, 2**32))
async def test_direct_agent_under_random_crashes(seed: int) -> None:
    log = sales_log(seed=seed)
    await Simulation(DIRECT, log, seed).run()
    verify_echo(log)


@quiet
@given(st.integers(0, 2**32))
async def test_outbox_agent_under_random_crashes(seed: int) -> None:
    log = mixed_log(seed=seed)
    await Simulation(OUTBOX, log, seed).run()
    verify_tally(log)


@pytest.mark.parametrize("agent", [DIRECT, OUTBOX], ids=["direct", "outbox"])
async def test_a_crash_at_every_single_step(agent: Agent) -> None:
    whole = sales_log(12) if agent is DIRECT else mixed_log(8)
    plain = Simulation(agent, whole, seed=3, crash=0)
    await plain.run()
    for step in range(1, plain.steps + 1):
        log = sales_log(12) if agent is DIRECT else mixed_log(8)
        simulation = Simulation(agent, log, seed=3, crash=0)
        simulation.crash_at = step
        await simulation.run()
        verify_echo(log) if agent is DIRECT else verify_tally(log)


async def broken(agent: Agent, faults: Faults) -> int:
    """How many of fifty runs the verifier refuses when a rule is broken on purpose."""
    refused = 0
    for seed in range(50):
        log = mixed_log() if agent is OUTBOX else sales_log()
        try:
            await Simulation(agent, log, seed, faults=faults).run()
            verify_tally(log) if agent is OUTBOX else verify_echo(log)
        except (AssertionError, FatalError):
            refused += 1
    return refused


async def test_the_verifier_sees_commits_that_are_not_fenced() -> None:
    assert await broken(OUTBOX, Faults(fenced=False)) > 0


async def test_the_verifier_sees_a_checkpoint_that_is_not_the_named_one() -> None:
    assert await broken(OUTBOX, Faults(newest_wins=True)) > 0
