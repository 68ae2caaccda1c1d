from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from clipper.check import check
from clipper.clips import WAIT_MS, ClipMaker
from clipper.cutter import copy
from clipper.recording import Recording
from streams.records import Clip, Highlight, InvalidError, MediaSegment, RetryError

BASE = 1_700_000_000_000
NOW = BASE + 100_000


def segment(number: int, path: Path, **changes: object) -> MediaSegment:
    values: dict[str, object] = {
        "room": "r", "stream": "main", "seq": number, "event_ts": BASE + 2000 * number, "pts_ms": 2000 * number,
        "duration_ms": 2000, "ingest_ts": NOW, "uri": path.name, "sha256": "", "size": path.stat().st_size,
    }  # fmt: skip
    return MediaSegment(**values | changes)  # type: ignore[arg-type]  # a table of fields with changes on top


def highlight(**changes: object) -> Highlight:
    values: dict[str, object] = {
        "room": "r", "id": "highlight:r:20", "revision": 7, "event_ts": BASE + 20_000, "ingest_ts": NOW,
        "start_ts": BASE + 11_000, "end_ts": BASE + 27_000, "status": "final", "score": 3.0, "title": "抢疯了", "sku": "A1",
    }  # fmt: skip
    return Highlight(**values | changes)  # type: ignore[arg-type]  # a table of fields with changes on top


@pytest.fixture
def maker(tmp_path: Path, recorded: list[Path]) -> ClipMaker:
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded):
        recording.add(segment(number, path))
    return ClipMaker(recording, tmp_path / "clips", lambda uri: recorded[0].parent / uri, lambda: NOW)


def made(maker: ClipMaker, moment: Highlight) -> Clip:
    (clip,) = maker.make(moment)
    assert isinstance(clip, Clip)
    return clip


def test_clip_holds_the_moment_to_the_frame(maker: ClipMaker, tmp_path: Path, numbers: Callable[[Path], list[int]]) -> None:
    clip = made(maker, highlight())
    assert (clip.status, clip.title, clip.width, clip.height) == ("ready", "抢疯了", 320, 240)
    assert (clip.event_ts, clip.end_ts) == (BASE + 10_000, BASE + 28_000), "snapped outward to key frames"
    assert numbers(tmp_path / "clips" / clip.path) == list(range(250, 700)), "every picture once, first and last as catalogued"
    assert abs(clip.duration_ms - 18_000) <= 100
    assert clip.labels["sku"] == "A1"


def test_clip_has_sound(maker: ClipMaker, tmp_path: Path) -> None:
    clip = made(maker, highlight())
    with av.open(str(tmp_path / "clips" / clip.path)) as container:
        loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0))
    assert loudest > 0.1


def test_making_again_says_the_same(maker: ClipMaker, tmp_path: Path) -> None:
    first = made(maker, highlight())
    maker.note(segment(99, tmp_path / "clips" / first.path, event_ts=BASE))
    written = (tmp_path / "clips" / first.path).stat().st_mtime_ns
    assert made(maker, highlight()) == first
    assert (tmp_path / "clips" / first.path).stat().st_mtime_ns == written


def test_only_final_highlights_are_cut(maker: ClipMaker) -> None:
    assert not list(maker.make(highlight(status="provisional")))
    assert not list(maker.make(highlight(status="withdrawn")))


def test_a_cut_never_crosses_a_discontinuity(tmp_path: Path, recorded: list[Path]) -> None:
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded):
        recording.add(segment(number, path, discontinuity=number == 8))
    run = recording.run_around("r", BASE + 11_000, BASE + 27_000, BASE + 20_000)
    assert run is not None
    assert (run.start_ts, run.end_ts) == (BASE + 16_000, BASE + 28_000)


def test_video_still_on_its_way_is_waited_for_then_given_up(tmp_path: Path, recorded: list[Path]) -> None:
    now = [NOW]
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded[:11]):
        recording.add(segment(number, path))
    maker = ClipMaker(recording, tmp_path / "clips", lambda uri: recorded[0].parent / uri, lambda: now[0])
    with pytest.raises(RetryError, match="not all here"):
        maker.make(highlight())
    now[0] += WAIT_MS
    clip = made(maker, highlight())
    assert (clip.status, clip.end_ts) == ("ready", BASE + 22_000), "what there is, and truthful about its end"


