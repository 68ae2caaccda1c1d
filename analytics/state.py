"""How an operator's state becomes bytes: msgpack with a name and a version in front, refused by any other reader."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import msgspec

from streams.records import FatalError

S = TypeVar("S")
R = TypeVar("R")


if TYPE_CHECKING:
    _Array = array[float]
else:
    _Array = array  # which learns to be subscripted in Python 3.12


class Floats(_Array):
    """Numbers of four bytes each, in memory as in a state. What is put in is rounded at once, so a restart changes nothing."""

    def __new__(cls, data: bytes | Iterable[float] = b"") -> Self:
        return cast("Self", super().__new__(cls, "f", data))  # of this class, which the stubs of array do not say


def _known(value: Any) -> bytes:
    if isinstance(value, Floats):
        return value.tobytes()
    raise NotImplementedError(f"a state cannot hold a {type(value).__name__}")


def _made(kind: type[Any], value: Any) -> Any:
    if kind is Floats and isinstance(value, bytes) and len(value) % 4 == 0:
        return Floats(value)
    raise ValueError(f"no {kind.__name__}")


class _Packed(msgspec.Struct, array_like=True):
    name: str
    version: int
    body: msgspec.Raw


def dump_state(name: str, version: int, body: object) -> bytes:
    """``body`` as bytes of the state ``name`` in its ``version``."""
    return msgspec.msgpack.encode((name, version, body), enc_hook=_known)


def load_state(data: bytes, name: str, version: int, kind: type[S]) -> S:
    """What :func:`dump_state` wrote. Raises ``FatalError`` for another name, another version or damage.

    Fatal, because going on with a fresh state in its place would count again what is already told.
    """
    try:
        packed = msgspec.msgpack.decode(data, type=_Packed)
        if (packed.name, packed.version) != (name, version):
            raise FatalError(
                f"a state of {packed.name!r} version {packed.version} where {name!r} version {version} belongs; "
                "run the release that wrote it, or reset the agent's group"
            )
        return msgspec.msgpack.decode(packed.body, type=kind, dec_hook=_made)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise damaged(name, error) from error


def damaged(name: str, error: Exception) -> FatalError:
    return FatalError(f"the state of {name!r} is damaged: {error}; restore an older checkpoint")


class Packer(Generic[R]):
    """Rooms as bytes, each by itself, encoded again only when it has changed: most rooms of a partition rest at any moment.

    An operator calls :meth:`changed` for every room that it feeds or that a tick changes, hands ``pack(rooms)`` to
    :func:`dump_state`, and reads ``dict[str, msgspec.Raw]`` back through :meth:`unpack`.
    ``state`` makes a room into what msgspec writes, ``kind`` is that, and ``room`` makes a room of it.
    """

    def __init__(
        self, kind: type[Any], state: Callable[[R], Any] = lambda room: room, room: Callable[[Any], R] = lambda state: state
    ) -> None:
        self._state, self._room = state, room
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_known)
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kind, dec_hook=_made)
        self._packed: dict[str, msgspec.Raw] = {}

    def changed(self, name: str) -> None:
        self._packed.pop(name, None)

    def pack(self, rooms: Mapping[str, R]) -> dict[str, msgspec.Raw]:
        """All rooms; of those that have gone nothing is kept."""
        packed: dict[str, msgspec.Raw] = {}
        for name, room in rooms.items():
            known = self._packed.get(name)
            packed[name] = msgspec.Raw(self._encoder.encode(self._state(room))) if known is None else known
        self._packed = packed
        return packed

    def unpack(self, name: str, packed: Mapping[str, msgspec.Raw]) -> dict[str, R]:
        """What :meth:`pack` wrote of the state ``name``. Raises ``FatalError`` for damage."""
        try:
            rooms = {room: self._room(self._decoder.decode(raw)) for room, raw in packed.items()}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise damaged(name, error) from error
        self._packed = {room: raw.copy() for room, raw in packed.items()}
        return rooms
