"""Rises of complaints that must alarm, and a lone spammer who must not.

The rule by which the truth calls evidence complete is plain on purpose, and no detector's: within 8 s, 8 different people have
complained of one topic in 8 different sentences, and they are at least 5 % of all messages in that time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from streams.sources.simulator import phrases
from streams.sources.simulator.crowd import Crowd
from streams.sources.simulator.plan import Planned, arrivals
from streams.sources.simulator.script import CYCLE

WINDOW = 8_000
USERS = 8
SHARE = 0.05
RULE = "the 8th different user with the 8th different sentence on the topic within 8 s, at 5 % or more of all messages"
SPAM_COUNT = 60
_EVERY = 5 * CYCLE  # a room that had a crisis every six minutes would teach nothing


@dataclass
class Rise:
    """Complaints of many people on one topic. ``sentences`` names what each message says, disguises apart."""

    topic: str
    speed: str
    onset: int
    end: int
    messages: list[Planned]
    sentences: dict[int, str]


@dataclass
class Spammer:
    """One person with one complaint, again and again."""

    user: str
    start: int
    end: int
    messages: list[Planned]


def rises(rng: Random, crowd: Crowd, end: int, rate: float) -> list[Rise]:
    """Every fifth cycle has one slow and one fast rise, if the room is long enough to hold them."""
    full = max(1.9, 0.14 * rate)
    planned = []
    for cycle in range(0, end, _EVERY):
        slow, fast = cycle + 84_000 + rng.randrange(4_000), cycle + 246_000 + rng.randrange(5_000)
        shapes: tuple[tuple[str, str, int, int, Callable[[int], float]], ...] = (
            ("quality", "slow", slow, 52_000, lambda since: full * min(1.0, since / 40_000)),
            ("counterfeit", "fast", fast, 20_000, lambda since: full * 1.15 * min(1.0, 0.5 + since / 3_000)),
        )
        planned += [_rise(rng, crowd, *shape, full * 1.15) for shape in shapes if shape[2] + shape[3] < end]
    return planned


def _rise(
    rng: Random, crowd: Crowd, topic: str, speed: str, onset: int, length: int, shape: Callable[[int], float], peak: float
) -> Rise:
    rise = Rise(topic, speed, onset, onset + length, [], {})
    sentences: list[str] = []
    said: set[str] = set()
    for at in arrivals(rng, onset, onset + length, lambda at: shape(at - onset), peak):
        if not sentences:
            sentences = rng.sample(phrases.COMPLAINTS[topic]["said"], len(phrases.COMPLAINTS[topic]["said"]))
        there = [user for user in crowd.present(at) if user not in said] or crowd.present(at)
        user, sentence = rng.choice(there), sentences.pop()
        said.add(user)
        text = phrases.complaint(rng, topic, sentence)
        message = Planned(at, "chat", {"user": user, "text": text}, "complaint", steady=True)
        rise.messages.append(message)
        rise.sentences[id(message)] = sentence
    return rise


def spammers(rng: Random, crowd: Crowd, end: int) -> list[Spammer]:
    """One person for half a minute, as often as there are rises."""
    planned = []
    for start in range(178_000, end - 30_000, _EVERY):
        user = rng.choice(crowd.present(start))
        times = sorted(start + rng.randrange(26_000) for _ in range(SPAM_COUNT))
        messages = [Planned(at, "chat", {"user": user, "text": rng.choice(phrases.SPAM)}, "spam", steady=True) for at in times]
        planned.append(Spammer(user, start, start + 26_000, messages))
    return planned


def evidence(rise: Rise, chat: Sequence[Planned]) -> Planned | None:
    """The message that completes the evidence for a rise by :data:`RULE`; ``chat`` is all chat in order of time."""
    window: deque[Planned] = deque()
    topical: deque[Planned] = deque()
    own = {id(message) for message in rise.messages}
    for message in chat:
        window.append(message)
        while window[0].at <= message.at - WINDOW:
            window.popleft()
        if id(message) not in own:
            continue
        topical.append(message)
        while topical[0].at <= message.at - WINDOW:
            topical.popleft()
        users = {complaint.body["user"] for complaint in topical}
        sentences = {rise.sentences[id(complaint)] for complaint in topical}
        count = min(len(users), len(sentences))
        if count >= USERS and count >= SHARE * len(window):
            return message
    return None
