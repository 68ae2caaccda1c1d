"""The shop's time: what sales move it, and when it runs on without one."""

from __future__ import annotations

import msgspec

from analytics.clock import FAR_MS
from analytics.reader import Reader
from analytics.till import Till
from streams.records import Sale

T = 1_764_000_000_000


def sale(ts: int, order: str = "o1") -> Sale:
    return Sale(room="r", event_ts=ts, ingest_ts=ts, id=order, source="shop", type="order", order=order)


def test_before_the_first_sale_nothing_is_known() -> None:
    till = Till()
    assert (till.now, till.sold_until(7)) == (0, 7)
    assert not till.run_on(Reader(), T)


def test_sales_move_it_and_a_stray_does_not() -> None:
    till = Till()
    assert till.accept(sale(T), T, jump_ms=FAR_MS)
    assert till.accept(sale(T + 60_000, "o2"), T + 1_000, jump_ms=FAR_MS)
    assert not till.accept(sale(T + FAR_MS + 70_000, "o3"), T + 2_000, jump_ms=FAR_MS)
    assert (till.now, till.arrived, till.sold_until(0)) == (T + 60_000, T + 1_000, T + 60_000)


def test_it_runs_on_after_five_seconds_of_a_reader_that_is_there_and_never_back() -> None:
    till, reader = Till(), Reader()
    till.accept(sale(T), T, jump_ms=FAR_MS)
    reader.tick(T + 4_000)
    assert not till.run_on(reader, T + 4_999)
    reader.tick(T + 5_000)
    assert till.run_on(reader, T + 5_000)
    assert till.sold_until(0) == T + 5_000
    assert not till.run_on(reader, T + 5_000)
    assert till.now == T
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(till), type=Till) == till


def test_time_in_which_the_reader_was_away_is_no_silence() -> None:
    till, reader = Till(), Reader()
    reader.tick(T)
    till.accept(sale(T), T, jump_ms=FAR_MS)
    reader.tick(T + 60_000)
    assert not till.run_on(reader, T + 60_000)
    assert till.run_on(reader, T + 65_000)
