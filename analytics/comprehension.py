"""What a chat message means: folded form, feeling, wish and sensitive words, in one pass; and the operator that does it.

Distinct texts are understood once: most of live chat is repeats, and a repeat costs a look-up. What is remembered for that
is no part of the state and changes no result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from analytics.dedupe import MINUTE, Deduplicator
from analytics.fold import fold
from analytics.intent import load_intent
from analytics.sensitive import load_matcher
from analytics.sentiment import load_sentiment
from analytics.state import dump_state, load_state
from streams.records import ComprehendedEnvelope, DanmakuEnvelope, Record, SensitiveHit, Sentiment, UnderstoodChat

VERSION = 1
HORIZON_MS = 10 * MINUTE
LIMIT = 200_000  # a partition: 333 messages a second for ten minutes, 1.6 MB of a checkpoint
_REMEMBERED = 20_000
_LONGEST_REMEMBERED = 256
_HIDDEN_BURDEN = 2.0  # what a disguised word of complaint weighs in sentiment, where no lexicon can see it


class Meaning(NamedTuple):
    """What a text says, whoever says it."""

    folded: str
    sentiment: Sentiment
    sentiment_p: float
    intent: str
    intent_p: float
    hits: list[SensitiveHit]


def understand(text: str) -> Meaning:
    """The meaning of one message. Never fails, takes bounded time, and hangs on nothing but the text."""
    folded = fold(text)
    wishes = load_intent()
    asking = wishes.asks(folded, text)
    hits = load_matcher().find(text, folded, asking=asking)
    burden = _HIDDEN_BURDEN * sum(hit.weight for hit in hits if hit.disguised)
    feeling = load_sentiment().judge(folded, shouting="!" in text or "！" in text, asking=asking, burden=burden)
    wish = wishes.judge(folded, asking=asking, feeling=feeling.score, hits=hits)
    return Meaning(folded, feeling.label, feeling.p, wish.intent, wish.p, hits)


class Comprehender:
    """:func:`understand` with a memory of the texts that came last."""

    def __init__(self) -> None:
        self._young: dict[str, Meaning] = {}
        self._old: dict[str, Meaning] = {}

    def understand(self, text: str) -> Meaning:
        """The same as the function, faster for a text that was seen lately."""
        meaning = self._young.get(text)
        if meaning is None:
            meaning = self._old.get(text) or understand(text)
            if len(text) <= _LONGEST_REMEMBERED:
                if len(self._young) >= _REMEMBERED:
                    self._old, self._young = self._young, {}
                self._young[text] = meaning
        return meaning


class _State(msgspec.Struct, array_like=True):
    seen: bytes


class Comprehension:
    """Envelopes of chat in, understood envelopes out: each message once within ten minutes by (room, source, id).

    A partition remembers ``limit`` messages at most, eight bytes each in a checkpoint. With more of them in ten minutes the
    promise is shorter; :meth:`gauges` says how long it is.
    """

    def __init__(self, horizon_ms: int = HORIZON_MS, limit: int = LIMIT) -> None:
        self._seen = Deduplicator(horizon_ms, limit)
        self._comprehender = Comprehender()

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """The same envelope without repeats, understood; nothing when all of it was repeats."""
        if not isinstance(record, DanmakuEnvelope):
            return ()
        origin, ts = f"{record.room}\0{record.source}\0", record.ingest_ts
        first, understand = self._seen.first, self._comprehender.understand
        messages = [
            UnderstoodChat(chat.id, chat.event_ts, chat.user, chat.text, *understand(chat.text), chat.skew_ms, chat.name)
            for chat in record.messages
            if first(origin + chat.id, ts)
        ]
        if not messages:
            return ()
        return (
            ComprehendedEnvelope(
                room=record.room,
                event_ts=record.event_ts,
                ingest_ts=record.ingest_ts,
                source=record.source,
                messages=messages,
            ),
        )

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        """Nothing here waits for time."""
        return ()

    def gauges(self) -> Mapping[str, float]:
        """How far back repeats are known for certain."""
        return {"dedupe_horizon_seconds": self._seen.kept_ms / 1000}

    def dump(self) -> bytes:
        return dump_state("comprehension", VERSION, _State(self._seen.dump()))

    def load(self, data: bytes) -> None:
        self._seen.load(load_state(data, "comprehension", VERSION, _State).seen)
