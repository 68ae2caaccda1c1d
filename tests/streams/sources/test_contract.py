"""The battery on every source there is, and proof that the battery finds what it looks for."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from streams.sources.base import Event
from streams.sources.contract import check_source, problem
from streams.sources.opening import open_source

T = 1_764_000_000_000
FILES = sorted(path.name for path in (Path(__file__).parent / "samples").iterdir())


@pytest.mark.parametrize("file", FILES)
def test_every_dialect(samples: Path, file: str) -> None:
    start_ms = T if file == "danmaku_factory.xml" else None
    kinds = {"sale"} if file.startswith("sales") else None if file == "events.jsonl" else {"chat"}
    assert check_source(partial(open_source, str(samples / file), start_ms=start_ms), kinds=kinds)


def test_the_simulator() -> None:
    pytest.importorskip("av")
    events = check_source(partial(open_source, "sim:3", base_ts=T, minutes=1), faults=True)
    assert len(events) > 100


CHAT = b'{"kind":"chat","id":"%s","ts":1764000000000,"user":"u","text":"t"}'


class Faulty:
    """A source that breaks one promise."""

    dialect = "faulty"

    def __init__(self, *passes: list[Event]) -> None:
        self._passes = list(passes)

    def events(self) -> Iterator[Event]:
        yield from self._passes.pop(0) if len(self._passes) > 1 else self._passes[0]


def event(id: str, at: int = T) -> Event:
    return Event(at, CHAT % id.encode())


BROKEN = {
    "not the same again": ([event("a"), event("b")], [event("a"), event("c")]),
    "shorter again": ([event("a"), event("b")], [event("a")]),
    "out of order": ([event("a", T + 1), event("b", T)],),
    "an id twice": ([event("a"), event("a")],),
    "no JSON": ([event("a"), event("b"), event("c"), Event(T, b"{")],),
    "two lines": ([event("a"), event("b"), event("c"), Event(T, CHAT % b"d" + b"\n" + CHAT % b"e")],),
    "no such kind": ([event("a"), event("b"), event("c"), Event(T, b'{"kind":"gift","id":"g","ts":1764000000000}')],),
}


@pytest.mark.parametrize("passes", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_promise_is_found(passes: tuple[list[Event], ...]) -> None:
    source = Faulty(*passes)
    with pytest.raises(AssertionError):
        check_source(lambda: source)


def test_greed_is_found() -> None:
    class Greedy(Faulty):
        def events(self) -> Iterator[Event]:
            held = bytearray(3 << 20)
            yield from super().events()
            del held

    with pytest.raises(AssertionError, match="bytes of memory"):
        check_source(lambda: Greedy([event("a")]), most_bytes=2 << 20)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b'{"kind":"sale","id":"1","ts":1764000000000,"type":"gift"}', "type 'gift'"),
        (b'{"kind":"chat","id":"","ts":1764000000000,"user":"u","text":"t"}', "no id"),
        (b'{"kind":"chat","id":"1","ts":1764000000.5,"user":"u","text":"t"}', "no ts"),
        (b'{"kind":"speech","id":"1","ts":1764000000000,"text":"t"}', "no end"),
        (b'{"kind":"chat","id":"1","ts":1764000000000,"user":7,"text":"t"}', "no user"),
    ],
)
def test_problems_are_named(line: bytes, wrong: str) -> None:
    assert wrong in problem(line)
