"""Labels of a product paragraph: what is known of it in words, each only where it is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from analytics.numbers import spoken_discounts, spoken_prices
from analytics.sensitive import load_matcher
from streams.records import yuan

WARNING_WEIGHT = 1.0
_LINK = re.compile(r"([一二两三四五六七八九十百\d]{1,4})号链接")
_WAS = ("原价", "专柜", "外面", "平时", "日常", "官方价")
_PROMISES = (
    "包邮",
    "运费险",
    "七天无理由",
    "假一赔",
    "假一罚",
    "只换不修",
    "保修",
    "正品",
    "免费上门",
    "过敏包退",
    "坏了包退",
    "质保",
)
_DISCOUNTS = ("优惠券", "领券", "券后", "满减", "立减", "打折", "半价", "买一送一", "补贴", "第二件")
_STOCK = ("库存不多", "最后几单", "最后一批", "限量", "仅剩", "只剩", "没多少了", "断货")
_GIFT = re.compile(r"(?<!赠)(?:再|还|额外|加)?(?:送你|送给|再送|加送|赠送|送一)[^，。！？]{1,10}")


class Sheet(NamedTuple):
    """What the catalogue says of a product."""

    name: str = ""
    price: int = 0
    category: str = ""
    brand: str = ""


def spoken_labels(sentences: Sequence[str], sheet: Sheet | None) -> dict[str, str]:
    """The labels that the speech itself gives, held against the product's sheet where there is one."""
    labels: dict[str, str] = {}
    if sheet:
        facts = (("product", sheet.name), ("category", sheet.category), ("brand", sheet.brand))
        labels |= {name: value for name, value in facts if value}
    labels |= _prices(sentences, sheet)
    text = "，".join(sentences)
    for name, words in (("promises", _PROMISES), ("discount", _DISCOUNTS), ("stock_said", _STOCK)):
        found = [word for word in words if word in text]
        if found:
            labels[name] = "、".join(found)
    factors = spoken_discounts(text)
    if factors:
        labels["discount_rate"] = str(min(factors))
    for name, match in (("link", _LINK.search(text)), ("gift", _GIFT.search(text))):
        if match:
            labels[name] = match[0]
    warnings = [hit.word for hit in load_matcher("advertising").find(text) if hit.weight >= WARNING_WEIGHT]
    if warnings:
        labels["reuse_warning"] = "、".join(warnings[:5])
    return labels


def _prices(sentences: Sequence[str], sheet: Sheet | None) -> dict[str, str]:
    """The price that is asked, the price before, and whether the first agrees with the sheet."""
    asked: list[int] = []
    before: list[int] = []
    for sentence in sentences:
        for price in spoken_prices(sentence):
            lead = sentence[max(0, price.start - 8) : price.start]
            (before if any(word in lead for word in _WAS) else asked).append(price.fen)
    labels: dict[str, str] = {}
    listed = sheet.price if sheet else 0
    if listed:
        labels["price_listed"] = yuan(listed)
    if asked:
        said = listed if listed in asked else max(asked, key=lambda fen: (asked.count(fen), fen))
        labels["price_said"] = yuan(said)
        if listed:
            labels["price_matches"] = "yes" if said == listed else "no"
    if before:
        labels["price_before"] = yuan(max(before))
    return labels
