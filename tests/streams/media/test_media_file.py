"""A video file into the store: exact times, key frames, codecs that must be encoded anew, and files that end too early."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from streams.segments import SegmentStore
from streams.sources.contract import check_source
from streams.sources.media import MediaFile, open_media
from streams.sources.opening import open_source
from streams.sources.simulator import read_frame_counter

START = 1_700_000_000_000
CODECS = {
    "h264.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "0", "-c:a", "aac"),
    "b-frames.mp4": ("-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-bf", "3", "-c:a", "aac"),
    "h264.ts": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac"),
    "h264.flv": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac"),
    "mp3.mkv": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "libmp3lame"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", "3", "-c:a", "pcm_s16le"),
    "silent.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-an"),
}


def opened(path: Path, **options: Any) -> MediaFile:
    source = open_media(str(path), start_ms=START, **options)
    assert isinstance(source, MediaFile)
    return source


def counters(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [read_frame_counter(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_arrives_once_at_its_time(
    name: str, counted: Callable[..., Path], store: SegmentStore, publisher: Any
) -> None:
    source = opened(counted(name, *CODECS[name]))
    feed = source.media(store, publisher, "room")
    assert feed.start_ms == START
    assert feed.end_ms is not None
    feed.publish_until(feed.end_ms)
    feed.close()
    frames: list[int | None] = []
    for segment in publisher.segments:
        assert segment.event_ts == START + segment.pts_ms
        assert hashlib.sha256(store.read(segment.uri)).hexdigest() == segment.sha256
        seen = counters(store.path(segment.uri))
        assert segment.pts_ms == pytest.approx(40 * (seen[0] or 0), abs=45)
        frames += seen
    assert frames == list(range(200))
    ends = [segment.pts_ms + segment.duration_ms for segment in publisher.segments]
    assert [segment.pts_ms for segment in publisher.segments[1:]] == ends[:-1]
    assert [segment.seq for segment in publisher.segments] == list(range(len(ends)))
    assert not any(segment.discontinuity for segment in publisher.segments)
    assert not source.tally.damaged


@pytest.mark.parametrize("name", ["h264.mp4", "b-frames.mp4", "mpeg4.avi"])
def test_segments_start_on_a_key_frame_and_decode_alone(
    name: str, counted: Callable[..., Path], store: SegmentStore, publisher: Any
) -> None:
    feed = opened(counted(name, *CODECS[name])).media(store, publisher, "room")
    feed.publish_until(START + 60_000)
    for segment in publisher.segments:
        with av.open(str(store.path(segment.uri))) as container:
            first = next(packet for packet in container.demux(video=0))
            assert first.is_keyframe
            assert len(container.streams.audio) == 1


def test_segments_come_only_when_the_clock_has_passed_them(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any
) -> None:
    feed = opened(counted("h264.mp4", *CODECS["h264.mp4"])).media(store, publisher, "room")
    assert feed.publish_until(START + 1_999) == 0
    assert feed.publish_until(START + 2_000) == 1
    assert feed.publish_until(START + 2_000) == 0
    assert feed.publish_until(START + 5_999) == 1
    assert feed.publish_until(START + 8_000) == 2
    feed.close()
    assert [path for path in store.incoming.iterdir() if path.is_dir()] == []


def test_closing_early_leaves_no_process_and_no_files(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any
) -> None:
    feed = opened(counted("h264.mp4", *CODECS["h264.mp4"])).media(store, publisher, "room")
    feed.publish_until(START + 2_000)
    feed.close()
    feed.close()
    assert list(store.incoming.iterdir()) == []


def test_pictures_are_stored_and_referenced(counted: Callable[..., Path], store: SegmentStore, publisher: Any) -> None:
    feed = opened(counted("h264.mp4", *CODECS["h264.mp4"]), pictures=True).media(store, publisher, "room")
    feed.publish_until(START + 8_000)
    assert [frame.pts_ms for frame in publisher.frames] == [0, 2_000, 4_000, 6_000]
    with av.open(str(store.path(publisher.frames[1].uri))) as container:
        assert read_frame_counter(next(container.decode(video=0)).to_ndarray(format="gray")) == 50


def test_a_file_that_ends_too_early_gives_what_it_has_and_says_so(
    counted: Callable[..., Path], store: SegmentStore, publisher: Any, tmp_path: Path
) -> None:
    whole = counted("fast.mp4", *CODECS["h264.mp4"], "-movflags", "faststart")
    short = tmp_path / "short.mp4"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    source = opened(short)
    feed = source.media(store, publisher, "room")
    feed.publish_until(START + 60_000)
    assert 2 <= len(publisher.segments) < 5
    assert sum(source.tally.damaged.values()) == 1
    assert "missing at the end" in source.tally.examples[0]


def test_without_a_start_the_file_was_finished_when_it_was_written(counted: Callable[..., Path]) -> None:
    path = counted("h264.mp4", *CODECS["h264.mp4"])
    source = open_media(str(path))
    assert isinstance(source, MediaFile)
    assert source.start_ts == path.stat().st_mtime_ns // 1_000_000 - 8_000


def test_the_opener_recognises_it_and_it_keeps_the_contract_of_sources(counted: Callable[..., Path]) -> None:
    path = counted("h264.mp4", *CODECS["h264.mp4"])
    assert check_source(lambda: open_source(str(path), start_ms=START)) == []
    assert "h264 640x360" in open_source(str(path)).dialect


def test_a_local_playlist_plays(counted: Callable[..., Path], store: SegmentStore, publisher: Any, tmp_path: Path) -> None:
    from tests.streams.media.conftest import ffmpeg

    path = tmp_path / "room.m3u8"
    ffmpeg(
        "-i",
        str(counted("h264.mp4", *CODECS["h264.mp4"])),
        "-c",
        "copy",
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_list_size",
        "0",
        str(path),
    )
    feed = opened(path).media(store, publisher, "room")
    feed.publish_until(START + 60_000)
    assert [number for segment in publisher.segments for number in counters(store.path(segment.uri))] == list(range(200))
