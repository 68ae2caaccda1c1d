"""The clock of a room by the event times of its records, which no single wrong time-stamp can move."""

from __future__ import annotations

from zlib import crc32

import msgspec

FAR_MS = 300_000
JUMP_MS = 10_000
VOICES, BEHIND = 3, 30
FADES = 30  # ordinary messages after which a claim to be ahead is forgotten


class _Claim(msgspec.Struct, array_like=True):
    ts: int
    voice: int | None  # None: unknown, and taken for another than all others


class RoomClock(msgspec.Struct, array_like=True):
    """``now`` is the newest event time that is believed.

    A record more than ten seconds ahead claims that time has gone on. It is accepted, but the clock follows the third *voice*
    only (another person, order or device each), to the least that the three claim, and only when they come in a row (a pause)
    or agree within ten seconds (a source that is ahead). So a wrong time-stamp, or somebody who repeats one, moves nothing.

    A record more than five minutes away is a stray and refused, until three voices claim it, or thirty in a row are behind:
    that moves the clock too, and ``moves`` counts it, so that the clock's owner can start afresh. ``refused`` counts strays.
    """

    now: int
    behind: int = 0
    moves: int = 0
    refused: int = 0
    claims: list[_Claim] = []
    calm: int = 0  # ordinary messages since the last claim

    def accept(self, ts: int, voice: str | None = None, *, jump_ms: int = JUMP_MS) -> bool:
        """Take in an event time of a voice; False when it is a stray. ``now`` may stay behind ``ts`` when it is accepted.

        ``voice``: None or empty when nobody knows whose it is.
        ``jump_ms``: how far a record may move the clock by itself (five minutes: for sources that are known to keep time).
        """
        if ts < self.now - FAR_MS:
            self.behind += 1
            if self.behind < BEHIND:
                self.refused += 1
                return False
            self.now, self.moves = ts, self.moves + 1
        elif ts > self.now + jump_ms:
            self._claim(ts, crc32(voice.encode("utf-8", "surrogatepass")) if voice else None)
            if ts > self.now + FAR_MS:
                self.refused += 1
                return False
            return True
        self.behind = 0
        self.now = max(self.now, ts)
        if self.claims:
            self.calm += 1
            if self.calm >= FADES:
                self.claims = []
        return True

    def _claim(self, ts: int, voice: int | None) -> None:
        """Note that a voice says it is later by now, and believe the third."""
        kept = [claim for claim in self.claims if voice is None or claim.voice != voice]
        if self.calm:
            kept = [claim for claim in kept if abs(claim.ts - ts) <= JUMP_MS]
        self.claims, self.calm = [*kept, _Claim(ts, voice)], 0
        if len(self.claims) < VOICES:
            return
        now = min(claim.ts for claim in self.claims)
        self.moves += now > self.now + FAR_MS
        self.now, self.behind = now, 0
        if ts - now <= JUMP_MS:
            self.now = ts
        self.claims = [claim for claim in self.claims if claim.ts > self.now + JUMP_MS]
