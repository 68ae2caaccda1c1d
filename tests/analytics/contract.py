"""One battery for every operator of ``analytics/``: what the agent shell relies on, checked on the caller's own records.

``check_operator(factory, steps)`` in an operator's test is all it takes. A step is a record, or an ``int``: a tick then.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from analytics.operator import Operator
from streams.records import Derived, FatalError, Record, Viewer, decode, encode
from streams.topics import TOPIC_OF

Step = Record | int
Factory = Callable[[], Operator]
KINDS = tuple(sorted((kind for kind in TOPIC_OF if issubclass(kind, Record)), key=lambda kind: kind.__name__))
PAUSE_MS = 120_000
ROOT = Path(__file__).resolve().parents[2]


def play(operator: Operator, steps: Sequence[Step], first: int = 0) -> list[list[Record]]:
    """Feed ``steps`` from index ``first`` on; the outputs of each. The revision of a step is its index."""
    told = []
    for revision in range(first, len(steps)):
        step = steps[revision]
        told.append(list(operator.tick(step, revision) if isinstance(step, int) else operator.feed(step, revision)))
    return told


def check_operator(
    factory: Factory, steps: Sequence[Step], *, isolated: bool = True, silence_ms: int = 0, crashes: int = 12, seed: int = 1
) -> list[Record]:
    """Run the battery; return the outputs of an undisturbed run, in order, for the caller's own assertions.

    ``isolated``: rooms do not influence one another. ``silence_ms``: after so long without records (0: never asked) a tick
    makes the operator forget all rooms. The steps must lead to at least one output, or nothing would have been checked.
    """
    plain = play(factory(), steps)
    assert any(plain), "these steps make the operator say nothing: the battery would check nothing"
    assert _bytes(play(factory(), steps)) == _bytes(plain), "the same records gave other outputs"
    _check_outputs(plain, steps)
    _check_crashes(factory, steps, plain, crashes, random.Random(seed))
    _check_pauses(factory, steps)
    _check_states(factory, steps)
    _check_ignores(factory, steps)
    if isolated:
        _check_isolation(factory, steps, plain)
    if silence_ms:
        _check_forgets(factory, steps, silence_ms)
    return [record for outputs in plain for record in outputs]


def _bytes(told: list[list[Record]]) -> list[list[bytes]]:
    return [[encode(record) for record in outputs] for outputs in told]


def _check_outputs(told: list[list[Record]], steps: Sequence[Step]) -> None:
    """Every output has its topic and a known room; one id and revision has one content; no revision is from the future."""
    rooms = {step.room for step in steps if not isinstance(step, int)}
    contents: dict[tuple[str, str, int], bytes] = {}
    for revision, outputs in enumerate(told):
        for record in outputs:
            assert type(record) in TOPIC_OF, f"{type(record).__name__} has no topic"
            assert record.room in rooms, f"room {record.room!r} was in no record"
            assert decode(encode(record), type(record)) == record, "an output does not survive its own bytes"
            if isinstance(record, Derived):
                assert record.id, f"a {type(record).__name__} without an id"
                assert record.revision <= revision, f"{record.id} has revision {record.revision} at {revision}"
                key = (type(record).__name__, record.id, record.revision)
                assert key not in contents, f"{key} was said twice"
                contents[key] = encode(record)


def _check_crashes(
    factory: Factory, steps: Sequence[Step], plain: list[list[Record]], crashes: int, rng: random.Random
) -> None:
    """Restarted from its dump at any point, an operator says the same things from there on, and ends in the same state."""
    whole = factory()
    play(whole, steps)
    for cut in sorted({0, len(steps), *(rng.randrange(len(steps) + 1) for _ in range(crashes))}):
        before = factory()
        play(before, steps[:cut])
        state = before.dump()
        after = factory()
        after.load(state)
        assert after.dump() == state, f"a loaded state dumps otherwise (after {cut} steps)"
        assert _bytes(play(after, steps, cut)) == _bytes(plain[cut:]), f"other outputs after a restart at step {cut}"
        assert after.dump() == whole.dump(), f"another state at the end, after a restart at step {cut}"


def _check_pauses(factory: Factory, steps: Sequence[Step]) -> None:
    """Two minutes of silence anywhere: by the clock of the room, and after a reader that was away."""
    times = [step if isinstance(step, int) else step.ingest_ts for step in steps]
    for part in (3, 5, 8):
        start = sorted(times)[len(times) * part // 10]
        before = [step for step, at in zip(steps, times, strict=True) if at < start]
        after = [step for step, at in zip(steps, times, strict=True) if at >= start + PAUSE_MS]
        meanwhile = [step for step, at in zip(steps, times, strict=True) if start <= at < start + PAUSE_MS]
        missed = [step for step in meanwhile if not isinstance(step, int)]
        _check_outputs(play(factory(), [*before, *after]), steps)
        _check_outputs(play(factory(), [*before, *sorted(missed, key=lambda step: TOPIC_OF[type(step)].name), *after]), steps)


def _check_states(factory: Factory, steps: Sequence[Step]) -> None:
    """Damaged bytes and the state of another version are refused, loudly."""
    operator = factory()
    play(operator, steps)
    state = operator.dump()
    for damaged in (b"", b"\xc1", state[: len(state) // 2]):
        with pytest.raises(FatalError):
            factory().load(damaged)
    name, version, *body = msgspec.msgpack.decode(state)
    assert isinstance(name, str)
    assert isinstance(version, int), "a state begins with its name and version: use analytics.state"
    with pytest.raises(FatalError):
        factory().load(msgspec.msgpack.encode((name, version + 1, *body)))


def _check_ignores(factory: Factory, steps: Sequence[Step]) -> None:
    """A record of a kind that the operator does not need changes nothing."""
    operator = factory()
    play(operator, steps)
    state = operator.dump()
    newest = max(step if isinstance(step, int) else step.ingest_ts for step in steps)
    stranger = Viewer(room="stranger", event_ts=newest, ingest_ts=newest, id="v", source="s", user="u", type="enter")
    assert list(operator.feed(stranger, len(steps))) == []
    assert operator.dump() == state, "a record of a foreign kind changed the state"


def _check_isolation(factory: Factory, steps: Sequence[Step], plain: list[list[Record]]) -> None:
    """A room alone, with the same revisions, gets the outputs that it gets among others."""
    for room in sorted({step.room for step in steps if not isinstance(step, int)}):
        operator = factory()
        for revision, step in enumerate(steps):
            if isinstance(step, int):
                alone = operator.tick(step, revision)
            elif step.room == room:
                alone = operator.feed(step, revision)
            else:
                continue
            assert list(alone) == [r for r in plain[revision] if r.room == room], f"others changed what {room!r} gets"


def _check_forgets(factory: Factory, steps: Sequence[Step], silence_ms: int) -> None:
    """After the silence nothing of a room is left. Two ticks: the first may still close what was open."""
    operator, revision = factory(), len(steps)
    play(operator, steps)
    newest = max(step if isinstance(step, int) else step.ingest_ts for step in steps)
    for extra in (1, 2):
        operator.tick(newest + extra * silence_ms + 1, revision + extra)
    state = operator.dump()
    for room in {step.room for step in steps if not isinstance(step, int)}:
        assert msgspec.msgpack.encode(room) not in state, f"{room!r} is still in the state after {silence_ms} ms of silence"


def check_hash_seeds(factory: str, steps: Sequence[Step]) -> None:
    """The same outputs and state in processes with other string hashes: no output hangs on the order of a set.

    ``factory`` is ``"module:name"``, importable without arguments.
    """
    packed = msgspec.msgpack.encode([step if isinstance(step, int) else encode(step) for step in steps])
    prints = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.analytics.contract", factory],
            input=packed, capture_output=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        prints.add(done.stdout)
    assert len(prints) == 1, "outputs or state differ between processes: a set or a hash() decides about them"


def _fingerprint(factory: str, packed: bytes) -> str:
    module, _, name = factory.partition(":")
    steps: list[Step] = [
        step if isinstance(step, int) else decode(step, *KINDS)
        for step in msgspec.msgpack.decode(packed, type=list[int | bytes])
    ]
    operator: Operator = getattr(import_module(module), name)()
    told = play(operator, steps)
    return sha256(msgspec.msgpack.encode([_bytes(told), operator.dump()])).hexdigest()


if __name__ == "__main__":
    print(_fingerprint(sys.argv[1], sys.stdin.buffer.read()))
