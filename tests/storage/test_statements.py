from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.server.statements import first_word, split_format, split_insert


@pytest.mark.parametrize(
    ("text", "head", "input_format", "data"),
    [
        ("INSERT INTO t VALUES", "INSERT INTO t ", "Values", ""),
        ("insert into t (a, b) values (1, 2)", "insert into t (a, b) ", "Values", " (1, 2)"),
        ("INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", "1,2\n"),
        ("INSERT INTO t (format, values) FORMAT JSONEachRow {}", "INSERT INTO t (format, values) ", "JSONEachRow", "{}"),
        ("/* FORMAT x */ INSERT INTO `values` FORMAT Native\n", "/* FORMAT x */ INSERT INTO `values` ", "Native", ""),
        ("INSERT INTO t SETTINGS a = 'FORMAT CSV' FORMAT TSV\n1", "INSERT INTO t SETTINGS a = 'FORMAT CSV' ", "TSV", "1"),
        ("-- INSERT\ninsert into t format CSV \n1", "-- INSERT\ninsert into t ", "CSV", "1"),
    ],
)
def test_an_inserts_data_are_found(text: str, head: str, input_format: str, data: str) -> None:
    found = split_insert(text.encode())
    assert found is not None
    assert (found.head, found.format, text.encode()[found.data_at :].decode()) == (head, input_format, data)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "INSERT INTO t SELECT 1 FORMAT CSV",
        "INSERT INTO t WITH 1 AS x SELECT x",
        "",
        "-- INSERT INTO t VALUES",
        "INSERTED",
    ],
)
def test_what_brings_no_data_is_left_alone(text: str) -> None:
    assert split_insert(text.encode()) is None


@given(st.binary())
def test_data_never_change_the_statement(data: bytes) -> None:
    found = split_insert(b"INSERT INTO t (a) FORMAT Native\n" + data)
    assert found is not None
    assert (found.head, found.format) == ("INSERT INTO t (a) ", "Native")


@pytest.mark.parametrize(
    ("text", "query", "output"),
    [
        ("SELECT 1 FORMAT CSV", "SELECT 1", "CSV"),
        ("SELECT 1 format JSON ; ", "SELECT 1", "JSON"),
        ("SELECT 1;", "SELECT 1", ""),
        ("SELECT ' FORMAT CSV'", "SELECT ' FORMAT CSV'", ""),
        ("SELECT a FROM t FORMAT CSV SETTINGS x = 1", "SELECT a FROM t SETTINGS x = 1", "CSV"),
        ("SELECT format FROM t", "SELECT format FROM t", ""),
    ],
)
def test_a_trailing_format_is_taken_off(text: str, query: str, output: str) -> None:
    assert split_format(text) == (query, output)


@pytest.mark.parametrize(
    ("text", "word"),
    [("select 1", "SELECT"), ("  -- x\n/* y */ Show tables", "SHOW"), ("", ""), ("(select 1)", ""), ("--", "")],
)
def test_the_first_word(text: str, word: str) -> None:
    assert first_word(text.encode()) == word
