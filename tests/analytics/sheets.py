"""Two product sheets for tests, of goods that no word list was made for."""

from __future__ import annotations

from typing import Literal

from streams.records import Product, Question

_SHEETS: dict[str, tuple[str, int, dict[str, str], list[tuple[str, str]]]] = {
    "fryer": (
        "小满空气炸锅 5L",
        29_900,
        {"品牌": "小满", "颜色": "白色"},
        [
            ("多少钱", "直播间299元一台"),
            ("容量多大", "五升，够四五个人吃，放得下一只整鸡"),
            ("费电吗", "一千四百瓦，一小时一度多电，宿舍限电的别买"),
            ("怎么清洗", "炸篮拆下来冲洗就行，可以进洗碗机"),
            ("会粘吗", "陶瓷不粘涂层，不掉不糊"),
            ("保修多久", "整机保修两年，坏了以换代修"),
            ("怎么用", "第一次空烧五分钟，之后预热三分钟放食材"),
            ("噪音大吗", "四十五分贝左右，和说话声差不多"),
            ("包邮吗", "全国包邮，偏远地区补运费"),
            ("多久发货", "今天拍四十八小时内发，三天左右到"),
        ],
    ),
    "vest": (
        "跳跳儿童羽绒马甲",
        15_900,
        {"品牌": "跳跳", "尺码": "90-140"},
        [
            ("尺码怎么选", "按身高拍，90到140，胖宝宝大一码"),
            ("什么材质", "白鸭绒，面料防风防泼水"),
            ("有什么颜色", "蓝色、红色、奶白三个颜色"),
            ("能机洗吗", "建议手洗，机洗装网袋，不跑绒"),
            ("暖和吗", "充绒八十克，零下十度里面加毛衣没问题"),
            ("能退吗", "七天无理由，吊牌在就能退换"),
            ("是正品吗", "品牌直营，有吊牌合格证"),
        ],
    ),
}


def sheet(sku: str, ts: int = 1, kind: Literal["show", "pin", "withdraw"] = "show", *, room: str = "r") -> Product:
    """The whole sheet of ``fryer`` or ``vest``."""
    name, price, attributes, faq = _SHEETS[sku]
    return Product(
        room=room, event_ts=ts, ingest_ts=ts, id=f"{sku}@{ts}", source="shop", sku=sku, type=kind, name=name, price=price,
        attributes=attributes, faq=[Question(question, answer) for question, answer in faq],
    )  # fmt: skip
