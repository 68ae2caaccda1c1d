"""What a clip was said to be holds, whatever a crash, a full disk or a bad reference left behind."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from clipper.clips import ClipMaker
from clipper.recording import Recording
from streams.records import InvalidError, RetryError
from tests.clipper.test_clips import NOW, highlight, made, segment
from tests.support.full_disk import SmallDisk, disk

__all__ = ["disk"]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "index.db")


@pytest.fixture
def maker(tmp_path: Path, recorded: list[Path], recording: Recording) -> Callable[[], ClipMaker]:
    """A maker as after a start, on the same folder."""
    return lambda: ClipMaker(recording, tmp_path / "clips", lambda uri: recorded[0].parent / uri, lambda: NOW)


def film(recording: Recording, recorded: list[Path]) -> None:
    for number, path in enumerate(recorded):
        recording.add(segment(number, path))


def test_a_clip_that_failed_stays_failed_when_its_video_comes_late(
    maker: Callable[[], ClipMaker], recording: Recording, recorded: list[Path]
) -> None:
    first = made(maker(), highlight())
    assert first.status == "failed"
    film(recording, recorded)
    assert made(maker(), highlight()) == first, "one id and revision, one content"
    assert made(maker(), highlight(revision=8)).status == "ready"


def test_a_cut_that_could_not_be_made_is_not_made_later_under_the_same_revision(
    tmp_path: Path, recording: Recording, recorded: list[Path]
) -> None:
    film(recording, recorded)
    bad = tmp_path / "bad.ts"
    bad.write_bytes(b"no video")
    first = made(ClipMaker(recording, tmp_path / "clips", lambda _: bad, lambda: NOW), highlight())
    again = made(ClipMaker(recording, tmp_path / "clips", lambda uri: recorded[0].parent / uri, lambda: NOW), highlight())
    assert first.status == "failed"
    assert again == first


def test_what_a_killed_cut_leaves_is_swept_at_the_next_start(tmp_path: Path, maker: Callable[[], ClipMaker]) -> None:
    room = tmp_path / "clips" / "r"
    room.mkdir(parents=True)
    for name in ("highlight-r-20-7.mp4.part", "highlight-r-20-7.4711.part"):
        (room / name).write_bytes(b"half a clip")
    (room / "highlight-r-1-7.mp4").write_bytes(b"a clip")
    maker()
    assert [path.name for path in room.iterdir()] == ["highlight-r-1-7.mp4"]


def test_an_emptied_file_is_not_ready(
    tmp_path: Path, maker: Callable[[], ClipMaker], recording: Recording, recorded: list[Path]
) -> None:
    film(recording, recorded)
    first = made(maker(), highlight())
    (tmp_path / "clips" / first.path).write_bytes(b"")
    assert made(maker(), highlight()) == first
    assert (tmp_path / "clips" / first.path).stat().st_size == first.size


@pytest.mark.parametrize("said", [b"", b"\xc1 no record"])
def test_a_broken_note_beside_the_file_is_none(
    tmp_path: Path, maker: Callable[[], ClipMaker], recording: Recording, recorded: list[Path], said: bytes
) -> None:
    film(recording, recorded)
    first = made(maker(), highlight())
    (tmp_path / "clips" / first.path).with_suffix(".clip").write_bytes(said)
    assert made(maker(), highlight()) == first


def test_no_two_rooms_share_a_path(maker: Callable[[], ClipMaker]) -> None:
    rooms = ["a.b", "a:b", "a-b", "a/b", "a%2Fb", ".a", "..", "直播", "厨房", "直" * 300, "直" * 301]
    paths = {maker().path(highlight(room=room)) for room in rooms}
    assert len(paths) == len(rooms)
    assert all(len(path.parent.name) <= 200 for path in paths)
    assert all(path.parent.parent.name == "clips" for path in paths)


def test_a_reference_that_leads_nowhere_is_refused(tmp_path: Path, recording: Recording, recorded: list[Path]) -> None:
    def resolve(uri: str) -> Path:
        if not uri.startswith("segment:"):
            raise InvalidError(f"reference {uri!r} is not of the form segment:room/stream/00000123.ts")
        return recorded[0]

    maker = ClipMaker(recording, tmp_path / "clips", resolve, lambda: NOW)
    with pytest.raises(InvalidError, match="not of the form"):
        maker.note(segment(1, recorded[1], uri="https://elsewhere.example/1.ts"))
    maker.note(segment(2, recorded[2], uri="segment:r/main/00000002.ts"))
    removed: list[str] = []
    assert recording.expire(NOW + 1, removed.append) == 1
    assert removed == ["segment:r/main/00000002.ts"]


def test_what_cannot_be_removed_is_forgotten_and_said(
    recording: Recording, recorded: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    film(recording, recorded[:4])
    removed: list[str] = []

    def remove(uri: str) -> None:
        if uri == recorded[0].name:
            raise InvalidError(f"reference {uri} leads nowhere")
        if uri == recorded[1].name:
            raise OSError(errno.EISDIR, "it is a folder")
        removed.append(uri)

    with caplog.at_level(logging.WARNING):
        assert recording.expire(NOW + 1, remove) == 4
    assert removed == [path.name for path in recorded[2:4]]
    assert [recorded[n].name in record.getMessage() for n, record in enumerate(caplog.records)] == [True, True]
    assert recording.expire(NOW + 1, remove) == 0


def test_a_full_disk_is_waited_for(disk: SmallDisk, recorded: list[Path]) -> None:
    recording = Recording(disk.folder / "recording.db")
    film(recording, recorded[:1])
    maker = ClipMaker(recording, disk.folder / "clips", lambda uri: recorded[0].parent / uri, lambda: NOW)
    disk.fill()
    with pytest.raises(RetryError, match="the disk is full"):
        film(recording, recorded)
    with pytest.raises(RetryError, match="the disk is full"):
        recording.expire(NOW + 1, lambda _: None)
    with pytest.raises(RetryError, match="the disk is full"):
        maker.make(highlight(room="dark"))  # there is no video, and not even that can be kept
    disk.free()
    film(recording, recorded)
    disk.fill()
    with pytest.raises(RetryError, match="make room"):
        maker.make(highlight())
    assert not [path for path in (disk.folder / "clips").rglob("*") if path.suffix == ".mp4"]
    disk.free()
    assert made(maker, highlight()).status == "ready"
    recording.close()
