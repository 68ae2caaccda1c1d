"""The cells of a sales export: column names, status words, times and amounts as shops and spreadsheets write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.records import InvalidError
from streams.sources.recording import epoch_ms

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "event_id", "流水号", "记录号"),
    "ts": (
        *("ts", "time", "timestamp", "datetime", "date", "created_at", "paid_at", "order time", "order_time", "created time"),
        *(
            "时间",
            "支付时间",
            "付款时间",
            "订单付款时间",
            "成交时间",
            "下单时间",
            "创建时间",
            "订单创建时间",
            "订单提交时间",
            "日期",
        ),
    ),
    "order": (
        *("order", "order_id", "order id", "order no", "order_no", "orderid"),
        *("订单", "订单号", "订单编号", "主订单编号", "子订单编号"),
    ),
    "sku": (
        *("sku", "sku_id", "product", "item", "goods"),
        *("商品编码", "商品编号", "商品id", "商品规格编码", "货号", "商品", "商品名称"),
    ),
    "quantity": ("quantity", "qty", "count", "数量", "件数", "商品数量", "购买数量"),
    "amount": (
        *("amount", "total", "paid", "price"),
        *("金额", "实付", "实付金额", "买家实付金额", "支付金额", "成交金额", "订单金额", "订单应付金额"),
    ),
    "type": ("type", "status", "state", "状态", "类型", "订单状态", "交易状态"),
    "user": ("user", "user_id", "buyer", "customer", "用户", "用户id", "买家", "买家id", "买家昵称", "会员名"),
}
"""Column names by field, lower case. Where a file has several of one field, the first filled one wins."""

WORDS = (
    ("refund", ("refund", "return", "退款", "退货")),
    ("", ("cancel", "closed", "取消", "关闭", "失效")),
    ("cart", ("cart", "加购", "购物车")),
    ("click", ("click", "view", "点击", "浏览")),
    ("stock", ("stock", "inventory", "库存")),
    ("order", ("unpaid", "pending", "await", "待付", "待支付", "未付", "未支付")),
    ("pay", ("paid", "pay", "success", "complete", "ship", "deliver", "支付", "付款", "成功", "完成", "发货", "签收", "收货")),
    ("order", ("order", "create", "place", "new", "下单", "创建", "拍下")),
)
"""Sale types by the words of a status, in order of precedence: 待支付 (not paid yet) contains 支付 (paid)."""

FORMATS = (
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M:%S"),
    *("%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y%m%d%H%M%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
)


def zone_of(zone: str) -> tzinfo:
    """An offset or a name as a time zone. Raises ``InvalidError`` for one that is not known."""
    if offset := re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone):
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return UTC if zone in {"Z", "UTC"} else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidError(f"time zone {zone[:40]!r} is not known; give an offset such as +08:00") from error


def sale_type(status: str) -> str:
    """The border's sale type of a status word; an order without one; empty for what was cancelled."""
    if not status:
        return "order"
    lowered = status.lower()
    for kind, words in WORDS:
        if any(word in lowered for word in words):
            return kind
    raise InvalidError(f"status {status[:40]!r} is not known")


def sale_time(text: str, zone: tzinfo) -> int:
    """Epoch milliseconds of a number, an ISO time or one of the spreadsheet formats."""
    cleaned = text.strip().strip("\t'=\"")
    if re.fullmatch(r"\d{10}(\.\d+)?|\d{13}|\d{16}", cleaned):
        return epoch_ms(float(cleaned))
    time = _parsed(cleaned)
    if time is None:
        raise InvalidError(f"time {text[:40]!r} is not understood; write it as 2026-11-24 20:00:00")
    return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp() * 1000)


def _parsed(text: str) -> datetime | None:
    try:
        if not text.isdigit():
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    for layout in FORMATS:
        try:
            return datetime.strptime(text, layout)
        except ValueError:
            continue
    return None


def sale_amount(text: str) -> str:
    """A decimal string in yuan, without currency signs and thousands separators; a refund's minus sign is dropped."""
    cleaned = re.sub(r"[¥￥,，\s]|元|rmb|cny", "", text.strip("\t'=\""), flags=re.IGNORECASE)
    try:
        value = abs(Decimal(cleaned))
    except InvalidOperation:
        raise InvalidError(f"amount {text[:40]!r} is no number of yuan") from None
    if not value.is_finite() or value >= 10**13:
        raise InvalidError(f"amount {text[:40]!r} is no number of yuan")
    cents = value.quantize(Decimal("0.01"))
    if cents != value:
        raise InvalidError(f"amount {text[:40]!r} is finer than a fen")
    return str(cents)


def sale_quantity(text: str) -> int:
    try:
        value = Decimal(text.replace(",", "").strip("\t'=\"件个"))
    except InvalidOperation:
        raise InvalidError(f"quantity {text[:40]!r} is no whole number") from None
    if not value.is_finite() or not 0 <= value < 10**9 or value != int(value):
        raise InvalidError(f"quantity {text[:40]!r} is no whole number")
    return int(value)
