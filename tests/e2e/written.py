"""Recordings that we write ourselves, from a seed, with an answer sheet that no reader of ours has made."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

BEGAN_MS = 1_790_000_000_000
OPENINGS = ("主播", "这个", "请问", "宝贝", "刚才那件", "链接", "楼上的", "老板", "小助理", "hello")
MIDDLES = (
    "多少钱",
    "有没有蓝色",
    "什么时候发货",
    "好看",
    "起球吗",
    "怎么拍",
    "还有货吗",
    "能便宜点吗",
    "<3",
    "A & B 款",
    '"原价"',
)
ENDS = ("", "？", "！！！", "😂", "~", "，急", " thx", "\u3000谢谢")


class Said(NamedTuple):
    """What must come out: when, by whom, and to the letter what."""

    ts: int
    user: str
    text: str


def talk(seed: int, messages: int) -> list[Said]:
    """Messages of sixty people over some minutes, no two alike in time; some say the same words again."""
    chance = random.Random(seed)
    moments = sorted(chance.sample(range(messages * 700), messages))
    return [
        Said(
            BEGAN_MS + moment,
            f"{chance.randrange(60) + 1:08x}",
            chance.choice(OPENINGS) + chance.choice(MIDDLES) + chance.choice(ENDS),
        )
        for moment in moments
    ]


def danmaku_xml(path: Path, seed: int, messages: int = 300) -> list[Said]:
    """A live recording as recorders write it: gifts in between (they are no messages), a raw ``&``, no end tag."""
    chance = random.Random(seed + 1)
    said = talk(seed, messages)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<i>", "<BililiveRecorder />"]
    for number, (ts, user, text) in enumerate(said):
        offset = (ts - BEGAN_MS) / 1000
        shown = text.replace(" & ", " \0 ") if chance.random() < 0.5 else text
        shown = escape(shown).replace("\0", "&")
        name = quoteattr(f"观众{number % 7} <{user}>")
        lines.append(f'<d p="{offset:.3f},1,25,16777215,{ts},0,{user},{9_000_000 + number}" user={name}>{shown}</d>')
        if chance.random() < 0.1:
            lines.append(f'<gift ts="{offset:.3f}" user="somebody" giftname="小心心" giftcount="1" />')
    path.write_text("\n".join(lines), encoding="utf-8")
    return said


def chat_rows(path: Path, seed: int, messages: int = 300) -> list[Said]:
    """Packed JSON lines of ``ts_ms``, ``user``, ``text``; here and there two lines have changed places."""
    chance = random.Random(seed + 1)
    said = talk(seed, messages)
    lines = [
        json.dumps({"ts_ms": ts, "user": user, "text": text}, ensure_ascii=chance.random() < 0.5) for ts, user, text in said
    ]
    for at in chance.sample(range(0, messages - 1, 2), messages // 20):
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return said
