"""The segment store: bytes first, references afterwards, and nothing outside its folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import FatalError, InvalidError, RetryError
from streams.segments import IN_USE, SegmentGoneError, SegmentStore
from streams.sources.media_feed import wall_clock


def test_what_is_put_is_read_and_described(store: SegmentStore) -> None:
    stored = store.put("room", "main", 123, b"bytes")
    assert stored.uri == "segment:room/main/00000123.ts"
    assert (stored.sha256, stored.size) == (hashlib.sha256(b"bytes").hexdigest(), 5)
    assert store.read(stored.uri) == b"bytes"
    with store.open(stored.uri) as file:
        assert file.read(2) == b"by"
    assert not list(store.incoming.iterdir())


def test_a_second_store_on_the_same_folder_reads_it(store: SegmentStore) -> None:
    assert SegmentStore(store.root).read(store.put("room", "main", 0, b"x").uri) == b"x"


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_rooms_and_streams_of_any_spelling_stay_inside_and_apart(
    tmp_path_factory: pytest.TempPathFactory, one: str, two: str
) -> None:
    store = SegmentStore(tmp_path_factory.getbasetemp() / "any-spelling")
    try:
        uri = store.uri(one, two, 1)
    except (InvalidError, UnicodeEncodeError):
        return  # too long when quoted, or no text at all
    assert store.root in store.path(uri).parents
    assert uri.startswith("segment:")
    if one != two:
        assert store.uri(two, one, 1) != uri


@pytest.mark.parametrize(
    "uri",
    [
        "segment:../main/00000001.ts",
        "segment:room/../00000001.ts",
        "segment:room/main/..",
        "segment:/etc/passwd",
        "segment:room/main//etc/passwd",
        "segment:room/main/a/b",
        "segment:room/main/",
        "segment:.simulated/x/00000001.ts",
        "segment:room/main/\x00.ts",
        "segment:room\\main\\1.ts",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_references_that_would_leave_the_store_are_refused(store: SegmentStore, uri: str) -> None:
    with pytest.raises(InvalidError, match="reference"):
        store.open(uri)


def test_symbolic_links_are_not_followed(store: SegmentStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "00000001.ts").write_bytes(b"secret")
    (store.root / "room").mkdir()
    (store.root / "room" / "linked").symlink_to(secret)
    (store.root / "room" / "main").mkdir()
    (store.root / "room" / "main" / "00000001.ts").symlink_to(secret / "00000001.ts")
    for uri in ("segment:room/linked/00000001.ts", "segment:room/main/00000001.ts"):
        with pytest.raises(InvalidError, match="symbolic link"):
            store.read(uri)


def test_the_store_itself_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = SegmentStore(tmp_path / "link")
    assert store.read(store.put("room", "main", 1, b"x").uri) == b"x"


def test_what_is_gone_says_so(store: SegmentStore) -> None:
    stored = store.put("room", "main", 1, b"x")
    store.path(stored.uri).unlink()
    with pytest.raises(SegmentGoneError, match="expired"):
        store.read(stored.uri)


def test_expiry_goes_by_time_and_leaves_the_rest(store: SegmentStore) -> None:
    old, new = store.put("room", "old", 1, b"12345"), store.put("room", "new", 1, b"x")
    os.utime(store.path(old.uri), (1_000, 1_000))
    assert store.expire(2_000_000) == 5
    with pytest.raises(SegmentGoneError):
        store.read(old.uri)
    assert store.read(new.uri) == b"x"
    assert not (store.root / "room" / "old").exists()
    assert store.read(store.put("room", "old", 1, b"again").uri) == b"again"


def aged(path: Path, hours: float, now_ms: int) -> Path:
    os.utime(path, (now_ms / 1000 - hours * 3600,) * 2)
    return path


def test_a_sweep_removes_what_expired_and_what_the_killed_left_and_nothing_that_is_used(store: SegmentStore) -> None:
    now = wall_clock()
    old, new = store.put("room", "old", 1, b"12345"), store.put("room", "new", 1, b"x")
    aged(store.path(old.uri), 7, now)
    folders = {}
    for name in ("used", "left", "young"):
        folders[name] = store.incoming / f"media-{name}"
        folders[name].mkdir()
        (folders[name] / IN_USE).write_bytes(b"")
        (folders[name] / "00000001.ts").write_bytes(b"1234567")
    aged(store.incoming / "media-left" / "00000001.ts", 100, now)
    (store.incoming / "4711-beside").write_bytes(b"123")
    aged(store.incoming / "4711-beside", 2, now)
    for name in ("used", "left"):
        aged(folders[name], 2, now)
    with (folders["used"] / IN_USE).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert store.sweep(now, 6 * 3_600_000) == 5 + 7 + 3
        assert sorted(path.name for path in store.incoming.iterdir()) == ["media-used", "media-young"]
        assert (folders["used"] / "00000001.ts").exists(), "somebody plays a film that was cut hours ago"
    assert store.sweep(now, 6 * 3_600_000) == 7
    assert [path.name for path in store.incoming.iterdir()] == ["media-young"]
    assert store.read(new.uri) == b"x"
    with pytest.raises(SegmentGoneError):
        store.read(old.uri)


def test_a_sweep_leaves_a_folder_that_somebody_is_about_to_fill(store: SegmentStore) -> None:
    (store.root / "room" / "new").mkdir(parents=True)
    store.sweep(wall_clock(), 3_600_000)
    assert (store.root / "room" / "new").is_dir()
    aged(store.root / "room" / "new", 2, wall_clock())
    store.sweep(wall_clock(), 3_600_000)
    assert not (store.root / "room").exists()


def test_what_was_cut_long_ago_is_new_when_it_is_stored(store: SegmentStore, tmp_path: Path) -> None:
    file = tmp_path / "made.ts"
    file.write_bytes(b"made")
    stored = store.adopt("room", "main", 7, aged(file, 30, wall_clock()))
    assert store.sweep(wall_clock(), 6 * 3_600_000) == 0
    assert store.read(stored.uri) == b"made"


def test_adopting_takes_a_finished_file_without_copying_it(store: SegmentStore, tmp_path: Path) -> None:
    file = tmp_path / "made.ts"
    file.write_bytes(b"made")
    for _ in range(2):  # the second time the same file is there already
        stored = store.adopt("room", "main", 7, file)
        assert store.read(stored.uri) == b"made"
        assert store.path(stored.uri).stat().st_ino == file.stat().st_ino
        assert (stored.sha256, stored.size) == (hashlib.sha256(b"made").hexdigest(), 4)
    assert not list(store.incoming.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_and_leaves_nothing(store: SegmentStore) -> None:
    uri = store.uri("room", "main", 1)
    beside = store.incoming / f"{os.getpid()}-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
    beside.symlink_to("/dev/full")  # where the bytes are written first: the kernel answers as a full disk does
    with pytest.raises(RetryError, match="no room for 9 bytes"):
        store.put("room", "main", 1, b"123456789")
    with pytest.raises(SegmentGoneError):
        store.read(uri)
    assert not list(store.incoming.iterdir())


def test_a_folder_that_cannot_be_written_is_said(store: SegmentStore) -> None:
    (store.root / "room").write_bytes(b"a file where a folder belongs")
    with pytest.raises(RetryError, match="cannot be written"):
        store.put("room", "main", 1, b"x")
    assert not list(store.incoming.iterdir())


def test_buckets_are_refused_clearly() -> None:
    with pytest.raises(FatalError, match="only a folder"):
        SegmentStore("s3://bucket/segments")
