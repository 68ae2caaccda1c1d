"""A seeded day of eight rooms, as clients would tell it: what happened, in which order it arrives, how often, and the poison.

Ids are numbered per room and kind, so that the same id means different things in different rooms and kinds. Texts hold what
real chat holds: repeats, questions, complaints in two rooms, excitement and orders in others, and what breaks naive software.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.topics import partition_of

SPAN_MS = 600_000
CHATTER = (
    "哈哈哈哈", "666", "主播好", "来了来了", "冲冲冲", "太好看了！", "支持支持", "111", "第一次来", "爱了爱了", "已拍",
    "绝了！！", "主播声音好听", "这个颜色不错", "有没有优惠", "点点关注", "大家晚上好", "买买买", "刚下班", "yyds",
)  # fmt: skip
QUESTIONS = (
    "有蓝色的吗", "多少钱", "什么时候发货", "包邮吗", "身高165穿什么码", "会掉色吗", "可以退换吗", "是纯棉的吗", "怎么洗",
    "现在下单几天到",
)  # fmt: skip
COMPLAINTS = ("假货", "这是假货吧", "骗子退钱", "买到假的了，要投诉", "假 货 别买", "jia货", "质量太差了 一洗就破")
HOSTILE = (
    "👩‍👩‍👧‍👦一家人都喜欢", "零\u0000字符", "\u202e倒着写\u202c", "假\u200b\u200b货吗", "Ａ１ 全角", "e\u0301\u0301\u0301",
    "𝕳𝖊𝖑𝖑𝖔", "'; DROP TABLE live.danmaku; --", '"\\n\\t{}[]', "😀" * 100, "长" * 1900,
)  # fmt: skip
SALES = ("order", "pay", "cart", "click", "refund", "stock")
SKUS = ("dress-1", "lamp-2", "tea-3")
FAQ = (
    ("有蓝色的吗", "有蓝色和白色。"),
    ("包邮吗", "全国包邮。"),
    ("什么时候发货", "四十八小时内发货。"),
    ("怎么洗", "可以机洗，水温三十度。"),
)


class Event(NamedTuple):
    """One event as its client knows it."""

    kind: str
    room: str
    id: str
    ts: int
    body: dict[str, Any]


class Sending(NamedTuple):
    """A line on its way: when it arrives by the scene's clock, and the event that it tells; None for poison."""

    at: int
    room: str
    line: bytes
    event: Event | None


@dataclass
class Scene:
    """All that is sent. ``poison`` is every refusable line by room."""

    seed: int
    rooms: list[str]
    start_ts: int
    events: list[Event]
    sendings: list[Sending]
    poison: list[tuple[str, bytes]] = field(default_factory=list)


def rooms_over(partitions: int, each: int = 2) -> list[str]:
    """Rooms of which every partition has ``each``."""
    found: dict[int, list[str]] = {number: [] for number in range(partitions)}
    number = 0
    while any(len(rooms) < each for rooms in found.values()):
        name = f"room-{number}"
        mine = found[partition_of(name, partitions)]
        if len(mine) < each:
            mine.append(name)
        number += 1
    return sorted(name for rooms in found.values() for name in rooms)


