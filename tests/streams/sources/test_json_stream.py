"""The streaming reader against the standard one, in pieces of every size."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.json_stream import CutError, JsonStream

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
INDENTS = st.sampled_from([None, 0, 2])


def stream(text: str, size: int) -> JsonStream:
    return JsonStream(text[at : at + size] for at in range(0, len(text), size))


@given(st.lists(VALUES, max_size=8), st.integers(1, 20), INDENTS)
def test_arrays(values: list[Any], size: int, indent: int | None) -> None:
    assert list(stream(json.dumps(values, indent=indent), size).elements()) == values


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=6), st.integers(1, 20), INDENTS, st.data())
def test_objects_read_or_passed_over(members: dict[str, Any], size: int, indent: int | None, data: st.DataObject) -> None:
    reader = stream(json.dumps(members, indent=indent), size)
    seen = []
    for key in reader.members():
        seen.append(key)
        if data.draw(st.booleans()):
            if isinstance(members[key], list) and data.draw(st.booleans()):
                assert list(reader.elements()) == members[key]
            else:
                assert reader.value() == members[key]
    assert seen == list(members)


@given(st.lists(VALUES, min_size=1, max_size=6), st.integers(1, 20), st.data())
def test_a_cut_array_gives_its_whole_elements_and_then_says_so(values: list[Any], size: int, data: st.DataObject) -> None:
    text = json.dumps(values)
    end = data.draw(st.integers(0, len(text) - 1))
    found: list[Any] = []
    with pytest.raises(CutError, match="at character"):
        found.extend(stream(text[:end], size).elements())
    # a number that is cut is a shorter number: only the last element can be one
    assert found[:-1] == values[: max(0, len(found) - 1)]


def test_what_is_passed_over_is_not_held() -> None:
    def pieces() -> Iterator[str]:
        yield '{"pictures": ["'
        for _ in range(80):
            yield 'QUJD\\"{[' * 2500
        yield '"], "comments": [1, 2]}'

    tracemalloc.start()
    reader = JsonStream(pieces())
    found = [list(reader.elements()) for key in reader.members() if key == "comments"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [[1, 2]]
    assert peak < 2 << 20


@pytest.mark.parametrize("text", ["", "x", "[1 2]", "[1,]", "{}", '{"a" 1}', "[" * 100_000, '["\\'])
def test_broken_documents(text: str) -> None:
    with pytest.raises(CutError):
        list(stream(text, 7).elements())
