"""Answers to questions in chat from the room's product sheets and FAQ entries, and what of them the host should speak.

Every question gets one :class:`~streams.records.Answer`: given or proposed; ``unknown`` only if it has the form of a question
(a shop's word alone, 上链接, calls for no answer). The host hears of given ones only, of one at a time (:data:`BETWEEN_MS`),
and of the same entry not again within :data:`AGAIN_MS`, by event time.

The state of a partition stays below :data:`STATE_BYTES` whatever comes (:mod:`analytics.shelf` tells what goes first). A room
is known by a sheet, an entry or a word of its own, or by a question that entries of all rooms may answer.

Where people judge its answers a room finds its own limits: only what was right in 95 of 100 such cases is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from analytics.calibration import MOST, Calibrator
from analytics.clock import RoomClock
from analytics.encoders import Encoder
from analytics.faq_judge import NONE, Limits, Match
from analytics.intent import is_question, load_intent
from analytics.shelf import NAME_BYTES, SHEETS_BYTES, RoomFaq, Shelf
from analytics.state import dump_state, load_state
from streams.records import (
    ALL_ROOMS,
    Answer,
    ComprehendedEnvelope,
    FaqEntry,
    FaqVerdict,
    HostCommand,
    InvalidError,
    Product,
    Record,
    UnderstoodChat,
    decode,
)

VERSION = 2
BETWEEN_MS, AGAIN_MS = 8_000, 60_000
ROOMS = 1_000
STATE_BYTES = SHEETS_BYTES + ROOMS * (2 * NAME_BYTES + 640 + 2 * MOST)  # 8.0 MB
WISHED = 0.95  # share of the given answers that shall be right, where people judge them
_QUESTION_CUT = 200
_SPOKEN = 16


class _Spoken(NamedTuple):
    """An entry that the host was told: its hash, the time of its question, and the room's clock then."""

    entry: int
    ts: int
    now: int


class _RoomState(msgspec.Struct, array_like=True):
    room: str
    on_show: str
    shown_ts: int
    clock: RoomClock | None
    spoken: list[_Spoken]
    judged: bytes = b""


class _State(msgspec.Struct, array_like=True):
    rooms: list[_RoomState]
    sheets: list[msgspec.Raw]
    forgotten: int
    entries: list[msgspec.Raw] = []
    entries_forgotten: int = 0


class _Room:
    """One room: its sheets, and what its host was told lately."""

    def __init__(self, name: str, shelf: Shelf) -> None:
        self.faq = RoomFaq(name, shelf)
        self.clock: RoomClock | None = None
        self.spoken: list[_Spoken] = []
        self.calibrator = Calibrator()
        self._limits: tuple[Limits | None] | None = None

    def learn(self, verdict: FaqVerdict) -> None:
        """Take in a person's word on an answer."""
        self.calibrator.add(verdict.score, right=verdict.right)
        self._limits = None

    @property
    def limits(self) -> Limits | None:
        """The room's own limits, once it has judged enough; worked out when they are first needed after a word."""
        if self._limits is None:
            score = self.faq.shelf.score
            given = self.calibrator.threshold(WISHED, score.given)
            self._limits = (None if given == score.given else Limits(given, min(given, score.proposed)),)
        return self._limits[0]

    def hear(self, chat: UnderstoodChat) -> bool:
        """Take in the time of a message; False when it cannot be true. A clock that is moved back has another time."""
        if self.clock is None:
            self.clock = RoomClock(chat.event_ts)
        before = self.clock.now
        timely = self.clock.accept(chat.event_ts, chat.user)
        if self.clock.now < before:
            self.spoken = []
        return timely

    def may_speak(self, text: str, ts: int) -> bool:
        """Whether the host may answer with an entry to a question of ``ts``; if so, that is remembered."""
        assert self.clock is not None
        now = self.clock.now
        ts = max(ts, now)
        entry = int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())

        def within(said: _Spoken, span: int) -> bool:  # by both times: a question's alone may be wrong, the clock's be behind
            return ts < said.ts + span and now < said.now + span

        self.spoken = [said for said in self.spoken if within(said, AGAIN_MS)][-_SPOKEN:]
        if any(said.entry == entry or within(said, BETWEEN_MS) for said in self.spoken):
            return False
        self.spoken.append(_Spoken(entry, ts, now))
        return True

    def dump(self) -> _RoomState:
        faq = self.faq
        return _RoomState(faq.room, faq.on_show, faq.shown_ts, self.clock, self.spoken, self.calibrator.packed())


