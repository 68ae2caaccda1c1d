"""The scanner against a real parser on whole files, and against damage."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from streams.records import InvalidError
from streams.sources.base import Tally
from streams.sources.danmaku_scan import ELEMENT, Element, elements

XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t<>&\"'😀]"), max_size=30)
ROWS = st.lists(st.tuples(st.integers(0, 9999), XML_TEXT, XML_TEXT), max_size=12)
CUTS = st.integers(1, 40)


def written(rows: list[tuple[int, str, str]]) -> str:
    body = "".join(f'<d p="{at},1,25,0,{at},0,7,0" user={quoteattr(user)}>{escape(text)}</d>\n' for at, user, text in rows)
    return f'<?xml version="1.0" encoding="utf-8"?><i>\n{body}</i>'


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def scan(text: str, size: int = 7) -> tuple[list[Element], Tally]:
    tally = Tally()
    return list(elements(pieces(text, size), tally)), tally


@given(ROWS, CUTS)
def test_agrees_with_a_parser_on_whole_files(rows: list[tuple[int, str, str]], size: int) -> None:
    text = written(rows)
    found, tally = scan(text, size)
    parsed = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False))
    assert [(e.attributes, e.text) for e in found] == [(dict(d.attrib), d.text or "") for d in parsed.iter("d")]
    assert not tally.damaged


@given(ROWS, st.data())
def test_a_cut_file_gives_every_whole_row_and_says_so(rows: list[tuple[int, str, str]], data: st.DataObject) -> None:
    text = written(rows)
    end = data.draw(st.integers(0, len(text)))
    whole = scan(text)[0]
    found, tally = scan(text[:end])
    assert found == whole[: len(found)]
    assert len(found) == text[:end].count("</d>")
    assert tally.damaged.total() == text[:end].count("<d ") - len(found)


@given(ROWS, st.data())
def test_a_lost_stretch_costs_the_rows_that_it_touches(rows: list[tuple[int, str, str]], data: st.DataObject) -> None:
    """A recorder that crashed and went on: the file continues with a whole row behind half a row."""
    text = written(rows)
    starts = [at for at in range(len(text)) if text.startswith("<d p=", at)]
    if len(starts) < 2:
        return
    broken, resumed = sorted(data.draw(st.lists(st.sampled_from(range(len(starts))), min_size=2, max_size=2, unique=True)))
    end = data.draw(st.integers(starts[broken] + 3, starts[broken + 1] - len("</d>\n")))
    if text[:end].endswith("</d>"):
        return
    whole = scan(text)[0]
    found, _ = scan(text[:end] + "\n" + text[starts[resumed] :])
    assert [(e.attributes, e.text) for e in found] == [(e.attributes, e.text) for e in whole[:broken] + whole[resumed:]]


@given(st.text(max_size=20), CUTS)
def test_raw_text_of_a_writer_that_does_not_escape(text: str, size: int) -> None:
    if "&" in text or "</d" in text or "<d " in text or "<![CDATA[" in text or "\r" in text or "</i" in text:
        return
    raw = f"a & b < c > {text} <3"
    found, tally = scan(f'<i><d p="1,1">{raw}</d><d p="2,1">next</d>', size)
    assert [e.text for e in found] == [raw, "next"]
    assert not tally.damaged


@given(st.text(max_size=60), CUTS)
def test_nothing_makes_it_fail_or_hang(noise: str, size: int) -> None:
    scan("<i>" + noise + '<d p="1">x</d>' + noise[::-1], size)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("&#55357;&#56834;", "😂"),
        ("&#xD83D;&#xDE02;", "😂"),
        ("&#xD83D;!", "\ufffd!"),
        ("&#x110000;", "\ufffd"),
        ("&#0;", "\0"),
        ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
        ("&nbsp;&foo;&", "&nbsp;&foo;&"),
        ("&amp;lt;", "&lt;"),
        ("<![CDATA[a<b&amp;]]> &amp; c", "a<b&amp; & c"),
        ("a\r\nb\rc", "a\nb\nc"),
    ],
)
def test_references(raw: str, text: str) -> None:
    assert [e.text for e in scan(f"<d p='1'>{raw}</d>")[0]] == [text]


def test_attributes_with_raw_quotes_keep_the_fields() -> None:
    found, _ = scan('<i><d p="1,2,3" user="a"b" c">hello</d>\n<d p="2" user="x>y">z</d></i>')
    assert [(e.attributes["p"], e.text) for e in found] == [("1,2,3", "hello"), ("2", "z")]
    assert found[1].attributes["user"] == "x>y"


def test_comments_hide_rows_and_an_endless_comment_hides_nothing_else() -> None:
    assert [e.text for e in scan("<i><!-- <d p='1'>no</d> --><d p='2'>yes</d>")[0]] == ["yes"]
    assert [e.text for e in scan("<i><!-- <d p='1'>no end</d>")[0]] == ["no end"]


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE i [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><i><d p="1">&b;</d></i>',
        '<!DOCTYPE i SYSTEM "file:///etc/passwd"><i><d p="1">x</d></i>',
        '<i><d p="1">x</d><!ENTITY x SYSTEM "file:///etc/passwd">',
    ],
)
def test_declarations_are_refused(attack: str) -> None:
    with pytest.raises(InvalidError, match="refused"):
        scan(attack)


def test_an_element_without_end_does_not_fill_the_memory() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        yield '<i><d p="1">'
        for _ in range(200):
            taken += 1 << 16
            yield "x" * (1 << 16)
        yield '<d p="2">good</d>'

    tally = Tally()
    assert [e.text for e in elements(endless(), tally)] == ["good"]
    assert tally.damaged == {f"an element longer than {ELEMENT} characters": 1}
    assert taken > 8 * ELEMENT


def test_row_numbers_count_damaged_rows() -> None:
    found, tally = scan('<i><d p="1">a</d><d p="2">b<gift ts="1"/><d p="3">c</d>')
    assert [(e.number, e.name) for e in found] == [(1, "d"), (3, "gift"), (4, "d")]
    assert tally.examples == ["row 2 (<d>): cut short inside the file"]


HOSTILE = {
    "openings": "<d " * 700_000,
    "quotes": '<d p="' * 400_000,
    "a name": "<d " + "a" * 2_000_000 + ">",
    "comments": "<!-- " * 400_000,
    "rows": "<d p='1'>" * 250_000,
    "brackets": "<" * 2_000_000,
    "equals": "<d " + "a= " * 700_000 + ">",
    "references": "<d p='1'>" + "&#" * 1_000_000 + "</d>",
    "sections": "<d p='1'>" + "<![CDATA[" * 200_000 + "</d>",
    "spaces": "<d p" + " " * 2_000_000 + "='1'>",
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_cost_time_in_proportion(hostile: str) -> None:
    """Quadratic time would take minutes here: the limit of the test run is what fails then."""
    found, _ = scan("<i>" + hostile + '\n<d p="2">good</d></i>', 1 << 16)
    assert found[-1].text.endswith("good")
