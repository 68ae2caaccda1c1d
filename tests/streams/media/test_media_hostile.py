"""What must not be opened, and what it says then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.children import command, environment
from streams.records import InvalidError
from streams.sources.media import open_media
from tests.streams.media.conftest import ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac")


def refused(path: Path | str, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        open_media(str(path))
    assert str(path) in str(caught.value)


def test_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("meeting at nine\n" * 1_000)
    refused(path, "cannot be read as video")


def test_a_file_without_its_index_is_damaged(counted: Callable[..., Path], tmp_path: Path) -> None:
    whole = counted("h264.mp4", *H264).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "damaged, cut short")


def test_an_empty_file_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "cannot be read as video")
    refused(tmp_path / "absent.mp4", "cannot be read")
    refused(tmp_path, "cannot be read")


def test_sound_alone_has_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=440:duration=1", "-c:a", "aac", str(path))
    refused(path, "no picture, only audio")


def test_a_playlist_that_poses_as_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/secret.ts\n")
    refused(path, "playlist that poses as .mp4")


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile /etc/passwd\n", '<?xml version="1.0"?><MPD></MPD>', "[Reference]\nRef1=http://x/\n"]
)
def test_other_lists_of_files_are_not_followed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(text)
    refused(path, "cannot be read as video")


@pytest.mark.parametrize(
    "entry",
    ["/etc/passwd", "../other/x.ts", "file:///etc/passwd", "http://127.0.0.1:9/x.ts", "concat:a.ts|b.ts", "sub/../../x.ts"],
)
def test_a_playlist_that_leads_out_of_its_folder(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "room.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{entry}\n#EXT-X-ENDLIST\n")
    refused(path, "outside the folder")
    path.write_text(f'#EXTM3U\n#EXT-X-MAP:URI="{entry}"\n#EXTINF:2,\nx.ts\n')
    refused(path, "outside the folder")


def test_a_playlist_is_checked_through_the_playlists_it_names(tmp_path: Path) -> None:
    path = tmp_path / "master.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n")
    (tmp_path / "low.m3u8").write_text("#EXTM3U\n#EXTINF:2,\n/etc/passwd\n")
    with pytest.raises(InvalidError, match=r"low\.m3u8.*outside the folder"):
        open_media(str(path))


def test_a_link_in_a_playlists_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside.ts").write_bytes(b"x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x.ts").symlink_to(tmp_path / "outside.ts")
    (folder / "room.m3u8").write_text("#EXTM3U\n#EXTINF:2,\nx.ts\n")
    refused(folder / "room.m3u8", "outside the folder")


def test_a_picture_too_large_to_decode(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=8192x8192:r=1:d=1", "-c:v", "mjpeg", str(path))
    refused(path, "8192x8192 is larger")


def test_addresses_of_other_kinds(tmp_path: Path) -> None:
    for address in ("rtsp://host/x", "srt://host:1", "udp://239.0.0.1:1", "ftp://host/x", "concat://x"):
        refused(address, "rtmp, rtmps, http or https only")
    with pytest.raises(InvalidError, match="happens now"):
        open_media("rtmp://127.0.0.1/live/x", start_ms=1)


def test_a_name_with_a_protocol_in_it_is_only_a_name() -> None:
    refused("concat:a.ts|b.ts", "cannot be read")
    refused("pipe:0", "cannot be read")


def test_refusing_costs_little_memory_and_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=8192x8192:r=1:d=1", "-c:v", "mjpeg", str(path))
    job = b'{"path":"%s","formats":"mov,mp4"}' % str(path).encode()
    watch = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    watch += "print(); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    child = [sys.executable, "-c", watch, *command("streams.sources.media_probe")]
    done = subprocess.run(child, input=job, capture_output=True, env=environment(), check=True)
    assert int(done.stdout.split()[-1]) < 512
