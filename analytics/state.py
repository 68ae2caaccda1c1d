"""How an operator's state becomes bytes: msgpack with a name and a version in front, refused by any other reader."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from streams.records import FatalError

S = TypeVar("S")


class _Packed(msgspec.Struct, array_like=True):
    name: str
    version: int
    body: msgspec.Raw


def dump_state(name: str, version: int, body: object) -> bytes:
    """``body`` as bytes of the state ``name`` in its ``version``."""
    return msgspec.msgpack.encode((name, version, body))


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
        return msgspec.msgpack.decode(packed.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FatalError(f"the state of {name!r} is damaged: {error}; restore an older checkpoint") from error
