"""Local HLS playlists: what they point at is checked before ffmpeg may follow them."""

from __future__ import annotations

import re
from pathlib import Path

from streams.records import InvalidError

MOST_BYTES = 4 << 20
MOST_PLAYLISTS = 32
_QUOTED_URI = re.compile(r'URI="([^"]*)"')


def check_playlist(path: Path) -> None:
    """Check that everything a playlist names lies in its own folder, and so on through the playlists that it names.

    Raises :class:`InvalidError` that names the entry.
    """
    root = path.resolve().parent
    waiting, seen = [path.resolve()], set()
    while waiting:
        playlist = waiting.pop()
        if playlist in seen:
            continue
        seen.add(playlist)
        if len(seen) > MOST_PLAYLISTS:
            raise InvalidError(f"playlist {path}: it names more than {MOST_PLAYLISTS} other playlists")
        for entry in _entries(playlist):
            named = _within(root, playlist, entry)
            if named.suffix.lower() == ".m3u8":
                waiting.append(named)


def _entries(playlist: Path) -> list[str]:
    try:
        if playlist.stat().st_size > MOST_BYTES:
            raise InvalidError(f"playlist {playlist}: larger than {MOST_BYTES >> 20} MiB")
        lines = playlist.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"playlist {playlist} cannot be read: {error}") from error
    if not lines or not lines[0].startswith("#EXTM3U"):
        raise InvalidError(f"playlist {playlist}: it does not begin with #EXTM3U")
    entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return entries + [uri for line in lines if line.startswith("#") for uri in _QUOTED_URI.findall(line)]


def _within(root: Path, playlist: Path, entry: str) -> Path:
    named = (playlist.parent / entry).resolve()
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", entry) or root not in named.parents:
        raise InvalidError(f"playlist {playlist}: entry {entry[:120]!r} lies outside the folder of the playlist; refused")
    return named
