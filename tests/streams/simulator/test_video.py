"""The rendered room: every frame where its counter says, sound where somebody speaks, segments that stand alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.sources.simulator import open_simulation, read_frame_counter
from streams.sources.simulator.counter import BITS, HEIGHT, WIDTH, draw_counter
from tests.streams.simulator.conftest import BASE, Rendered

FPS, GOP = 25, 50


def test_segments_are_published_when_the_clock_has_passed_them(rendered: Rendered) -> None:
    assert rendered.first == 1
    assert [segment.seq for segment in rendered.sent] == list(range(12))
    for segment in rendered.sent:
        assert segment.event_ts == BASE + segment.pts_ms == BASE + 2_000 * segment.seq
        assert segment.duration_ms == 2_000
        assert segment.size == len(rendered.store.read(segment.uri))
    assert rendered.progress[-1] == (12, 12)


def test_every_frame_carries_its_number_at_its_time(rendered: Rendered) -> None:
    for number in (0, 5, 6, 11):  # the first and the last that each of the two encoders made
        with av.open(str(rendered.path(number))) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (WIDTH, HEIGHT)
            assert stream.average_rate == FPS
            frames = list(container.decode(stream))
        assert len(frames) == GOP
        for index, frame in enumerate(frames):
            expected = number * GOP + index
            assert frame.pts is not None
            assert frame.time_base is not None
            assert read_frame_counter(frame.to_ndarray(format="rgb24")) == expected
            assert round(float(frame.pts * frame.time_base) * FPS) == expected
            assert frame.key_frame == (index == 0)


def test_joined_segments_play_as_one_without_a_seam(rendered: Rendered, tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(rendered.path(number).read_bytes() for number in range(4, 9)))
    with av.open(str(joined)) as container:
        frames = [read_frame_counter(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert frames == list(range(200, 450))
    with av.open(str(joined)) as container:
        heard = [(packet.pts, packet.duration or 0) for packet in container.demux(audio=0) if packet.pts is not None]
    assert all(abs(pts + length - after) <= 2 for (pts, length), (after, _) in pairwise(heard))


def test_it_is_heard_where_somebody_speaks_and_quiet_elsewhere(rendered: Rendered) -> None:
    sound = np.zeros(0, np.float32)
    rate = 0
    for number in range(len(rendered.sent)):
        with av.open(str(rendered.path(number))) as container:
            for frame in container.decode(audio=0):
                rate = frame.sample_rate
                sound = np.append(sound, frame.to_ndarray().astype(np.float32).mean(axis=0))
    assert abs(len(sound) / rate - 24) < 0.1

    def loudness(start: int, end: int) -> float:
        part = sound[start * rate // 1000 : end * rate // 1000]
        return float(np.sqrt(np.mean(part**2)))

    said = rendered.room.script.sentences
    assert len(said) >= 4
    for sentence in said:
        assert loudness(sentence.start, sentence.end) > 0.02
    silences = [(one.end + 60, two.start - 60) for one, two in pairwise(said) if two.start - one.end > 200]
    assert silences
    for start, end in silences:
        assert loudness(start, end) < 0.01


def test_a_second_time_nothing_is_rendered(rendered: Rendered) -> None:
    before = {path: path.stat().st_ino for path in rendered.store.root.glob(".simulated/*/*.ts")}
    asked: list[tuple[int, int]] = []
    room = open_simulation(7, base_ts=BASE + 1, minutes=0.4, rate=3)
    feed = room.media(rendered.store, rendered, "another", lambda done, of: asked.append((done, of)))
    assert feed.end_ms == BASE + 1 + 24_000
    assert asked == []
    assert {path: path.stat().st_ino for path in rendered.store.root.glob(".simulated/*/*.ts")} == before


def test_the_law_of_the_truth_is_the_videos(rendered: Rendered) -> None:
    law = rendered.room.truth().video
    assert (law.fps, law.gop, law.segment_ms, law.frames) == (FPS, GOP, 2_000, 600)
    assert law.stream == rendered.sent[0].stream


def _picture(frame: int) -> NDArray[np.uint8]:
    picture = np.full((HEIGHT, WIDTH), 90, np.uint8)
    draw_counter(picture, frame)
    return picture


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**BITS - 1))
def test_what_is_drawn_is_read(frame: int) -> None:
    picture = _picture(frame)
    assert read_frame_counter(picture) == frame
    assert read_frame_counter(picture[::2, ::2]) == frame
    assert read_frame_counter(np.repeat(picture[..., None], 3, axis=2)) == frame
    noisy = picture.astype(np.int16) // 2 + 40 + np.random.default_rng(frame).integers(-25, 25, picture.shape)
    assert read_frame_counter(noisy.clip(0, 255).astype(np.uint8)) == frame


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**BITS - 2))
def test_two_frames_blended_are_no_frame(frame: int) -> None:
    blended = (_picture(frame).astype(np.uint16) + _picture(frame + 1)) // 2
    assert read_frame_counter(blended.astype(np.uint8)) is None


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_picture_without_a_counter_has_no_number(value: int) -> None:
    assert read_frame_counter(np.full((HEIGHT, WIDTH), value, np.uint8)) is None
    assert read_frame_counter(np.full((8, 8), value, np.uint8)) is None
    assert read_frame_counter(np.random.default_rng(value).integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)) is None


def test_shifted_pictures_are_not_read_wrongly() -> None:
    for shift in (8, 16, 24, 32, 64):
        assert read_frame_counter(np.roll(_picture(123_456), shift, axis=1)) in (None, 123_456)
