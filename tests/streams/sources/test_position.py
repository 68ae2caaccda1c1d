"""Positions: replaced in one step, refused for another recording."""

from pathlib import Path

import pytest

from streams.records import InvalidError
from streams.sources.position import Position, fingerprint, load, position_path, save


def kept(**fields: object) -> Position:
    return Position(**({"uri": "a.xml", "room": "r", "source": "s", "print": "p"} | fields))  # type: ignore[arg-type]  # as named


def test_round_trip(tmp_path: Path) -> None:
    path = position_path(tmp_path / "run", "a.xml", "r")
    assert load(path, "p") is None
    save(path, kept(played=7, shift_ms=-5, base_ts=9, finished=True))
    assert load(path, "p") == kept(played=7, shift_ms=-5, base_ts=9, finished=True)
    assert list(path.parent.iterdir()) == [path]


def test_each_recording_and_room_has_its_own() -> None:
    places = {position_path(Path(), uri, room) for uri in ("a", "b") for room in ("r", "s")}
    assert len(places) == 4


def test_another_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    save(path, kept())
    with pytest.raises(InvalidError, match="without --resume"):
        load(path, "other")


def test_an_unreadable_position_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(b'{"uri": ')
    with pytest.raises(InvalidError, match="without --resume"):
        load(path, "p")


def test_a_file_that_has_grown_is_the_same_recording(tmp_path: Path) -> None:
    path = tmp_path / "tape.xml"
    path.write_bytes(b"x" * 10_000)
    before = fingerprint(str(path))
    path.write_bytes(b"x" * 20_000)
    assert fingerprint(str(path)) == before
    path.write_bytes(b"y" * 20_000)
    assert fingerprint(str(path)) != before
