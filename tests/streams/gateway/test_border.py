from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.border import Batch, check_name, read_document, read_event, read_lines
from streams.gateway.events import KIND_OF, ChatEvent, SaleEvent
from streams.gateway.refused import RefusedError
from streams.records import InvalidError
from tests.support.gateway import NOW, chat, lines, sale, viewer

SPEECH = {"kind": "speech", "id": "p1", "ts": NOW, "end": NOW + 900, "text": "这款只要九十九"}
PRODUCT = {
    "kind": "product", "id": "x1", "ts": NOW, "sku": "A1", "type": "show", "name": "真丝衬衫", "price": "99.00",
    "attributes": {"颜色": "蓝"}, "faq": [{"question": "有蓝色吗", "answer": "有"}],
}  # fmt: skip
GOOD = [chat(), sale(), viewer(), SPEECH, PRODUCT]


def reason(event: dict[str, Any] | bytes) -> str:
    with pytest.raises(InvalidError) as caught:
        read_event(event if isinstance(event, bytes) else json.dumps(event).encode())
    return str(caught.value)


@pytest.mark.parametrize("event", GOOD, ids=[event["kind"] for event in GOOD])
def test_a_good_event_of_every_kind_is_read(event: dict[str, Any]) -> None:
    read = read_event(json.dumps(event).encode())
    assert KIND_OF[type(read)] == event["kind"]
    assert (read.id, read.ts) == (event["id"], event["ts"])


def test_fields_that_we_do_not_know_are_ignored() -> None:
    assert read_event(json.dumps(chat(medal="铁粉", nested={"a": [1]})).encode()) == read_event(json.dumps(chat()).encode())


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (e, f)
        for e in GOOD
        for f in ("id", "ts", "user", "text", "type", "end", "sku")
        if f in e and not (e is GOOD[1] and f == "sku")
    ],
)
def test_the_reason_names_a_missing_field(event: dict[str, Any], field: str) -> None:
    assert f"missing required field `{field}`" in reason({key: value for key, value in event.items() if key != field})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (chat(id=7), "id: Expected `str`, got `int`"),
        (chat(id=""), "id: Expected `str` of length >= 1"),
        (chat(id="x" * 129), "id: Expected `str` of length <= 128"),
        (chat(text="长" * 2001), "text: Expected `str` of length <= 2000"),
        (chat(user=None), "user: Expected `str`, got `null`"),
        (chat(ts=1_795_550_000), "epoch milliseconds"),
        (chat(ts=str(NOW)), "ts: Expected `int`, got `str`"),
        (chat(ts=NOW + 0.5), "ts: Expected `int`, got `float`"),
        (chat(ts=10**30), "epoch milliseconds"),
        (chat(kind="gift"), "one of chat, sale, viewer, speech, product"),
        ({"id": "1"}, "one of chat, sale, viewer, speech, product"),
        (sale(amount=12.3), "decimal number of yuan as a string"),
        (sale(amount="12.345"), "amount: '12.345' is not a decimal number of yuan"),
        (sale(amount="1e3"), "'1e3'"),
        (sale(amount="１２"), "'１２'"),
        (sale(amount="NaN"), "'NaN'"),
        (sale(quantity=-1), "quantity: Expected `int` >= 0"),
        (sale(type="gift"), "type: Invalid enum value 'gift'"),
        (SPEECH | {"end": NOW - 1}, "is before ts"),
        (PRODUCT | {"price": "free"}, "price: 'free'"),
        (PRODUCT | {"attributes": {"colour": 3}}, "Expected `str`, got `int`"),
        (PRODUCT | {"faq": [{"question": "?"}]}, "missing required field `answer`"),
    ],
)
def test_the_reason_says_what_is_wrong_and_where(event: dict[str, Any], said: str) -> None:
    assert said in reason(event)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON"),
        (b"null", "Expected `object`, got `null`"),
        (b'{"kind": "chat", ', "not JSON"),
        (lines(chat()).replace("有蓝色的吗".encode(), b"\\ud800x"), "lone surrogate"),
        (lines(chat()).replace("有蓝色的吗".encode(), b"\xed\xa0\x80"), "not UTF-8"),
        (lines(chat()).replace("有蓝色的吗".encode(), b"\xff"), "not UTF-8"),
        (b'{"kind": "chat", "x": ' + b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000, "Expected `object`"),
    ],
)
def test_what_is_no_json_is_refused_with_a_reason(raw: bytes, said: str) -> None:
    assert said in reason(raw)


@pytest.mark.parametrize("text", ["👨‍👩‍👧‍👦", "a\u200bb", "\u202eabc", "nul\x00", "", "𠮷" * 2000])
def test_hostile_text_is_read_as_it_was_sent(text: str) -> None:
    event = read_event(json.dumps(chat(text=text)).encode())
    assert isinstance(event, ChatEvent)
    assert event.text == text


def shape(batch: Batch) -> tuple[list[str], list[int], list[int]]:
    return [event.id for event in batch.events], list(batch.places), [bad.index for bad in batch.bad]


def test_lines_that_are_all_good() -> None:
    assert shape(read_lines(lines(*GOOD), 10)) == (["c1", "s1", "v1", "p1", "x1"], [0, 1, 2, 3, 4], [])


def test_one_bad_line_does_not_harm_the_others() -> None:
    batch = read_lines(lines(chat("a"), b"{oops", chat("b"), b"null", sale("c")), 10)
    assert shape(batch) == (["a", "b", "c"], [0, 2, 4], [1, 3])
    assert [bad.raw for bad in batch.bad] == [b"{oops", b"null"]


