"""Answers to questions in chat from the room's product sheets, and what of them the host should speak.

Every question gets one :class:`~streams.records.Answer`: given, proposed or unknown. The host hears of given ones only, of
one at a time (:data:`BETWEEN_MS`), and of the same entry not again within :data:`AGAIN_MS`, by event time.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from analytics.faq import Match, RoomFaq
from analytics.intent import is_question
from analytics.state import dump_state, load_state
from streams.records import Answer, ComprehendedEnvelope, HostCommand, Product, Record, UnderstoodChat

VERSION = 1
BETWEEN_MS, AGAIN_MS = 8_000, 60_000
CLOCK_RESET_MS = 600_000
ROOMS, INDEXED = 2_000, 64
_QUESTION_CUT = 200


class _Sheets(msgspec.Struct, array_like=True):
    products: list[Product]
    on_show: str
    shown_ts: int


class _RoomState(msgspec.Struct, array_like=True):
    room: str
    sheets: msgspec.Raw
    now: int
    spoken_at: int
    spoken: list[tuple[str, int]]


class _State(msgspec.Struct, array_like=True):
    rooms: list[_RoomState]


class _Room:
    """One room: its sheets, and what its host was told lately."""

    def __init__(self) -> None:
        self.faq = RoomFaq()
        self.now = 0
        self.spoken_at = -BETWEEN_MS
        self.spoken: dict[str, int] = {}
        self._packed: msgspec.Raw | None = None

    def put(self, product: Product) -> None:
        self.faq.put(product)
        self._packed = None

    def may_speak(self, entry: str, ts: int) -> bool:
        """Whether the host may answer with ``entry`` at event time ``ts``; if so, that is remembered."""
        if ts < self.now - CLOCK_RESET_MS:  # a recording begins anew: its room has another time
            self.now, self.spoken_at, self.spoken = ts, ts - BETWEEN_MS, {}
        self.now = max(self.now, ts)
        self.spoken = {said: at for said, at in self.spoken.items() if at > self.now - AGAIN_MS}
        if self.now < self.spoken_at + BETWEEN_MS or entry in self.spoken:
            return False
        self.spoken_at = self.spoken[entry] = self.now
        return True

    def dump(self, room: str) -> _RoomState:
        if self._packed is None:  # sheets are large and change rarely
            sheets = _Sheets(list(self.faq.products.values()), self.faq.on_show, self.faq.shown_ts)
            self._packed = msgspec.Raw(msgspec.msgpack.encode(sheets))
        return _RoomState(room, self._packed, self.now, self.spoken_at, list(self.spoken.items()))

    @classmethod
    def load(cls, state: _RoomState) -> _Room:
        room = cls()
        sheets = msgspec.msgpack.decode(state.sheets, type=_Sheets)
        room.faq.products = {product.sku: product for product in sheets.products}
        room.faq.on_show, room.faq.shown_ts = sheets.on_show, sheets.shown_ts
        room.now, room.spoken_at, room.spoken = state.now, state.spoken_at, dict(state.spoken)
        return room


class Answers:
    """Understood chat and product sheets in, answers and commands to the host out. The rooms used last are kept."""

    def __init__(self, rooms: int = ROOMS) -> None:
        self._limit = rooms
        self._rooms: dict[str, _Room] = {}
        self._indexed: dict[str, None] = {}

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """One answer for each question of an envelope; a sheet is taken in and says nothing."""
        if isinstance(record, Product):
            self._room(record.room).put(record)
            return ()
        if not isinstance(record, ComprehendedEnvelope):
            return ()
        asked = [chat for chat in record.messages if is_question(chat)]
        if not asked:
            return ()
        room = self._room(record.room)
        self._keep_index(record.room)
        return [out for chat in asked for out in self._answer(room, record, chat, revision)]

    def _answer(self, room: _Room, envelope: ComprehendedEnvelope, chat: UnderstoodChat, revision: int) -> list[Record]:
        match = room.faq.best(chat.folded)
        answer = _answer_of(match, envelope, chat, revision)
        if match.status != "given" or match.entry is None:
            return [answer]
        if not room.may_speak(f"{match.entry.sku}/{match.entry.question}", chat.event_ts):
            return [answer]
        command = HostCommand(
            room=envelope.room, event_ts=chat.event_ts, ingest_ts=envelope.ingest_ts, id=f"command:{answer.id}",
            revision=revision, action="answer", text=answer.answer, because=answer.id, sku=answer.sku,
        )  # fmt: skip
        return [answer, command]

    def _room(self, name: str) -> _Room:
        room = self._rooms.pop(name, None) or _Room()
        self._rooms[name] = room
        if len(self._rooms) > self._limit:
            del self._rooms[next(iter(self._rooms))]
        return room

    def _keep_index(self, name: str) -> None:
        """Search indexes are large and quickly built: only those of the rooms that ask now stay in memory."""
        self._indexed.pop(name, None)
        self._indexed[name] = None
        if len(self._indexed) > INDEXED:
            oldest = next(iter(self._indexed))
            del self._indexed[oldest]
            if oldest in self._rooms:
                self._rooms[oldest].faq.release()

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        """Nothing here waits for time."""
        return ()

    def dump(self) -> bytes:
        return dump_state("answers", VERSION, _State([room.dump(name) for name, room in self._rooms.items()]))

    def load(self, data: bytes) -> None:
        state = load_state(data, "answers", VERSION, _State)
        self._rooms = {packed.room: _Room.load(packed) for packed in state.rooms}
        self._indexed = {}


def _answer_of(match: Match, envelope: ComprehendedEnvelope, chat: UnderstoodChat, revision: int) -> Answer:
    entry = match.entry if match.status != "unknown" else None
    return Answer(
        room=envelope.room, event_ts=chat.event_ts, ingest_ts=envelope.ingest_ts,
        id=f"answer:{envelope.room}:{envelope.source}:{chat.id}", revision=revision, source_id=chat.id, user=chat.user,
        question=chat.text[:_QUESTION_CUT], status=match.status, answer=entry.answer if entry else "",
        matched=entry.question if entry else "", sku=entry.sku if entry else "", score=match.score,
    )  # fmt: skip