class Answers:
    """Understood chat, product sheets and FAQ entries in, answers and commands to the host out. The rooms used last are kept.

    ``encoder`` is the static one if none is given.
    """

    def __init__(self, rooms: int = ROOMS, sheets_bytes: int = SHEETS_BYTES, encoder: Encoder | None = None) -> None:
        self._limit, self._sheets_bytes, self._encoder = rooms, sheets_bytes, encoder
        self._rooms: dict[str, _Room] = {}  # used longest ago first
        self._shelf = Shelf(encoder, most_bytes=sheets_bytes)

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """An answer for each question of an envelope; sheets, entries and people's words are taken in and say nothing."""
        if isinstance(record, Product):
            self._known(record.room).faq.put(record)
            self._make_room()
        elif isinstance(record, FaqEntry):
            if record.room == ALL_ROOMS or record.state == "active":
                self._check_name(record.room)
            if record.room != ALL_ROOMS and record.state == "active":
                self._known(record.room)
            self._shelf.entries.put(record)
            self._make_room()
        elif isinstance(record, FaqVerdict):
            self._known(record.room).learn(record)
        elif isinstance(record, ComprehendedEnvelope):
            return self._hear(record, revision)
        return ()

    def _hear(self, record: ComprehendedEnvelope, revision: int) -> list[Record]:
        room = self._rooms.get(record.room)
        if room is None and self._shelf.entries.has(ALL_ROOMS) and any(is_question(chat) for chat in record.messages):
            room = self._known(record.room)
        told: list[Record] = []
        for chat in record.messages:
            timely = room is not None and room.hear(chat)
            if is_question(chat):
                told += self._answer(room, record, chat, revision, timely=timely)
        if told and room is not None:
            self._rooms[record.room] = self._rooms.pop(record.room)
        return told

    def _answer(
        self, room: _Room | None, envelope: ComprehendedEnvelope, chat: UnderstoodChat, revision: int, *, timely: bool
    ) -> list[Record]:
        match = room.faq.best(chat.folded, chat.intent, chat.event_ts, room.limits) if room else NONE
        if match.status == "unknown" and not load_intent().asks(chat.folded, chat.text):
            return []
        answer = _answer_of(match, envelope, chat, revision)
        if match.status != "given" or match.entry is None or room is None or not timely:
            return [answer]
        if not room.may_speak(f"{match.entry.sku}/{match.entry.question}", chat.event_ts):
            return [answer]
        command = HostCommand(
            room=envelope.room, event_ts=chat.event_ts, ingest_ts=envelope.ingest_ts, id=f"command:{answer.id}",
            revision=revision, action="answer", text=answer.answer, because=answer.id, sku=answer.sku,
        )  # fmt: skip
        return [answer, command]

    def _check_name(self, name: str) -> None:
        if len(name.encode("utf-8", "replace")) > NAME_BYTES:
            raise InvalidError(f"a room's name of more than {NAME_BYTES} bytes: {name[:40]!r}…; give it a shorter one")

    def _known(self, name: str) -> _Room:
        """The room, as the one used last. What goes for a new one is the room used longest ago, with all that it has."""
        self._check_name(name)
        room = self._rooms.pop(name, None) or _Room(name, self._shelf)
        self._rooms[name] = room
        if len(self._rooms) > self._limit:
            oldest = self._rooms.pop(next(iter(self._rooms)))
            self._shelf.forgotten += len(oldest.faq)
            oldest.faq.clear()
            self._shelf.entries.clear(oldest.faq.room)
        return room

    def _make_room(self) -> None:
        """Within the bound of bytes again: what goes is what was used longest ago."""
        while (key := self._shelf.too_much()) is not None:
            self._rooms[key[0]].faq.forget(key[1])
            self._shelf.forgotten += 1

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        """Nothing here waits for time."""
        return ()

    def gauges(self) -> Mapping[str, float]:
        """How many sheets and entries are known, and how many were forgotten because there were too many."""
        entries = self._shelf.entries
        return {
            "sheets": len(self._shelf), "sheets_forgotten": self._shelf.forgotten,
            "entries": len(entries), "entries_forgotten": entries.forgotten,
        }  # fmt: skip

    def dump(self) -> bytes:
        rooms = [room.dump() for room in self._rooms.values()]
        sheets, entries = ([msgspec.Raw(one) for one in own.packed()] for own in (self._shelf, self._shelf.entries))
        return dump_state(
            "answers", VERSION, _State(rooms, sheets, self._shelf.forgotten, entries, self._shelf.entries.forgotten)
        )

    def load(self, data: bytes) -> None:
        state = load_state(data, "answers", VERSION, _State)
        self._shelf = Shelf(self._encoder, most_bytes=self._sheets_bytes)
        self._rooms = {packed.room: self._loaded(packed) for packed in state.rooms}
        for raw in state.sheets:
            packed = bytes(raw)
            product = decode(packed, Product)
            self._rooms[product.room].faq.restore(product, packed)
        for raw in state.entries:
            packed = bytes(raw)
            self._shelf.entries.put(decode(packed, FaqEntry), packed)
        self._shelf.forgotten, self._shelf.entries.forgotten = state.forgotten, state.entries_forgotten

    def _loaded(self, state: _RoomState) -> _Room:
        room = _Room(state.room, self._shelf)
        room.faq.on_show, room.faq.shown_ts = state.on_show, state.shown_ts
        room.clock, room.spoken = state.clock, state.spoken
        room.calibrator = Calibrator(state.judged)
        return room


def _answer_of(match: Match, envelope: ComprehendedEnvelope, chat: UnderstoodChat, revision: int) -> Answer:
    entry = match.entry if match.status != "unknown" else None
    return Answer(
        room=envelope.room, event_ts=chat.event_ts, ingest_ts=envelope.ingest_ts,
        id=f"answer:{envelope.room}:{envelope.source}:{chat.id}", revision=revision, source_id=chat.id, user=chat.user,
        question=chat.text[:_QUESTION_CUT], status=match.status, answer=entry.answer if entry else "",
        matched=entry.question if entry else "", sku=entry.sku if entry else "", score=match.score,
    )  # fmt: skip
