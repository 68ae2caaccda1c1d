"""What the crowd writes when it asks nothing, from ``data/phrases.toml``, mixed in the shares of real chat."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from random import Random
from typing import Any

_DATA: dict[str, Any] = tomllib.loads(files(__package__).joinpath("data/phrases.toml").read_text("utf-8"))

GREETINGS: list[str] = _DATA["greetings"]
BOUGHT: list[str] = _DATA["bought"]
LOTTERY: list[str] = _DATA["lottery"]
PROMOTION: list[str] = _DATA["promotion"]
GRUMBLES: list[str] = _DATA["grumbles"]
SPAM: list[str] = _DATA["spam"]
COMPLAINTS: dict[str, dict[str, list[str]]] = _DATA["complaints"]
_STOCK: list[str] = _DATA["stock"]
_EXCITED: list[str] = _DATA["excited"]
_SENTENCES: list[dict[str, list[str]]] = _DATA["sentences"]
_TAILS: list[str] = _DATA["tails"]
_OPENERS: list[str] = _DATA["openers"]
_RUN_LENGTHS = (2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 16, 25)
_MARKS = ("", "", "！", "！！！", "啊啊啊", "[赞]", "哈哈哈", "！！！！！")


def small_talk(rng: Random) -> str:
    """One line of chatter: mostly a handful of stock lines that everybody writes, sometimes a sentence of one's own."""
    kind = rng.random()
    if kind < 0.50:
        return _STOCK[min(int(rng.expovariate(1 / 14)), len(_STOCK) - 1)]
    if kind < 0.58:
        return rng.choice("67哈h啊3") * rng.choice(_RUN_LENGTHS)
    pattern = rng.choice(_SENTENCES)
    return rng.choice(pattern["first"]) + rng.choice(pattern["second"]) + rng.choice(_TAILS)


def excitement(rng: Random) -> str:
    """One line of a crowd that is beside itself."""
    return rng.choice(_EXCITED) + rng.choice(_MARKS)


def complaint(rng: Random, topic: str, sentence: str) -> str:
    """One complaint: what is said, with the word more often disguised than plain."""
    ways = COMPLAINTS[topic]["ways"]
    way = ways[0] if rng.random() < 0.35 else rng.choice(ways[1:])
    return rng.choice(_OPENERS) + sentence.format(way)
