"""The crowd: who is in the room when, and the viewer events that this makes."""

from __future__ import annotations

from random import Random

from streams.sources.simulator.plan import Planned

_BUCKET = 5_000


class Crowd:
    """Viewers who come and go. ``present`` lists who is there; ``events`` are the comings, goings, likes and follows."""

    def __init__(self, rng: Random, end: int, rate: float) -> None:
        self.end = end
        self.events: list[Planned] = []
        self._present: list[list[str]] = [[] for _ in range(end // _BUCKET + 1)]
        size = max(rate, 4.0) / 15
        early = [(int(rng.betavariate(1, 4) * 12_000), rng.lognormvariate(12.1, 0.9)) for _ in range(round(240 * size))]
        later = [(rng.randrange(0, end), rng.lognormvariate(11.4, 1.0)) for _ in range(round(1.05 * size * end / 1_000))]
        for number, (enter, stays) in enumerate(sorted(early + later)):
            self._visit(rng, f"viewer-{number:05d}", enter, max(1_500, int(stays)))

    def _visit(self, rng: Random, user: str, enter: int, stays: int) -> None:
        leave = enter + stays
        self._note(user, enter, "enter")
        if leave < self.end:
            self._note(user, leave, "leave", dwell_ms=stays)
        stays = min(leave, self.end) - enter
        for bucket in range(enter // _BUCKET, min(leave, self.end - 1) // _BUCKET + 1):
            self._present[bucket].append(user)
        for kind, chance in (("like", 0.22), ("follow", 0.05), ("share", 0.015)):
            if stays > 4_000 and rng.random() < chance:
                self._note(user, enter + rng.randrange(1_000, stays), kind)

    def _note(self, user: str, at: int, kind: str, **rest: int) -> None:
        if at < self.end:
            self.events.append(Planned(at, "viewer", {"user": user, "type": kind, **rest}))

    def present(self, at: int) -> list[str]:
        """Who is in the room at a time, longest there first; never empty."""
        return self._present[min(at, self.end - 1) // _BUCKET] or ["viewer-00000"]

    def one(self, rng: Random, at: int) -> str:
        """Somebody who writes now: a few write much, most write little."""
        there = self.present(at)
        return there[int(len(there) * rng.random() ** 1.6)]

    def several(self, rng: Random, at: int, count: int) -> list[str]:
        """``count`` different people who are there now, or all when there are fewer."""
        there = self.present(at)
        return rng.sample(there, min(count, len(there)))