def test_blank_lines_and_other_line_ends_count_for_nothing() -> None:
    body = b"\xef\xbb\xbf\n" + lines(chat("a")) + b"\r\n\r\n  \n" + lines(chat("b")) + b"\r\n"
    assert shape(read_lines(body, 2)) == (["a", "b"], [0, 1], [])


@pytest.mark.parametrize("glue", [b" ", b"", b"\r", b","])
def test_two_events_on_a_line_are_one_bad_line(glue: bytes) -> None:
    body = lines(chat("a")) + glue + lines(chat("b")) + b"\n" + lines(chat("c"))
    assert shape(read_lines(body, 10)) == (["c"], [1], [0])


def test_an_event_across_lines_is_bad_lines() -> None:
    assert shape(read_lines(lines(chat("a")).replace(b", ", b",\n", 1), 10)) == ([], [], [0, 1])


def test_a_document_is_read_as_lines_are() -> None:
    body = json.dumps({"events": [chat("a"), 7, sale("b"), chat(ts=3)]}).encode()
    batch = read_document(body, 10)
    assert shape(batch) == (["a", "b"], [0, 2], [1, 3])
    assert batch.bad[0].raw == b"7"
    assert shape(read_document(json.dumps({"events": GOOD, "more": 1}).encode(), 10)) == shape(read_lines(lines(*GOOD), 10))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"event": []}', b'{"events": 3}', b'{"events": [}', b"\xff", b"[" * 99_999])
def test_a_body_that_is_no_document_is_one_bad_event(body: bytes) -> None:
    batch = read_document(body, 10)
    assert shape(batch) == ([], [], [0])
    assert batch.bad[0].raw == body
    assert '{"events": [...]}' in batch.bad[0].reason


def test_bad_text_in_one_event_of_a_document_is_that_event_s() -> None:
    body = b'{"events": [' + lines(chat("a")) + b"," + lines(chat("b")).replace("有".encode(), b"\xff") + b"]}"
    assert shape(read_document(body, 10)) == (["a"], [0], [1])


@pytest.mark.parametrize("bad", [b"", b"\n{oops"])
def test_too_many_events_are_refused_before_they_are_read(bad: bytes) -> None:
    for read, body in (
        (read_lines, lines(*[chat(str(i)) for i in range(5)]) + bad),
        (read_document, b'{"events":[1,2,3,4,5]}'),
    ):
        with pytest.raises(RefusedError, match="at most 4 are allowed") as caught:
            read(body, 4)
        assert caught.value.status == 413


def test_exactly_as_many_as_allowed_are_read() -> None:
    assert len(read_lines(lines(*[chat(str(i)) for i in range(4)]) + b"\n", 4).events) == 4


@pytest.mark.parametrize("name", ["a", "room-1", "R.2:x_y", "0", "x" * 64])
def test_names_of_rooms(name: str) -> None:
    assert check_name("room", name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a b", "房间", "x" * 65, "a\n", "a\x00", "é"])
def test_names_that_no_room_can_have(name: str) -> None:
    with pytest.raises(RefusedError, match="1 to 64") as caught:
        check_name("room", name)
    assert caught.value.status == 422


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refused_with_a_reason_or_read(raw: bytes) -> None:
    said = "read"
    try:
        read_event(raw)
    except InvalidError as error:
        said = str(error)
    assert said


@given(st.binary())
def test_no_bytes_do_anything_but_be_refused(raw: bytes) -> None:
    refused_with_a_reason_or_read(raw)


@given(st.dictionaries(st.sampled_from(["kind", "id", "ts", "user", "text", "type", "amount", "end", "sku", "faq"]), anything))
def test_no_object_does_anything_but_be_refused(event: dict[str, Any]) -> None:
    refused_with_a_reason_or_read(json.dumps(event).encode())


good_lines = st.sampled_from([lines(event) for event in GOOD])
bad_lines = st.one_of(
    st.binary(min_size=1).map(lambda raw: raw.replace(b"\n", b"") or b"x"),
    anything.map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(good_lines | bad_lines), st.booleans())
def test_every_line_is_accounted_for(given_lines: list[bytes], ended: bool) -> None:
    batch = read_lines(b"\n".join(given_lines) + (b"\n" if ended else b""), 1000)
    present = [line.removeprefix(b"\xef\xbb\xbf") if i == 0 else line for i, line in enumerate(given_lines)]
    present = [line for line in present if line.strip()]
    assert sorted([*batch.places, *(bad.index for bad in batch.bad)]) == list(range(len(present)))
    assert [bad.raw for bad in batch.bad] == [present[bad.index] for bad in batch.bad]
    known = {lines(event) for event in GOOD}
    assert all(place in batch.places for place, line in enumerate(present) if line in known)


@given(st.lists(good_lines | st.sampled_from([b"7", b"{}", b"null", lines(chat(ts=1))])))
def test_a_document_and_its_lines_are_read_alike(given_lines: list[bytes]) -> None:
    document = read_document(b'{"events": [' + b",".join(given_lines) + b"]}", 1000)
    by_lines = read_lines(b"\n".join(given_lines), 1000)
    assert document.events == by_lines.events
    assert list(document.places) == list(by_lines.places)
    assert document.bad == by_lines.bad


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_every_decimal_of_yuan_is_an_amount(amount: Any) -> None:
    event = read_event(json.dumps(sale(amount=str(amount))).encode()) if "E" not in str(amount) else None
    assert event is None or (isinstance(event, SaleEvent) and event.amount == str(amount))
