"""What a chat message means: folded form, feeling, wish and sensitive words, in one pass; and the operator that does it.

Feeling and wish come from two learnt tables (:mod:`analytics.linear`) that weigh a message's characters and what the word lists
say of it. The new texts of an envelope are judged together, which costs a tenth of judging each alone. Distinct texts are
understood once: most of live chat is repeats, and a repeat costs a look-up. What is remembered for that is no part of the state
and changes no result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, cast

import msgspec
import numpy as np

from analytics.clues import EVIDENCE, clues_of
from analytics.dedupe import MINUTE, Deduplicator
from analytics.intent import ASKING, UNKNOWN
from analytics.linear import LinearModel, Probabilities, load_linear, read_grams
from analytics.state import dump_state, load_state
from streams.records import Chat, ComprehendedEnvelope, DanmakuEnvelope, Record, SensitiveHit, Sentiment, UnderstoodChat

VERSION = 1
HORIZON_MS = 10 * MINUTE
LIMIT = 200_000  # a partition: 333 messages a second for ten minutes, 1.6 MB of a checkpoint
_REMEMBERED = 20_000
_LONGEST_REMEMBERED = 256
_AT_ONCE = 256  # texts that are judged together: bounds the memory of a call
_NO_WISH = (UNKNOWN, 0.5)
_NOTHING: tuple[Sentiment, float, str, float] = ("neutral", 0.5, *_NO_WISH)  # what a text without any content means


class Meaning(NamedTuple):
    """What a text says, whoever says it. ``asks``: how likely it asks something; -1 where the wishes have no such label."""

    folded: str
    sentiment: Sentiment
    sentiment_p: float
    intent: str
    intent_p: float
    hits: list[SensitiveHit]
    asks: float

    def of(self, chat: Chat) -> UnderstoodChat:
        """A message that says this."""
        return UnderstoodChat(chat.id, chat.event_ts, chat.user, chat.text, *self[:-1], chat.skew_ms, chat.name, self.asks)


class Models(NamedTuple):
    """The tables that judge: feeling with labels of :data:`~streams.records.Sentiment`, wish with labels of any name."""

    sentiment: LinearModel
    intent: LinearModel


@cache
def shipped_models() -> Models:
    """The tables that come with the package."""
    return Models(load_linear("sentiment"), load_linear("intent"))


def understand(text: str, models: Models | None = None) -> Meaning:
    """The meaning of one message. Never fails, takes bounded time, and hangs on nothing but the text."""
    return understand_many([text], models)[0]


def understand_many(texts: Sequence[str], models: Models | None = None) -> list[Meaning]:
    """The meaning of each message: the same as that of :func:`understand`, to the bit, and faster.

    A single character of which no word list knows anything (嗯, 这) wants nothing that can be named, whatever its table says.
    """
    feelings, wishes = models or shipped_models()
    clues = clues_of(texts)
    meanings: list[Meaning] = []
    for start in range(0, len(texts), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        folded, rows = clues.folded[part], clues.rows[part]
        grams = read_grams(folded, max(feelings.longest, wishes.longest))
        felt, wished = feelings.judge(folded, rows, grams), wishes.judge(folded, rows, grams)
        evidence = rows[:, EVIDENCE].max(axis=1).tolist()
        silent = [len(form) == 1 and most <= 0 for form, most in zip(folded, evidence, strict=True)]
        wants = [_NO_WISH if still else best for still, best in zip(silent, _best(wishes, wished), strict=True)]
        said = zip(_best(feelings, felt), wants, _asking(wishes, wished), strict=True)
        meanings += [
            Meaning(form, cast(Sentiment, feeling), p, *wish, hits, asks) if form else Meaning(form, *_NOTHING, hits, 0.0)
            for form, hits, ((feeling, p), wish, asks) in zip(folded, clues.hits[part], said, strict=True)
        ]
    return meanings


def _best(model: LinearModel, shares: Probabilities) -> list[tuple[str, float]]:
    """The likeliest label of each text and its probability; below the threshold ``unknown``, and how likely it is another."""
    likeliest = zip(shares.argmax(axis=1).tolist(), shares.max(axis=1).tolist(), strict=True)
    return [
        (model.labels[place], round(p, 3)) if p >= model.threshold else (UNKNOWN, round(1 - p, 3)) for place, p in likeliest
    ]


def _asking(model: LinearModel, shares: Probabilities) -> list[float]:
    """How likely each text asks something. Added label by label: the same alone and in a batch."""
    total = np.zeros(len(shares))
    columns = [place for place, label in enumerate(model.labels) if label.startswith(ASKING)]
    for column in columns:
        total = total + shares[:, column]
    return total.round(3).tolist() if columns else [-1.0] * len(shares)


class Comprehender:
    """:func:`understand` with a memory of the texts that came last."""

    def __init__(self, models: Models | None = None) -> None:
        self._models = models
        self._young: dict[str, Meaning] = {}
        self._old: dict[str, Meaning] = {}

    def understand(self, text: str) -> Meaning:
        """The same as the function, faster for a text that was seen lately."""
        return self.understand_many([text])[text]

    def understand_many(self, texts: Iterable[str]) -> dict[str, Meaning]:
        """Text → meaning, of each distinct text."""
        found: dict[str, Meaning] = {}
        new: list[str] = []
        for text in dict.fromkeys(texts):
            meaning = self._young.get(text)
            if meaning is None:
                meaning = self._old.get(text)
                if meaning is None:
                    new.append(text)
                    continue
                self._remember(text, meaning)
            found[text] = meaning
        if new:
            for text, meaning in zip(new, understand_many(new, self._models), strict=True):
                found[text] = meaning
                if len(text) <= _LONGEST_REMEMBERED:
                    self._remember(text, meaning)
        return found

    def _remember(self, text: str, meaning: Meaning) -> None:
        if len(self._young) >= _REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[text] = meaning


class _State(msgspec.Struct, array_like=True):
    seen: bytes


class Comprehension:
    """Envelopes of chat in, understood envelopes out: each message once within ten minutes by (room, source, id).

    A partition remembers ``limit`` messages at most, eight bytes each in a checkpoint. With more of them in ten minutes the
    promise is shorter; :meth:`gauges` says how long it is.
    """

    def __init__(self, horizon_ms: int = HORIZON_MS, limit: int = LIMIT, models: Models | None = None) -> None:
        self._seen = Deduplicator(horizon_ms, limit)
        self._comprehender = Comprehender(models)

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """The same envelope without repeats, understood; nothing when all of it was repeats."""
        if not isinstance(record, DanmakuEnvelope):
            return ()
        origin, ts, first = f"{record.room}\0{record.source}\0", record.ingest_ts, self._seen.first
        chats = [chat for chat in record.messages if first(origin + chat.id, ts)]
        if not chats:
            return ()
        meanings = self._comprehender.understand_many(chat.text for chat in chats)
        messages = [meanings[chat.text].of(chat) for chat in chats]
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
