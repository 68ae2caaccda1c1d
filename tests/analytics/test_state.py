"""States as bytes: what is packed room by room, and numbers of four bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.placed import Placed
from analytics.state import Floats, Packer, dump_state, load_state
from streams.records import FatalError


class Room(msgspec.Struct, array_like=True):
    count: int
    values: Floats = msgspec.field(default_factory=Floats)


def counting(packed: list[int]) -> Packer[Room]:
    def note(room: Room) -> Room:
        packed.append(room.count)
        return room

    return Packer(Room, note)


def test_only_rooms_that_changed_are_encoded_again() -> None:
    packed: list[int] = []
    packer, rooms = counting(packed), {"a": Room(1), "b": Room(2)}
    first = dump_state("t", 1, packer.pack(rooms))
    assert packed == [1, 2]
    rooms["b"].count = 3
    packer.changed("b")
    second = dump_state("t", 1, packer.pack(rooms))
    assert packed == [1, 2, 3]
    assert second != first
    assert second == dump_state("t", 1, counting([]).pack(rooms))


def test_rooms_come_back_and_rest_packed() -> None:
    rooms = {"a": Room(1, Floats([0.1, 2.5])), "b": Room(2)}
    data = dump_state("t", 1, Packer[Room](Room).pack(rooms))
    packed: list[int] = []
    packer = counting(packed)
    again = packer.unpack("t", load_state(data, "t", 1, dict[str, msgspec.Raw]))
    assert again == rooms
    assert dump_state("t", 1, packer.pack(again)) == data
    assert packed == []


def test_a_room_that_went_and_came_back_is_encoded() -> None:
    packer = Packer[Room](Room)
    packer.pack({"a": Room(1)})
    packer.pack({})
    assert packer.unpack("t", packer.pack({"a": Room(2)})) == {"a": Room(2)}


@pytest.mark.parametrize("damaged", [[1, b"123"], [1, "text"], ["one", b""], []])
def test_a_damaged_room_is_refused(damaged: list[object]) -> None:
    with pytest.raises(FatalError, match="state of 't' is damaged"):
        Packer[Room](Room).unpack("t", {"a": msgspec.Raw(msgspec.msgpack.encode(damaged))})


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_four_bytes_are_what_is_kept(values: list[float]) -> None:
    data = dump_state("t", 1, Floats(values))
    assert list(load_state(data, "t", 1, Floats)) == values
    assert len(data) <= 4 * len(values) + 12


def test_an_order_counts_once_and_many_are_forgotten_by_time() -> None:
    placed = Placed()
    assert [placed.first(order, 10 * order) for order in (1, 2, 3)] == [True] * 3
    assert not placed.first(2, 90)
    placed.forget(30, keep=3)
    assert not placed.first(1, 90)
    placed.forget(30, keep=2)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(placed), type=Placed).known == placed.known == {3}
    assert placed.first(1, 90)
