"""Complaints by their text: who wrote the same, or nearly the same, and when."""

from __future__ import annotations

from functools import cached_property

import msgspec

from analytics.traffic import MEMORY_MS, SECOND

SHORT = 6
SAME = 0.75
COMPARED = 80  # characters of a text that are looked at
MOST_GROUPS = 64
MOST_NAMED = 256  # people of one text who are told apart


def pairs(text: str) -> set[str]:
    return {text[index : index + 2] for index in range(len(text) - 1)}


def alike(left: set[str], right: set[str]) -> bool:
    shared = len(left & right)
    return shared >= SAME * (len(left) + len(right) - shared)


class Group(msgspec.Struct, array_like=True, dict=True):
    """Messages of one text, or of nearly one, with no pause as long as the memory between them.

    Who sent it when last, and how many came in which second, are of the memory before the last.
    """

    text: str
    first: int = 0
    last: int = 0
    users: dict[int, int] = {}  # user → second
    seconds: dict[int, int] = {}

    @cached_property
    def pairs(self) -> set[str]:
        """Kept beside the state, and made anew after a restart."""
        return pairs(self.text)

    def near(self, ts: int) -> bool:
        """Whether a message of ``ts`` would be one of these by its time."""
        return self.first - MEMORY_MS < ts < self.last + MEMORY_MS

    def within(self, now: int) -> bool:
        """Whether a message came within the memory before ``now``."""
        return self.first <= now and self.last > now - MEMORY_MS

    def messages(self, now: int) -> int:
        """How many came within the memory before ``now``."""
        last = now // SECOND
        return sum(count for second, count in self.seconds.items() if last - MEMORY_MS // SECOND <= second <= last)

    def people(self, now: int) -> list[int]:
        oldest = (now - MEMORY_MS) // SECOND
        return [user for user, second in self.users.items() if second >= oldest]

    def add(self, ts: int, user: int) -> None:
        second = ts // SECOND
        self.first, self.last = min(self.first or ts, ts), max(self.last, ts)
        self.seconds[second] = self.seconds.get(second, 0) + 1
        if user in self.users or len(self.users) < 2 * MOST_NAMED:
            self.users[user] = max(self.users.get(user, 0), second)

    def trim(self) -> None:
        """Forget what is older than the memory before the last."""
        oldest = (self.last - MEMORY_MS) // SECOND
        if next(iter(self.seconds), oldest) >= oldest and len(self.users) <= MOST_NAMED:
            return
        self.seconds = {second: count for second, count in self.seconds.items() if second >= oldest}
        users = [(user, second) for user, second in self.users.items() if second >= oldest]
        self.users = dict(users[-MOST_NAMED:])