def test_video_that_the_index_has_not_read_yet_is_waited_for(tmp_path: Path, recorded: list[Path]) -> None:
    now, behind = [NOW], [True]
    recording = Recording(tmp_path / "index.db")
    where = recorded[0].parent
    maker = ClipMaker(recording, tmp_path / "clips", lambda uri: where / uri, lambda: now[0], lambda: behind[0])
    now[0] += 10 * WAIT_MS
    with pytest.raises(RetryError):
        maker.make(highlight())
    now[0] += 10 * WAIT_MS
    with pytest.raises(RetryError):
        maker.make(highlight())
    for number, path in enumerate(recorded):
        recording.add(segment(number, path))
    behind[0] = False
    assert made(maker, highlight()).status == "ready"


def test_a_clip_says_what_it_lacks_and_late_video_changes_nothing_that_was_said(tmp_path: Path, recorded: list[Path]) -> None:
    now = [NOW]
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded[:11]):
        recording.add(segment(number, path))
    maker = ClipMaker(recording, tmp_path / "clips", lambda uri: recorded[0].parent / uri, lambda: now[0])
    with pytest.raises(RetryError):
        maker.make(highlight())
    now[0] += WAIT_MS
    first = made(maker, highlight())
    assert first.labels["missing_end_ms"] == "5000"
    for number, path in enumerate(recorded[11:], 11):
        recording.add(segment(number, path))
    assert made(maker, highlight()) == first


def test_no_video_is_said(tmp_path: Path) -> None:
    maker = ClipMaker(Recording(tmp_path / "index.db"), tmp_path, Path, lambda: NOW)
    clip = made(maker, highlight())
    assert (clip.status, clip.path) == ("failed", "")
    assert "no video" in clip.reason


def test_damaged_segment_fails_the_clip_and_leaves_no_file(tmp_path: Path, recorded: list[Path]) -> None:
    bad = tmp_path / "bad.ts"
    bad.write_bytes(b"#EXTM3U\nhttp://127.0.0.1/secret.ts\n")
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded):
        recording.add(segment(number, bad if number == 9 else path))
    where = {bad.name: bad} | {path.name: path for path in recorded}
    clip = made(ClipMaker(recording, tmp_path / "clips", where.__getitem__, lambda: NOW), highlight())
    assert clip.status == "failed"
    assert "bad.ts" in clip.reason
    assert [path.suffix for path in (tmp_path / "clips").rglob("*") if path.is_file()] == [".clip"], (
        "what was said, and no video"
    )


def test_check_refuses_what_does_not_play(tmp_path: Path, recorded: list[Path]) -> None:
    target = tmp_path / "clip.mp4"
    with pytest.raises(InvalidError, match="is empty"):
        check(target, 1000)
    target.write_bytes(b"\0" * 261)
    with pytest.raises(InvalidError, match="does not play"):
        check(target, 1000)
    copy(recorded[:3], target, {})
    with pytest.raises(InvalidError, match="lasts"):
        check(target, 30_000)
    assert abs(check(target, 6000).duration_ms - 6000) <= 100


def test_segments_out_of_order_are_refused(tmp_path: Path, recorded: list[Path]) -> None:
    target = tmp_path / "clip.mp4"
    with pytest.raises(InvalidError, match="backwards"):
        copy([recorded[3], recorded[2]], target, {})
    assert not target.exists()


def test_expired_video_is_removed(tmp_path: Path, recorded: list[Path]) -> None:
    recording = Recording(tmp_path / "index.db")
    for number, path in enumerate(recorded):
        recording.add(segment(number, path, ingest_ts=NOW + number))
    removed: list[str] = []
    assert recording.expire(NOW + 5, removed.append) == 5
    assert removed == [path.name for path in recorded[:5]]
    assert recording.run_around("r", BASE, BASE + 4000, BASE + 1000) is None
