"""The state of one partition of one agent as bytes, and the commit metadata that names it.

The offset commit is the only switch: it carries ``ck:<offset>``, the place of exactly one checkpoint in the agent's checkpoint
topic, and Kafka fences it by generation. What a worker writes after it lost its partition is never referred to; the newest
checkpoint is not the right one, the named one is.
"""

from __future__ import annotations

import msgspec

from streams.records import FatalError

METADATA_PREFIX = "ck:"


class Output(msgspec.Struct, frozen=True, array_like=True):
    """A record on its way out: where it goes, its bytes, and its number in the sequence header."""

    topic: str
    key: bytes
    value: bytes
    number: int


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="checkpoint.1"):
    """Everything a partition must remember.

    ``positions``: next offset per source. ``seen``: highest number per source and writer, so that repeats are skipped.
    ``sent``: our own highest number. ``ticks``: part of the revision. ``state``: the operator's own bytes. ``outbox``: outputs
    that may be said once this checkpoint is the committed one. ``lineage``: when this state began; part of the name under which
    outputs are numbered, so that numbers that start again (a person dropped the state) never pass for repeats.
    ``slot``: half of the record's key; it alternates, so that compaction can never remove the committed checkpoint for the sake
    of one that was written after it and not committed. ``birth``: nothing has been read yet; without a commit that names it,
    it says no more than that a start was cut short.
    """

    agent: str
    partition: int
    lineage: int
    slot: int
    positions: dict[str, int]
    seen: dict[str, dict[str, int]]
    sent: int
    ticks: int
    state: bytes
    outbox: list[Output]
    birth: bool = False

    @property
    def key(self) -> bytes:
        return f"{self.partition}:{self.slot}".encode()

    @property
    def writer(self) -> str:
        return f"{self.agent}@{self.lineage}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Checkpoint)


def encode(checkpoint: Checkpoint) -> bytes:
    return _encoder.encode(checkpoint)


def decode(data: bytes, where: str) -> Checkpoint:
    """Read a checkpoint; ``where`` it lies is for the message. Raises :class:`FatalError` for another version, or none."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise FatalError(
            f"{where} is no checkpoint of this version ({error}). Run the version that wrote it and stop it cleanly before "
            "upgrading, or drop the state with `livetide agents repair`."
        ) from error


def metadata(offset: int) -> str:
    """What the commit says: the checkpoint's offset."""
    return f"{METADATA_PREFIX}{offset}"


def named(text: str) -> int | None:
    """The checkpoint's offset in a commit's metadata; None when the commit is not ours (a person moved the offset)."""
    digits = text.removeprefix(METADATA_PREFIX)
    return int(digits) if text.startswith(METADATA_PREFIX) and digits.isdecimal() and digits.isascii() else None
