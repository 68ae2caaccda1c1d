"""What is known of an alert from when it begins until it is over."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import msgspec

from analytics.evidence import Score
from analytics.traffic import SECOND

RESOLVE_BELOW = 1.5
RESOLVE_AFTER_MS = 60 * SECOND
MOST_PEOPLE = 10_000  # counted for one alert; its note says when there are more


class OpenAlert(msgspec.Struct, array_like=True, dict=True):
    """An alert that is not resolved, with the evidence for its newest level: what it is told with until it is over.

    ``event_ts`` and ``evidence_ts`` are of the message that completed it; ``people`` are those who complained since it
    began, four bytes each; ``before`` is what had been said on the topic until then. ``told`` and ``told_level`` are what
    was last told of it; ``ended`` is when it was over.
    """

    started_ts: int
    level: int = 0
    event_ts: int = 0
    evidence_ts: int = 0
    score: Score = Score()
    baseline: float = 0.0
    before: int = 0
    messages: int = 0
    people: bytes = b""
    examples: list[str] = []
    words: list[str] = []
    note: str = ""
    state: Literal["firing", "inhibited"] = "firing"
    told: Literal["", "firing", "inhibited"] = ""
    told_level: int = 0
    ended: int = 0
    spoken: bool = False  # the host was asked to say something
    below_since: int | None = None

    @cached_property
    def crowd(self) -> set[int]:
        """``people``, to look them up."""
        return set(array("I", self.people))

    @property
    def users(self) -> int:
        return len(self.people) // 4

    def told_note(self) -> str:
        """The note, and that the number of people is a least one when it is."""
        return f"{self.note}人数计到 {MOST_PEOPLE} 为止，实际更多。" if self.users >= MOST_PEOPLE else self.note

    @property
    def untold(self) -> bool:
        """Whether there is more to tell than was told, its end aside."""
        return (self.state, self.level) != (self.told, self.told_level)

    def gather(self, users: Iterable[int], said: int) -> None:
        """Take in who complained, now that ``said`` messages are on the topic."""
        for user in users:
            if user not in self.crowd and self.users < MOST_PEOPLE:
                self.crowd.add(user)
                self.people += array("I", (user,)).tobytes()
        self.messages = max(self.messages, said - self.before)

    def settles(self, now: int, score: float) -> bool:
        """Whether the score has been below the line for a minute."""
        if score >= RESOLVE_BELOW:
            self.below_since = None
        elif self.below_since is None:
            self.below_since = now
        return self.below_since is not None and now - self.below_since >= RESOLVE_AFTER_MS
