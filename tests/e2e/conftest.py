"""One demo for all tests of this folder, and what is played into its stack beside the planted room."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.sources.simulator.truth import Truth, read_truth
from tests.e2e.running import Demo, listening, lives, now_ms, until

COMPLAINTS = ("这是假货", "收到的是假货，退钱", "假的吧，和图片完全不一样", "买到假货了怎么办", "主播卖假货")
CHATTER = ("来了来了", "主播好", "这个颜色好看", "今天天气不错", "哈哈哈")


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo after its summary, with its stack up. Afterwards Ctrl-C must end it cleanly, and all that it started."""
    running = Demo(tmp_path_factory.mktemp("e2e") / "data")
    try:
        running.start(LIVETIDE_ROOM_RATE="20000")
        running.shown()
        yield running
        _ends_cleanly(running)
    finally:
        running.clean_up()


@pytest.fixture
def truth(demo: Demo) -> Truth:
    """What was planted in the demo's room."""
    return read_truth(demo.named("planted")[0])


def _ends_cleanly(demo: Demo) -> None:
    started = demo.processes()
    assert len(started) > len(demo.state.health), "the demo, the supervisor, and a process for each part"
    known = {port for _, port in listening(started)}
    wanted = {int(url.rpartition(":")[2]) for url in (*demo.state.health.values(), demo.state.kafka, demo.state.clickhouse)}
    assert wanted <= known, "a process that listens for this stack was not found, so its end would not be noticed"
    assert demo.interrupt() == 0, demo.text
    assert [process for process in started if lives(process)] == [], "outlived the demo"
    assert demo.processes() == [], "was started while the demo ended"
    assert list((demo.data / "run").glob("*.pid")) == []
    assert demo.text.rstrip().endswith("Stopping the stack …")


@pytest.fixture
def alarm(demo: Demo, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """``alarm(room)``: thirty people of a new room complain of one thing; the alert that fires."""

    def make(room: str) -> dict[str, Any]:
        path = tmp_path / f"{room}.jsonl"
        path.write_text("\n".join(_complaints(now_ms())), encoding="utf-8")
        demo.livetide("play", str(path), "--room", room, "--speed", "max")
        firing = until(
            lambda: [row for row in demo.lines("alerts", "list", "--room", room, "--firing", "--json") if row["level"] == 2],
            60,
            lambda: str(demo.lines("alerts", "list", "--json")),
        )
        return firing[0]

    return make


def _complaints(now: int) -> Iterator[str]:
    """A minute of chatter, then ten seconds in which thirty people complain."""
    for second in range(60):
        yield _chat(f"calm-{now}-{second}", now - 70_000 + second * 1000, f"calm-{second % 20}", CHATTER[second % len(CHATTER)])
    for number in range(30):
        yield _chat(
            f"angry-{now}-{number}", now - 10_000 + number * 300, f"angry-{number}", COMPLAINTS[number % len(COMPLAINTS)]
        )


def _chat(identity: str, ts: int, user: str, text: str) -> str:
    return json.dumps({"kind": "chat", "id": identity, "ts": ts, "user": user, "text": text}, ensure_ascii=False)
