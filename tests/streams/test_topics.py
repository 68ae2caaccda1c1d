from __future__ import annotations

import pytest
from msgspec.structs import replace

from streams.records import ALL_ROOMS, DeadLetter, FaqEntry, Product, Question, Sale, encode
from streams.topics import (
    CATALOGUE,
    DAY,
    DEADLETTER,
    LETTER_VALUE_BYTES,
    TOPICS,
    dead_letter,
    fitting,
    key_of,
    murmur2,
    partition_of,
)


def product(**sheet: object) -> Product:
    return Product(room="r", event_ts=1, ingest_ts=1, id="1", source="s", sku="A", type="pin", **sheet)  # type: ignore[arg-type]  # what a sheet may hold


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_murmur2_is_kafkas(text: str, expected: int) -> None:
    """The vectors of Kafka's own test of Utils.murmur2."""
    assert murmur2(text.encode()) == expected & 0x7FFFFFFF


def test_a_bare_pin_never_takes_the_place_of_a_sheet() -> None:
    assert key_of(product(name="A", price=1)) == b"r/A"
    assert key_of(product(faq=[Question("q", "a")])) == b"r/A"
    assert key_of(product()) == b"r/A/moment"


def test_an_entry_and_a_sheet_do_not_replace_each_other() -> None:
    """Also those that have the same name; the newest of an entry replaces the others, whatever it says."""
    entry = FaqEntry(room="r", event_ts=1, ingest_ts=1, id="A", question="q", answer="a")
    assert key_of(entry) == key_of(replace(entry, answer="b", state="withdrawn")) == b"r//faq/A"
    assert key_of(replace(entry, room=ALL_ROOMS)) == b"*//faq/A"
    assert len({key_of(entry), key_of(product()), key_of(product(price=1))}) == 3


def test_everything_else_goes_by_its_room() -> None:
    assert key_of(Sale(room="r", event_ts=1, ingest_ts=1, id="1", source="s", type="pay", amount=1)) == b"r"
    assert {partition_of(f"room-{number}", 8) for number in range(200)} == set(range(8))


def test_a_reader_that_was_away_for_a_week_has_seen_every_sheet() -> None:
    assert CATALOGUE.config()["min.compaction.lag.ms"] == str(7 * DAY)
    assert [topic.name for topic in TOPICS.values() if topic.compacted] == ["live.catalogue"]


def letter(value: bytes, key: bytes = b"r", reason: str = "no msgpack") -> DeadLetter:
    return DeadLetter(
        topic="live.sales", partition=1, offset=2, reason=reason, stage="s", failed_ts=1, room=key.decode(errors="replace"),
        key=key, value=value,
    )  # fmt: skip


def test_a_letter_that_its_topic_takes_stays_as_it_is() -> None:
    for value in (b"", b"\xc1" * 1_000_000, b"\xc1" * LETTER_VALUE_BYTES):
        assert fitting(letter(value)) == letter(value)


def test_of_a_letter_that_is_too_large_the_beginning_is_kept_and_it_says_so() -> None:
    fitted = fitting(letter(b"\xc1" * 4_000_000, reason="\ud800" + "x" * 900))
    assert (len(fitted.value), fitted.cut) == (LETTER_VALUE_BYTES, True)
    assert fitted.reason == "?" + "x" * 499 + f" (of the 4000000 bytes of its value the first {LETTER_VALUE_BYTES} are kept)"
    assert fitting(fitted) == fitted


def test_a_letter_has_its_room_from_its_key() -> None:
    def room(key: bytes, **given: str) -> str:
        return dead_letter("live.catalogue", 0, 1, "x", stage="s", failed_ts=1, key=key, value=b"", **given).room

    assert [room(b"r1/A/1"), room(b"r1"), room(b""), room(b"\xff/x")] == ["r1", "r1", "", "\ufffd"]
    assert room(b"tap", room="r1") == "r1"


def test_whatever_lay_in_the_log_fits() -> None:
    worst = fitting(letter(b"\xff" * 9_000_000, key=b"\xff" * 9_000_000, reason="说" * 9_000))
    assert len(encode(worst)) < DEADLETTER.max_bytes - 4_096  # and the room for headers, key and batch
