"""What viewers ask now: questions of the last minute, grouped online, one set of groups a room.

A question joins a group by the first of: the same folded text; nearly the same characters; the same topic of shop
questions; the same intent and a near direction by the encoder. Else it begins a group, whose id is that of its first
question and stays. Chatter never gets here (:func:`~analytics.intent.is_question`). Windows slide by event time; a group is
told when it has changed, at most once every two seconds, from two questions on, and once more with count 0 when it empties.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence

import msgspec

from analytics.clock import RoomClock
from analytics.encoders import Directions, Encoder, load_encoder
from analytics.intent import UNKNOWN, is_question
from analytics.sheet import load_topics
from analytics.state import dump_state, load_state
from streams.records import ComprehendedEnvelope, IntentGroup, Record, UnderstoodChat

VERSION = 2
WINDOW_MS, EVERY_MS, RECENT_MS = 60_000, 2_000, 20_000
TOLD_FROM = 2
LOOK_MS = 1_000  # how often a room is looked through
IDLE_MS = 3_000  # silence after which a room's time runs on by the reader's clock
SAME_WORDING, SAME_MEANING = 0.8, 0.66
GROUPS, WORDINGS, QUESTIONS, ROOMS = 200, 24, 2_000, 1_000
_EXAMPLES, _TITLE_CUT = 3, 60


class _Asked(msgspec.Struct, array_like=True):
    """One question in the window."""

    ts: int
    user: str
    folded: str
    intent: str
    group: str


class _Group(msgspec.Struct, array_like=True):
    """``wordings``: folded → the text as it was typed first; ``told_ts`` is -1 until the group was told."""

    id: str
    intent: str
    topic: str
    wordings: dict[str, str]
    ingest_ts: int
    revision: int
    told_ts: int = -1
    told: tuple[int, int, str] = (0, 0, "")


class _RoomState(msgspec.Struct, array_like=True):
    clock: RoomClock
    ahead_ms: int = 0
    looked: int = 0
    asked: list[_Asked] = []
    groups: list[_Group] = []


class _State(msgspec.Struct, array_like=True):
    rooms: dict[str, _RoomState]


class _Room:
    """The questions and groups of one room."""

    def __init__(self, name: str, encoder: Encoder, state: _RoomState) -> None:
        self.name, self._encoder = name, encoder
        self.clock, self.ahead_ms, self.looked = state.clock, state.ahead_ms, state.looked
        self.asked = deque(state.asked)
        self.groups = {group.id: group for group in state.groups}
        self._of_wording = {folded: group.id for group in state.groups for folded in group.wordings}
        self._of_topic = {group.topic: group.id for group in state.groups if group.topic}
        self._near = Directions()
        for folded in self._of_wording:
            self._near.add(folded, encoder.encode([folded])[0])

    def dump(self) -> _RoomState:
        return _RoomState(self.clock, self.ahead_ms, self.looked, list(self.asked), list(self.groups.values()))

    @property
    def now(self) -> int:
        return self.clock.now

    def add(self, envelope: ComprehendedEnvelope, chat: UnderstoodChat, revision: int) -> None:
        """Take one question in, unless it is older than the window."""
        if chat.event_ts <= self.now - WINDOW_MS:
            return
        group = self._find(chat)
        if group is None:
            group = self._begin(f"group:{self.name}:{envelope.source}:{chat.id}", chat)
        if chat.folded not in group.wordings and len(group.wordings) < WORDINGS:
            group.wordings[chat.folded] = chat.text[:_TITLE_CUT]
            self._of_wording[chat.folded] = group.id
            self._near.add(chat.folded, self._encoder.encode([chat.folded])[0])
        group.ingest_ts, group.revision = max(group.ingest_ts, envelope.ingest_ts), revision
        question = _Asked(chat.event_ts, chat.user, chat.folded, chat.intent, group.id)
        place = len(self.asked)
        while place and self.asked[place - 1].ts > question.ts:
            place -= 1
        self.asked.insert(place, question)
        if len(self.asked) > QUESTIONS:
            self.asked.popleft()

    def _find(self, chat: UnderstoodChat) -> _Group | None:
        known = self._of_wording.get(chat.folded)
        if known:
            return self.groups[known]
        topic = _main_topic(chat.folded)
        for near, folded in self._near.find(self._encoder.encode([chat.folded])[0], SAME_MEANING):
            group = self.groups[self._of_wording[folded]]
            if near >= SAME_WORDING and group.topic in ("", topic):
                return group
            if group.intent == chat.intent and group.topic == topic:
                return group
        return self.groups[self._of_topic[topic]] if topic in self._of_topic else None

    def _begin(self, name: str, chat: UnderstoodChat) -> _Group:
        group = _Group(name, chat.intent, _main_topic(chat.folded), {}, 0, 0)
        self.groups[name] = group
        if group.topic:
            self._of_topic[group.topic] = name
        return group

    def tell(self, now: int, revision: int) -> Iterator[IntentGroup]:
        """Let the window slide to ``now`` and say what has changed since it was told last."""
        while self.asked and self.asked[0].ts <= now - WINDOW_MS:
            self.asked.popleft()
        members: dict[str, list[_Asked]] = {}
        for question in self.asked:
            members.setdefault(question.group, []).append(question)
        crowded = len(self.groups) - GROUPS
        for group in list(self.groups.values()):
            inside = members.get(group.id, [])
            if not inside or (crowded > 0 and len(inside) < TOLD_FROM):
                crowded -= 1
                self._end(group)
                if group.told_ts >= 0:
                    yield self._record(group, [], now, revision)
                continue
            if len(inside) < TOLD_FROM and group.told_ts < 0:
                continue
            record = self._record(group, inside, now, revision)
            news = (record.count, record.users, record.title)
            if news != group.told and (group.told_ts < 0 or now >= group.told_ts + EVERY_MS):
                group.told, group.told_ts = news, now
                yield record

    def _end(self, group: _Group) -> None:
        del self.groups[group.id]
        if self._of_topic.get(group.topic) == group.id:
            del self._of_topic[group.topic]
        for folded in group.wordings:
            del self._of_wording[folded]
        self._near.drop(group.wordings)
        if any(question.group == group.id for question in self.asked):
            self.asked = deque(question for question in self.asked if question.group != group.id)

    def _record(self, group: _Group, inside: list[_Asked], now: int, revision: int) -> IntentGroup:
        often = Counter(question.folded for question in inside if question.folded in group.wordings)
        ranked = [folded for folded, _ in often.most_common()] or list(group.wordings)
        recent = sum(question.ts > now - RECENT_MS for question in inside)
        before = (len(inside) - recent) * RECENT_MS / (WINDOW_MS - RECENT_MS)
        return IntentGroup(
            room=self.name, event_ts=now, ingest_ts=group.ingest_ts, id=group.id, revision=revision,
            title=group.wordings[ranked[0]], intent=_main_intent(inside) or group.intent, count=len(inside),
            users=len({question.user for question in inside}), examples=[group.wordings[f] for f in ranked[:_EXAMPLES]],
            window_ms=WINDOW_MS, trend=round((recent - before) / max(1.0, before), 2) if inside else 0.0,
        )  # fmt: skip


class Groups:
    """Understood chat in, groups of live questions out."""

    def __init__(self, encoder: Encoder | None = None, rooms: int = ROOMS) -> None:
        self._encoder, self._limit = encoder or load_encoder(), rooms
        self._rooms: dict[str, _Room] = {}

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        """What has changed in the room with the questions of one envelope, and with its time."""
        if not isinstance(record, ComprehendedEnvelope):
            return ()
        room = self._rooms.pop(record.room, None)
        if room is None:
            if not any(map(is_question, record.messages)):
                return ()
            room = _Room(record.room, self._encoder, _RoomState(RoomClock(record.messages[0].event_ts)))
        self._rooms[record.room] = room
        told: list[Record] = []
        for chat in record.messages:
            before = room.now
            timely = room.clock.accept(chat.event_ts, chat.user)
            if room.now < before:  # a recording begins anew
                told += room.tell(before + WINDOW_MS, revision)
                room.looked = 0
            if timely and is_question(chat):
                room.add(record, chat, revision)
        room.ahead_ms = record.ingest_ts - room.now
        if not told and room.now >= room.looked + LOOK_MS:  # what has ended with this record is not told again with it
            room.looked = room.now
            told += room.tell(room.now, revision)
        if len(self._rooms) > self._limit:
            oldest = self._rooms.pop(next(iter(self._rooms)))
            told += oldest.tell(oldest.now + WINDOW_MS, revision)
        return told

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        """Rooms that have fallen silent: their window slides on, and empty ones are forgotten."""
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            now = now_ms - room.ahead_ms
            if now < room.now + IDLE_MS:
                continue
            told += room.tell(now, revision)
            if not room.groups:
                del self._rooms[name]
        return told

    def dump(self) -> bytes:
        return dump_state("groups", VERSION, _State({name: room.dump() for name, room in self._rooms.items()}))

    def load(self, data: bytes) -> None:
        rooms = load_state(data, "groups", VERSION, _State).rooms
        self._rooms = {name: _Room(name, self._encoder, room) for name, room in rooms.items()}


def _main_intent(inside: list[_Asked]) -> str:
    """What most of the questions want, of those that say so."""
    wanted = Counter(question.intent for question in inside if question.intent != UNKNOWN)
    return wanted.most_common(1)[0][0] if wanted else ""


def _main_topic(folded: str) -> str:
    """The one topic of a question; empty when it has none, or several that say equally much."""
    topics = load_topics().find(folded)
    if not topics:
        return ""
    most = max(topics.values())
    best = [topic for topic, length in topics.items() if length == most]
    return best[0] if len(best) == 1 else ""