def scene(seed: int, count: int, start_ts: int, *, partitions: int = 4, repeats: bool = True, poison: float = 0.01) -> Scene:
    """``count`` events over :data:`SPAN_MS`; each is sent one to three times, out of order, some of it a minute late."""
    rng = random.Random(seed)
    rooms = rooms_over(partitions)
    events = [event for room in rooms for event in _room(rng, room, rooms.index(room), count // len(rooms), start_ts)]
    sendings = []
    for event in events:
        line = json.dumps({"kind": event.kind, "id": event.id, "ts": event.ts} | event.body, ensure_ascii=False).encode()
        at = event.ts + _delay(rng) if event.kind != "product" else event.ts
        for _ in range(rng.choices((1, 2, 3), (7, 2, 1))[0] if repeats else 1):
            sendings.append(Sending(at, event.room, line, event))
            at += rng.choice((0, 50, 2_000, 30_000, 120_000))
    refused = [(rng.choice(rooms), line) for line in _poison(rng, int(count * poison), start_ts)]
    sendings += [Sending(start_ts + rng.randrange(SPAN_MS), room, line, None) for room, line in refused]
    return Scene(seed, rooms, start_ts, events, sorted(sendings, key=lambda sending: sending.at), refused)


def _delay(rng: random.Random) -> int:
    luck = rng.random()
    return rng.randrange(1_500) if luck < 0.9 else rng.randrange(8_000) if luck < 0.99 else rng.randrange(20_000, 60_000)


def _room(rng: random.Random, room: str, place: int, count: int, start_ts: int) -> Iterator[Event]:
    for number, sku in enumerate(SKUS):
        sheet = {"sku": sku, "type": "show", "name": f"商品{sku}", "price": "99.90", "attributes": {"颜色": "蓝、白"}}
        faq = [{"question": q, "answer": a} for q, a in FAQ]
        yield Event("product", room, f"{number}", start_ts + number, sheet | {"faq": faq})
    for number in range(count - len(SKUS)):
        ts = start_ts + _moment(rng, place)
        kind = rng.choices(("chat", "sale", "viewer", "speech"), (84, 10, 5, 1))[0]
        yield Event(kind, room, f"{number}", ts, _body(rng, kind, ts, ts - start_ts, place))


def _moment(rng: random.Random, place: int) -> int:
    """When something happens: anywhere, and in every room more often in its moments of excitement."""
    if rng.random() < 0.15:
        return (180_000 + 20_000 * place + rng.choice((0, 150_000, 300_000)) + int(rng.gauss(0, 4_000))) % SPAN_MS
    return rng.randrange(SPAN_MS)


def _body(rng: random.Random, kind: str, ts: int, at: int, place: int) -> dict[str, Any]:
    user = f"user-{rng.randrange(3_000)}"
    if kind == "chat":
        return {"user": user, "text": _text(rng, at, place)}
    if kind == "viewer":
        what = rng.choice(("enter", "leave", "follow", "like", "share"))
        return {"user": user, "type": what} | ({"dwell_ms": rng.randrange(600_000)} if what == "leave" else {})
    if kind == "speech":
        return {
            "end": ts + rng.randrange(500, 6_000),
            "text": rng.choice(("接下来看这款连衣裙", "原价一百九十九", "三二一上链接", "谢谢大家")),
        }
    what = rng.choices(SALES, (30, 20, 15, 25, 5, 5))[0]
    amount = f"{rng.randrange(1, 50_000) / 100:.2f}" if what in ("order", "pay", "refund") else ""
    order = f"order-{rng.randrange(20_000)}" if what in ("order", "pay", "refund") and rng.random() < 0.9 else ""
    return {
        "type": what,
        "sku": rng.choice(SKUS),
        "quantity": rng.randrange(1, 4),
        "amount": amount,
        "order": order,
        "user": user,
    }


def _text(rng: random.Random, at: int, place: int) -> str:
    if place in (1, 4) and 250_000 <= at < 300_000 and rng.random() < 0.5:
        return rng.choice(COMPLAINTS)
    luck = rng.random()
    if luck < 0.005:
        return rng.choice(HOSTILE)
    if luck < 0.08:
        return rng.choice(QUESTIONS)
    if luck < 0.3:
        return f"{rng.choice(CHATTER)}{rng.randrange(2_000)}"
    return rng.choice(CHATTER)


def _poison(rng: random.Random, count: int, ts: int) -> Iterator[bytes]:
    """Lines that no gateway may take, each different from all others."""
    makers = (
        lambda n: b'{"kind":"chat","id":"p%d","ts":%d,"user":"u","text":"cut of' % (n, ts),
        lambda n: b'{"kind":"chat","id":"p%d","ts":"%d","user":"u","text":"a string is no number"}' % (n, ts),
        lambda n: b'{"kind":"chat","id":"p%d","ts":%d,"user":"u","text":"\\ud800 lone"}' % (n, ts),
        lambda n: b'{"kind":"chat","id":"p%d","ts":%d,"user":"u","text":"%s"}' % (n, ts, b"x" * 2_001),
        lambda n: b'{"kind":"frobnicate","id":"p%d","ts":%d}' % (n, ts),
        lambda n: b'{"kind":"sale","id":"p%d","ts":%d,"type":"order","amount":"12.345"}' % (n, ts),
        lambda n: b'{"kind":"viewer","id":"p%d","ts":12,"user":"u","type":"enter"}' % n,
        lambda n: b"[null, %d]" % n,
        lambda n: b"\xff\xfe%d not UTF-8" % n,
    )
    for number in range(count):
        yield (
            b'{"kind":"chat","id":"p%d","text":"%s"}' % (number, b"y" * 300_000)
            if number % 400 == 7
            else rng.choice(makers)(number)
        )
