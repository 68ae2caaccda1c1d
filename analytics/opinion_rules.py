"""How much it takes until an opinion is an alert: by topic and level. And what the host says first."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

NEGATIVE = "negative"


@dataclass(frozen=True)
class Level:
    """What an alert needs to reach a level: a score, different people within 30 s, and different texts.

    With fewer texts it needs ``unison`` people: a crowd that says one and the same word is more often a joke than a crisis.
    """

    score: float
    users: int
    texts: int
    unison: int

    def reached(self, score: float, users: int, texts: int) -> bool:
        return score >= self.score and users >= (self.users if texts >= self.texts else self.unison)


@dataclass(frozen=True)
class Rule:
    """How one topic is judged. ``prior``: its share in a room that we know nothing of. ``follows``: it is no cause."""

    prior: float = 0.002
    levels: tuple[Level, ...] = (Level(2.6, 4, 2, 8), Level(3.9, 8, 3, 20))
    follows: bool = False


STRICT = (Level(6.0, 10, 4, 40), Level(9.0, 20, 8, 80))  # for what is ordinary in many rooms, and no crisis
RULES: dict[str, Rule] = {
    "counterfeit": Rule(),
    "fraud": Rule(),
    "safety": Rule(),
    "quality": Rule(0.003),
    "service": Rule(0.004, follows=True),
    "refund": Rule(0.004, follows=True),
    "escalation": Rule(follows=True),
    NEGATIVE: Rule(0.08, STRICT, follows=True),
}


def clarifications() -> dict[str, str]:
    """What the host says first, by topic."""
    with files("analytics.data").joinpath("clarify.toml").open("rb") as file:
        return dict(tomllib.load(file)["clarify"])
