"""The mood of a room, second by second: shares over the last ten seconds, arousal against the room's normal, a forecast.

All by event time: a recording played at six times its speed gives the moods of the room that it was. A second is told once
when the room's watermark passes it, and again when a message still comes within the allowed lateness. Seconds at the end of ten
without any message are not told.

The forecast is damped Holt smoothing on the logit of the negative share per second (Gardner & McKenzie 1985). In simulation it
sees rises of a minute or more 15-20 s ahead in a quiet room, and no step: let it soften a script, and let the share decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from zlib import crc32

import msgspec

from analytics.clock import RoomClock
from analytics.emotion import excitement
from analytics.state import dump_state, load_state
from analytics.windows import HOUR, Fired, Hopping, Windows, tumbling
from streams.records import ComprehendedEnvelope, Mood, Record, UnderstoodChat

VERSION = 2
SECOND = 1_000
SPAN_MS = 10 * SECOND
HORIZON_S = 18
ALPHA, BETA, PHI = 0.2, 0.05, 0.95
DAMPED = sum(PHI**step for step in range(1, HORIZON_S + 1))
SLOW = 1 - 0.5 ** (1 / 180)  # the room's normal has a half-life of three minutes
LONGEST_GAP_S = 600


class _Tally(msgspec.Struct, array_like=True):
    """What is counted of some messages. Excitement in thousandths: whole numbers add up the same in any order."""

    messages: int = 0
    negative: int = 0
    positive: int = 0
    excited: int = 0
    ingest_ts: int = 0
    late: int = 0
    users: dict[int, None] = {}  # a set whose order is stable


class _Seen(msgspec.Struct):
    """A message on its way into a tally, with what was known when it came."""

    chat: UnderstoodChat
    ingest_ts: int
    late: int


class _Counts:
    """The fold of the single seconds: all but the users."""

    def new(self) -> _Tally:
        return _Tally()

    def add(self, state: _Tally, value: _Seen) -> _Tally:
        state.messages += 1
        state.negative += value.chat.sentiment == "negative"
        state.positive += value.chat.sentiment == "positive"
        state.excited += round(1000 * excitement(value.chat))
        state.ingest_ts = max(state.ingest_ts, value.ingest_ts)
        state.late = max(state.late, value.late)
        return state

    def merge(self, state: _Tally, other: _Tally) -> _Tally:
        state.messages += other.messages
        state.negative += other.negative
        state.positive += other.positive
        state.excited += other.excited
        state.ingest_ts = max(state.ingest_ts, other.ingest_ts)
        state.late = max(state.late, other.late)
        state.users.update(other.users)
        return state

    def result(self, state: _Tally) -> _Tally:
        return state


class _Tallies(_Counts):
    """The fold of the ten seconds. Users are told apart by 32 bits, which is as good as exact for thousands."""

    def add(self, state: _Tally, value: _Seen) -> _Tally:
        state.users[crc32(value.chat.user.encode())] = None
        return super().add(state, value)


class _Normal(msgspec.Struct, array_like=True):
    """What is normal in a room, and where its negative share is heading, as of the second that ends at ``at``."""

    at: int
    seconds: int = 0
    level: float = 0.0
    spread: float = 1.0
    logit: float = 0.0
    trend: float = 0.0

    def arousal(self, excited: int) -> float:
        """Standard deviations above normal. The square root makes counts evenly spread; a spread below 1 is chance."""
        return (_stable(excited) - self.level) / max(self.spread, 1.0)

    def forecast(self) -> float:
        """The negative share in 18 s."""
        return 1 / (1 + exp(-(self.logit + DAMPED * self.trend)))


def _stable(excited: int) -> float:
    return 2 * sqrt(excited / 1000 + 3 / 8)


class _Room(msgspec.Struct, array_like=True):
    arrived: int
    clock: RoomClock
    recent: list[tuple[int, int]]  # (end of second, excitement in it) over the span
    normals: list[_Normal]  # one a second that may still be told or corrected


class MoodOperator:
    """Comprehended chat in, :class:`Mood` out.

    ``bound_ms``: disorder waited for. ``allowed_ms``: how much later a message still corrects. ``forget_ms``: silence after
    which a room is forgotten. A mood's arousal and forecast use the room's normal as it was at that second, which later
    messages no longer change. ``late`` counts the room's messages that could not be counted: too late, or of an absurd time.
    """

    def __init__(self, *, bound_ms: int = 2_000, allowed_ms: int = 15_000, idle_ms: int = 3_000, forget_ms: int = HOUR) -> None:
        self._keep_ms = bound_ms + allowed_ms + SPAN_MS
        self._forget_ms = forget_ms
        self._spans: Windows[_Tally, _Seen, _Tally] = Windows(
            Hopping(SPAN_MS, SECOND), _Tallies(), _Tally,
            bound_ms=bound_ms, allowed_ms=allowed_ms, idle_ms=idle_ms, forget_ms=forget_ms,
        )  # fmt: skip
        self._seconds: Windows[_Tally, _Seen, _Tally] = Windows(
            tumbling(SECOND), _Counts(), _Tally, bound_ms=bound_ms, allowed_ms=allowed_ms, forget_ms=forget_ms
        )
        self._rooms: dict[str, _Room] = {}

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        if not isinstance(record, ComprehendedEnvelope):
            return ()
        if not record.messages:
            return ()
        room = self._rooms.get(record.room)
        if room is None:
            clock = RoomClock(record.messages[0].event_ts)
            room = self._rooms[record.room] = _Room(record.ingest_ts, clock, [], [])
        room.arrived = max(room.arrived, record.ingest_ts)
        for chat in record.messages:
            if self._in_time(record.room, room, chat):
                seen = _Seen(chat, record.ingest_ts, room.clock.refused + self._spans.late(record.room))
                now = room.clock.now
                if self._spans.add(record.room, chat.event_ts, seen, revision, record.ingest_ts, now=now):
                    self._seconds.add(record.room, chat.event_ts, seen, revision, record.ingest_ts, now=now)
        for second in self._seconds.advance(record.room, revision):
            if second.first and second.result is not None:
                self._learn(room, second.end, second.result)
        return self._moods(self._spans.advance(record.room, revision))

    def _in_time(self, name: str, room: _Room, chat: UnderstoodChat) -> bool:
        """Whether a message's time can be true. When the room's clock was moved back, its windows begin anew."""
        before, moves = room.clock.now, room.clock.moves
        if not room.clock.accept(chat.event_ts, chat.user):
            return False
        if room.clock.moves > moves and room.clock.now < before:
            self._spans.forget(name)
            self._seconds.forget(name)
            room.recent, room.normals = [], []
        return True

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        moods = self._moods(self._spans.tick(now_ms))
        for name in [name for name, room in self._rooms.items() if now_ms - room.arrived >= self._forget_ms]:
            del self._rooms[name]
            self._seconds.forget(name)
        return moods

    def _learn(self, room: _Room, end: int, tally: _Tally) -> None:
        """Take a finished second into the room's normal. Only the data's watermark finishes a second here, never a tick."""
        normal = room.normals[-1] if room.normals else _Normal(end - SECOND)
        if end <= normal.at:
            return
        gap = range(max(normal.at + SECOND, end - LONGEST_GAP_S * SECOND), end, SECOND)
        for at in [*gap, end]:
            now = tally if at == end else _Tally()
            room.recent.append((at, now.excited))
            while room.recent[0][0] <= at - SPAN_MS:
                del room.recent[0]
            normal = _next(normal, at, sum(excited for _, excited in room.recent), now)
            room.normals.append(normal)
        while len(room.normals) > 1 and room.normals[0].at < end - self._keep_ms:
            del room.normals[0]

    def _moods(self, fired: list[Fired[_Tally]]) -> list[Record]:
        return [self._mood(window, window.result) for window in fired if window.result is not None]

    def _mood(self, window: Fired[_Tally], tally: _Tally) -> Mood:
        room = self._rooms[window.key]
        normal = next((n for n in reversed(room.normals) if n.at <= window.end), _Normal(window.end))
        return Mood(
            room=window.key,
            event_ts=window.end,
            ingest_ts=tally.ingest_ts,
            id=f"mood:{window.key}:{window.end // SECOND}",
            revision=window.revision,
            messages=tally.messages,
            users=len(tally.users),
            negative_share=round(tally.negative / tally.messages, 4),
            positive_share=round(tally.positive / tally.messages, 4),
            arousal=round(normal.arousal(tally.excited), 3) if normal.seconds else 0.0,
            forecast=round(normal.forecast(), 4) if normal.seconds else 0.0,
            late=tally.late,
        )

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: messages of an absurd time, and of one too long ago."""
        refused = sum(room.clock.refused for room in self._rooms.values())
        return {"refused": refused, "late": sum(self._spans.late(name) for name in self._rooms)}

    def dump(self) -> bytes:
        return dump_state("mood", VERSION, (self._spans.dump(), self._seconds.dump(), self._rooms))

    def load(self, data: bytes) -> None:
        spans, seconds, self._rooms = load_state(data, "mood", VERSION, tuple[bytes, bytes, dict[str, _Room]])
        self._spans.load(spans)
        self._seconds.load(seconds)


def _next(normal: _Normal, at: int, excited: int, tally: _Tally) -> _Normal:
    """The normal one second later. A jump is clipped to three spreads, so that a storm does not become the normal."""
    rate = max(1 / (normal.seconds + 1), SLOW)
    away = _stable(excited) - normal.level
    if normal.seconds:
        away = max(-3 * normal.spread, min(3 * normal.spread, away))
    level, trend = normal.logit + PHI * normal.trend, PHI * normal.trend
    if tally.messages:
        share = (tally.negative + 0.5) / (tally.messages + 5)
        seen = log(share / (1 - share))
        if normal.seconds:
            level = ALPHA * seen + (1 - ALPHA) * level
            trend = BETA * (level - normal.logit) + (1 - BETA) * trend
        else:
            level = seen
    spread = normal.spread + rate * (1.25 * abs(away) - normal.spread) if normal.seconds else 1.0
    return _Normal(at, normal.seconds + 1, normal.level + rate * away, max(spread, 0.1), level, trend)
