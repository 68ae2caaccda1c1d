"""The codec of checkpoints and of the metadata that names them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import FatalError
from streams.shell import checkpoint as ck
from streams.shell.checkpoint import Checkpoint, Output

names = st.text(min_size=1, max_size=8)
numbers = st.integers(0, 2**62)
outputs = st.builds(Output, names, st.binary(max_size=20), st.binary(max_size=50), numbers)
checkpoints = st.builds(
    Checkpoint,
    agent=names,
    partition=st.integers(0, 128),
    lineage=numbers,
    slot=st.integers(0, 1),
    positions=st.dictionaries(names, numbers, max_size=4),
    seen=st.dictionaries(names, st.dictionaries(names, numbers), max_size=3),
    sent=numbers,
    ticks=numbers,
    state=st.binary(max_size=200),
    outbox=st.lists(outputs, max_size=5),
)


@given(checkpoints)
def test_what_is_written_is_read(checkpoint: Checkpoint) -> None:
    assert ck.decode(ck.encode(checkpoint), "here") == checkpoint


@given(st.binary(max_size=200))
def test_anything_else_is_fatal_and_says_what_to_do(data: bytes) -> None:
    with pytest.raises(FatalError, match="livetide agents repair"):
        ck.decode(data, "here")


@given(checkpoints)
def test_another_version_is_refused(checkpoint: Checkpoint) -> None:
    fields = msgspec.msgpack.decode(ck.encode(checkpoint))
    assert fields["kind"] == "checkpoint.1"
    with pytest.raises(FatalError, match="of this version"):
        ck.decode(msgspec.msgpack.encode(fields | {"kind": "checkpoint.2"}), "here")


@given(numbers)
def test_metadata_names_one_checkpoint(offset: int) -> None:
    assert ck.named(ck.metadata(offset)) == offset


@pytest.mark.parametrize("text", ["", "ck:", "ck:-1", "ck:1 ", "ck:x", "17", "seq:{}", "CK:1", "ck:1\0", "ck:²", "ck:١"])
def test_metadata_of_somebody_else_names_none(text: str) -> None:
    assert ck.named(text) is None
