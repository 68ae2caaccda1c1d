"""The crowd's ordinary chat: small talk in bursts, questions, excitement, and floods that mean nothing."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from streams.sources.simulator import phrases
from streams.sources.simulator.crowd import Crowd
from streams.sources.simulator.plan import Planned, arrivals, bump
from streams.sources.simulator.questions import FAMILIES, GENERAL, SPECIAL, UNANSWERABLE
from streams.sources.simulator.script import CYCLE, LOTTERY_AT, Act, Script

CHAT_LAG = 11_000
LOTTERY_LENGTH = 14_000
PROMOTION_LEAD = 14_000
WAVES = 4
_BEFORE = ("", "", "", "", "主播", "请问", "问下")
_AFTER = ("", "", "", "", "？", "?", "呀", "啊", "？？")
_QUIET_FAMILIES = ("returns", "return_fee")  # people ask these one by one; a crowd that asks them at once is a complaint


@dataclass
class Flood:
    """Many people who write nearly the same at once."""

    reason: str
    word: str
    start: int
    end: int
    messages: list[Planned]


@dataclass
class Talk:
    """All ordinary chat of a room, and the parts of it that the truth names."""

    messages: list[Planned] = field(default_factory=list)
    questions: dict[str, list[tuple[Planned, str]]] = field(default_factory=dict)
    excited: dict[int, list[Planned]] = field(default_factory=dict)
    floods: list[Flood] = field(default_factory=list)

    def say(self, at: int, user: str, text: str, role: str, *, steady: bool = False) -> Planned:
        """Plan one chat message."""
        message = Planned(at, "chat", {"user": user, "text": text}, role, steady)
        self.messages.append(message)
        return message


def chat(rng: Random, script: Script, crowd: Crowd, rate: float) -> Talk:
    """Everything the crowd writes of itself. ``rate`` is the room's mean of messages a second, planted events included."""
    talk = Talk()
    _small_talk(talk, rng, script, crowd, rate)
    _questions(talk, rng, script, crowd, rate)
    for act in script.acts:
        if act.moment:
            _excitement(talk, rng, script, crowd, act, rate)
    _floods(talk, rng, script, crowd, rate)
    return talk


def _small_talk(talk: Talk, rng: Random, script: Script, crowd: Crowd, rate: float) -> None:
    bursts = sorted(rng.randrange(0, script.end) for _ in range(script.end // 18_000 + 1))
    words = [rng.choice(("666", "哈哈哈", "[doge]", "777", "来了", "[赞]", "真好看", "+1", "笑死", "6666")) for _ in bursts]

    def burst(at: int) -> int:
        near = bisect.bisect(bursts, at) - 1
        return near if near >= 0 and at - bursts[near] < 1_500 else -1

    def per_second(at: int) -> float:
        return rate * (0.47 + (1.1 if burst(at) >= 0 else 0.0))

    for at in arrivals(rng, 0, script.end, per_second, rate * 1.6):
        grumbles = rng.random() < 0.004
        near = burst(at)
        copied = near >= 0 and rng.random() < 0.6
        text = rng.choice(phrases.GRUMBLES) if grumbles else words[near] if copied else phrases.small_talk(rng)
        talk.say(at, crowd.one(rng, at), text, "grumble" if grumbles else "chatter")


def _questions(talk: Talk, rng: Random, script: Script, crowd: Crowd, rate: float) -> None:
    """A steady trickle of every family, and waves of one family while a product is on air."""

    def ask(at: int, family: str, user: str, act: Act | None) -> None:
        text = rng.choice(_BEFORE) + rng.choice(FAMILIES[family]) + rng.choice(_AFTER)
        message = talk.say(at, user, text, "question")
        talk.questions.setdefault(family, []).append((message, act.item.sku if act else ""))

    for at in arrivals(rng, 4_000, script.end, lambda _: rate * 0.11, rate * 0.11):
        act = script.on_air(at)
        special = [family for family in (act.item.pairs if act else ()) if family in SPECIAL]
        pools = (list(GENERAL), special or list(GENERAL), list(UNANSWERABLE))
        ask(at, rng.choice(rng.choices(pools, weights=(0.52, 0.40, 0.08))[0]), crowd.one(rng, at), act)
    for act in script.acts:
        families = [family for family in act.item.pairs if family not in _QUIET_FAMILIES]
        length = max(1, act.end - act.start - 8_000)
        for family in rng.sample(families, WAVES):
            start = act.start + 5_000 + rng.randrange(length)
            for user in crowd.several(rng, start, round(rng.uniform(0.8, 1.1) * rate)):
                at = start + int(rng.betavariate(1.6, 3) * 14_000)
                if at < script.end:
                    ask(at, family, user, act)


def _excitement(talk: Talk, rng: Random, script: Script, crowd: Crowd, act: Act, rate: float) -> None:
    centre = act.call + CHAT_LAG
    shape: Callable[[int], float] = lambda at: 1.7 * rate * bump(at, centre, 6_000)
    for at in arrivals(rng, act.call - 6_000, min(act.call + 32_000, script.end), shape, 1.7 * rate):
        message = talk.say(at, crowd.one(rng, at), phrases.excitement(rng), "excitement")
        talk.excited.setdefault(act.call, []).append(message)


def _floods(talk: Talk, rng: Random, script: Script, crowd: Crowd, rate: float) -> None:
    _flood(talk, rng, script, crowd, "opening", phrases.GREETINGS, 2_000, 20_000, 16 * rate)
    for cycle in range(0, script.end, CYCLE):
        lottery = cycle + LOTTERY_AT + 5_000
        _flood(talk, rng, script, crowd, "lottery", phrases.LOTTERY, lottery, lottery + LOTTERY_LENGTH, 14 * rate)
    first = next((act for act in script.acts if act.complete), None)
    if first is not None:
        start = first.call - PROMOTION_LEAD
        _flood(talk, rng, script, crowd, "promotion", phrases.PROMOTION, start, start + 12_000, 14 * rate)


def _flood(
    talk: Talk,
    rng: Random,
    script: Script,
    crowd: Crowd,
    reason: str,
    words: list[str],
    start: int,
    end: int,
    size: float,
) -> None:
    """``size`` different people (as many as are there) within the time. A flood that the room cannot hold is not planted."""
    if end >= script.end:
        return
    flood = Flood(reason, words[0], start, end, [])
    people = crowd.several(rng, start + (end - start) // 2, round(size))
    for user in people:
        at = start + int(rng.betavariate(1.8, 2.6) * (end - start))
        role = "promotion" if reason == "promotion" else "chatter"
        flood.messages.append(talk.say(at, user, rng.choice(words), role))
    talk.floods.append(flood)
