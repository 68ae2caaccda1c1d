"""What the demo's summary says is true: it names files that hold what it says, and counts what the truth file counts."""

from __future__ import annotations

import wave

import pytest

from livetide.demo.frames import frames_of
from streams.sources.simulator.truth import Truth
from tests.e2e.running import Demo

pytestmark = [pytest.mark.kafka, pytest.mark.store, pytest.mark.slow, pytest.mark.timeout(900)]


def test_nothing_planted_was_lost(demo: Demo) -> None:
    assert "nothing planted was lost" in demo.text
    table = demo.text.partition("Planted against found")[2].partition("nothing planted was lost")[0]
    marks = [line[:1] for line in table.splitlines() if line.strip()][2:]  # what is left of the rule, the head
    assert set(marks) == {"✓", " "} - ({" "} if " " not in marks else set()), table
    assert marks.count("✓") >= 17, table
    assert "✗" not in demo.text
    assert f"password {demo.secrets['console_password']}" in demo.text, "the way into the console is shown"


def test_the_summary_says_what_the_truth_file_says(demo: Demo, truth: Truth) -> None:
    for kind in ("chat", "sale", "viewer", "speech"):
        assert f"{truth.events[kind]:,}" in demo.text
    assert truth.alerts_expected
    assert truth.moments
    counted = demo.rows(
        "SELECT uniqExact(source_id) AS n, sum(1) AS rows FROM danmaku WHERE room_id = %(room)s", room=demo.room
    )
    assert counted == [{"n": truth.events["chat"], "rows": truth.events["chat"]}]


def test_the_clips_hold_the_moments(demo: Demo, truth: Truth) -> None:
    """Every picture carries its number: first, last and all between follow one another, and the moment is among them."""
    paths = demo.named("clip")
    assert len(paths) == len(truth.moments)
    base, fps = truth.base_ts, truth.video.fps
    left = list(truth.moments)
    for path in paths:
        frames = frames_of(path)
        first = frames[0]
        assert first is not None
        assert frames == list(range(first, first + len(frames)))
        assert len(frames) >= 20 * fps, "seconds of video"
        from_ts, to_ts = base + first * 1000 / fps, base + (first + len(frames)) * 1000 / fps
        inside = [moment for moment in left if moment.start_ts < to_ts and moment.end_ts > from_ts]
        assert inside, f"{path} shows none of the planted moments"
        left.remove(inside[0])


def test_the_speech_is_sound(demo: Demo) -> None:
    path = demo.named("speech")[0]
    with wave.open(str(path)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert 0.5 < seconds < 60
    assert max(abs(sample) for sample in samples) > 3_000, "no silence"
    assert sum(1 for sample in samples if abs(sample) > 300) > len(samples) / 10
