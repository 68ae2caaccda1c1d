"""Spreadsheets of sales: columns, times, amounts, status words."""

from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import InvalidError, fen
from streams.sources.opening import open_source
from streams.sources.sales_cells import sale_amount, sale_quantity, sale_time, sale_type, zone_of
from streams.sources.sales_csv import open_sales_csv

CST = timezone(timedelta(hours=8))
EIGHT_PM = 1_795_521_600_000  # 2026-11-24 20:00 in China


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 20:00:00", "2026-11-24 20:00", "2026/11/24 20:00:00", "2026/11/24 20:00", "2026-11-24T20:00:00",
        "2026-11-24T12:00:00Z", "2026-11-24T21:00:00+09:00", "20261124200000", "2026年11月24日 20:00", "2026.11.24 20:00:00",
        "11/24/2026 20:00", "1795521600", "1795521600000", "1795521600.0", "\t2026-11-24 20:00:00", "='2026-11-24 20:00:00'",
    ],
)  # fmt: skip
def test_times(text: str) -> None:
    assert sale_time(text, CST) == EIGHT_PM


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01 00:00:00", "45", "20:00", "-1795521600"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(InvalidError, match="is not understood"):
        sale_time(text, CST)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12.3", "12.30"),
        ("￥1,234.50", "1234.50"),
        ("¥ 9", "9.00"),
        ("39.8元", "39.80"),
        ("-5", "5.00"),
        ("0", "0.00"),
        ("CNY 7", "7.00"),
    ],
)
def test_amounts(text: str, amount: str) -> None:
    assert sale_amount(text) == amount


@pytest.mark.parametrize("text", ["", "free", "1.234", "nan", "inf", "1e20", "12.3.4", "１２x"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(InvalidError, match="amount"):
        sale_amount(text)


@given(st.integers(0, 10**14), st.sampled_from(["{}", "¥{}", "{}元", " {} "]))
def test_an_amount_keeps_its_fen(amount: int, written: str) -> None:
    yuan = f"{amount // 100:,}.{amount % 100:02d}"
    assert fen(sale_amount(written.format(yuan))) == amount


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("", "order"), ("待付款", "order"), ("待支付", "order"), ("未支付", "order"), ("已下单", "order"), ("created", "order"),
        ("已支付", "pay"), ("买家已付款", "pay"), ("已发货", "pay"), ("交易成功", "pay"), ("PAID", "pay"), ("Completed", "pay"),
        ("退款成功", "refund"), ("已付款，退款中", "refund"), ("Refunded", "refund"),
        ("unpaid", "order"), ("pending payment", "order"), ("加购", "cart"),
        ("点击", "click"), ("库存", "stock"), ("交易关闭", ""), ("已取消", ""), ("cancelled", ""),
    ],
)  # fmt: skip
def test_status_words(status: str, kind: str) -> None:
    assert sale_type(status) == kind


def test_an_unknown_status_is_named() -> None:
    with pytest.raises(InvalidError, match="'神秘'"):
        sale_type("神秘")


@pytest.mark.parametrize("text", ["1.5", "-1", "many", "1e99"])
def test_quantities_that_are_none(text: str) -> None:
    with pytest.raises(InvalidError):
        sale_quantity(text)


@pytest.mark.parametrize(
    ("header", "missing"),
    [("订单号,金额,商品", "'ts'"), ("时间,金额", "'order'"), ("order,ts,sku", "'amount'"), ("id,order,amount", "'ts'")],
)
def test_a_missing_column_is_named_with_what_would_do(tmp_path: Path, header: str, missing: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(header + "\n1,2,3\n")
    with pytest.raises(InvalidError, match="line 1") as caught:
        open_sales_csv(path)
    assert missing in str(caught.value)
    assert header.split(",")[0] in str(caught.value)


def test_a_zone_changes_the_times(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("order,ts,amount\n1,2026-11-24 20:00:00,5\n")
    for zone, hours in (("+08:00", 0), ("UTC", 8), ("-05:00", 13), ("Asia/Shanghai", 0)):
        assert next(iter(open_source(str(path), zone=zone).events())).at == EIGHT_PM + hours * 3_600_000
    with pytest.raises(InvalidError, match=r"\+08:00"):
        zone_of("Mars/Olympus")


def test_a_quote_that_never_closes_is_damage_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text('order,ts,amount\n1,2026-11-24 20:00:00,5\n2,"2026-11-24 20:00' + "x" * 200_000)
    source = open_sales_csv(path)
    assert len(list(source.events())) == 1
    assert source.tally.damaged.total() == 1


def test_exports_that_are_newest_first_are_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("order,ts,amount\n" + "".join(f"{n},{1_795_521_600 - n},1\n" for n in range(1000)))
    ats = [event.at for event in open_sales_csv(path).events()]
    assert ats == sorted(ats)
    assert len(ats) == 1000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("pad", range(4))
def test_line_ends_of_every_spreadsheet_program(tmp_path: Path, end: str, pad: int) -> None:
    path = tmp_path / "sales.csv"
    rows = [f"{n},{1_795_521_600 + n},1,{'好' * pad}" for n in range(9000)]
    path.write_bytes(end.join(["order,ts,amount,note", *rows]).encode() + end.encode())
    source = open_source(str(path))
    assert len(list(source.events())) == 9000
