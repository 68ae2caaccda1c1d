"""The opinion detector: alerts when many people of a room turn against something at once, and takes them back when it is over.

No watermark is waited for: the evidence is weighed after each envelope that brings a complaint, so an alert follows the message
that completes it at once. Time is the room's own event time, and a recording played faster gives the same alerts.

Levels: 1, the host speaks; 2, a person is called. An alert rises while it fires and never falls; it is resolved after a minute
below the line. A higher alert of the room inhibits a lower one, and a cause (counterfeit, quality …) inhibits what follows
from it (refunds, threats to report, general displeasure) at the same level: inhibited alerts are told, and page nobody.

What the rules do not see is a joke: in game chat, where many people at once say 垃圾 or 还钱 for fun, a level 2 comes about 28
times a day of a stream (Twitch recordings). Words are judged here, not what is meant by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from analytics.clock import RoomClock
from analytics.evidence import DECAY, LAG_S, SECOND, Score, Topic, Traffic
from analytics.opinion_alert import OpenAlert
from analytics.opinion_rules import NEGATIVE, RULES, Rule, clarifications
from analytics.state import Packer, dump_state, load_state
from streams.records import Alert, ComprehendedEnvelope, HostCommand, Record, UnderstoodChat

VERSION = 2
HOUR = 3_600 * SECOND
NEGATIVE_SURE = 0.8
WEAK = 0.5  # a weak word counts half a person; less, such as a question, counts nothing


class _Room(msgspec.Struct, array_like=True):
    arrived: int
    traffic: Traffic
    topics: dict[str, Topic] = {}
    alerts: dict[str, OpenAlert] = {}


class OpinionOperator:
    """Comprehended chat in; :class:`Alert` at every change of state, and a :class:`HostCommand` when an alert begins, out.

    ``rules``: how topics are judged, by name; an unknown topic is judged as a cause. ``idle_ms``: silence after which a tick
    lets a room's time run on, to resolve. ``forget_ms``: silence after which a room is forgotten.
    """

    def __init__(
        self, rules: dict[str, Rule] | None = None, *, texts: dict[str, str] | None = None,
        idle_ms: int = 5 * SECOND, forget_ms: int = HOUR,
    ) -> None:  # fmt: skip
        self._rules = RULES if rules is None else rules
        self._texts = clarifications() if texts is None else texts
        self._idle_ms, self._forget_ms = idle_ms, forget_ms
        self._rooms: dict[str, _Room] = {}
        self._packer: Packer[_Room] = Packer(_Room)

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        if not isinstance(record, ComprehendedEnvelope) or not record.messages:
            return ()
        room = self._rooms.get(record.room)
        if room is None:
            first = record.messages[0].event_ts
            room = self._rooms[record.room] = _Room(record.ingest_ts, Traffic(RoomClock(first), first // SECOND - LAG_S))
        room.arrived = max(room.arrived, record.ingest_ts)
        self._packer.changed(record.room)
        touched: dict[str, UnderstoodChat] = {}
        for message in record.messages:
            if room.traffic.accept(message.event_ts, message.user):
                room.traffic.add(message)
                for name, weight in self._complaints(message).items():
                    topic = room.topics.get(name) or room.topics.setdefault(name, Topic(self._rule(name).prior))
                    if topic.add(message, weight, [hit.word for hit in message.hits if hit.topic == name]):
                        touched[name] = message
        second = self._roll(room)
        names = [name for name in room.topics if name in touched or (second and name in room.alerts)]
        return self._judge(record.room, room, names, touched, room.traffic.now, record.ingest_ts, revision)

    def _complaints(self, message: UnderstoodChat) -> dict[str, float]:
        """The topics that a message complains of, with weights. What follows from a cause is left to the cause."""
        topics: dict[str, float] = {}
        for hit in message.hits:
            if hit.weight >= WEAK:
                topics[hit.topic] = max(topics.get(hit.topic, 0.0), 1.0 if hit.weight > WEAK else 0.5)
        causes = {name: weight for name, weight in topics.items() if not self._rule(name).follows}
        if not topics and message.sentiment == "negative" and message.sentiment_p >= NEGATIVE_SURE:
            return {NEGATIVE: 1.0} if NEGATIVE in self._rules else {}
        return causes or topics

    def _rule(self, name: str) -> Rule:
        return self._rules.get(name, Rule())

    def _roll(self, room: _Room) -> bool:
        """Let the seconds that are old enough into the normal; whether there was one."""
        traffic, until = room.traffic, room.traffic.now // SECOND - LAG_S
        if until <= traffic.rolled:
            return False
        for second in range(max(traffic.rolled + 1, until - 2 * LAG_S), until + 1):
            messages = traffic.in_second(second)
            for topic in room.topics.values():
                topic.roll(second, messages, topic.share(traffic.normal))
            traffic.normal = traffic.normal * DECAY + messages
        traffic.rolled = until
        traffic.trim()
        for topic in room.topics.values():
            topic.trim(traffic.now)
        return True

    def _judge(
        self,
        name: str,
        room: _Room,
        topics: list[str],
        touched: dict[str, UnderstoodChat],
        now: int,
        ingest_ts: int,
        revision: int,
    ) -> list[Record]:
        """Weigh the evidence on ``topics`` and tell what changed."""
        changed: dict[str, None] = {}
        for topic in topics:
            known, alert, message = room.topics[topic], room.alerts.get(topic), touched.get(topic)
            score = known.score(room.traffic, now)
            level = self._level(topic, score, known, now) if message else 0
            if message and level > (alert.level if alert else 0):
                alert = room.alerts.setdefault(topic, OpenAlert(message.event_ts, before=known.said - known.messages()))
                alert.level, alert.event_ts, alert.evidence_ts = level, message.event_ts, ingest_ts
                alert.score, alert.baseline = score, known.share(room.traffic.normal)
                alert.examples, alert.words, alert.note = known.examples(), known.words(), known.note()
                changed[topic] = None
            if alert:
                if message:
                    alert.gather(known)
                if alert.settles(now, score.value):
                    alert.state, alert.event_ts = "resolved", now
                    changed[topic] = None
        return self._tell(name, room, changed, ingest_ts, revision)

    def _level(self, topic: str, score: Score, known: Topic, now: int) -> int:
        users, texts = known.users(now), known.texts()
        levels = enumerate(self._rule(topic).levels, 1)
        return max((number for number, level in levels if level.reached(score.value, users, texts)), default=0)

    def _tell(self, name: str, room: _Room, changed: dict[str, None], ingest_ts: int, revision: int) -> list[Record]:
        """The alerts that changed, and those whose inhibition changed with them; resolved ones leave the room."""
        if not changed:
            return []
        told: list[Record] = []
        for topic, alert in list(room.alerts.items()):
            was = alert.state
            if was != "resolved":
                dying = was == "inhibited" and alert.below_since is not None  # nobody is called for what is nearly over
                alert.state = "inhibited" if dying or self._inhibited(topic, room) else "firing"
            if topic in changed or alert.state != was:
                told.append(self._alert(name, topic, alert, ingest_ts, revision))
            if alert.state == "firing" and not alert.spoken:
                alert.spoken = True
                told.append(self._command(name, topic, alert, ingest_ts, revision))
        room.alerts = {topic: alert for topic, alert in room.alerts.items() if alert.state != "resolved"}
        return told

    def _inhibited(self, topic: str, room: _Room) -> bool:
        """Whether another alert of the room, not resolved, is higher, or as high and the cause where this one follows."""
        follows, level = self._rule(topic).follows, room.alerts[topic].level
        return any(
            other.level > level or (other.level == level and follows and not self._rule(rival).follows)
            for rival, other in room.alerts.items()
            if rival != topic and other.state != "resolved"
        )

    def _alert(self, name: str, topic: str, alert: OpenAlert, ingest_ts: int, revision: int) -> Alert:
        assert alert.state is not None
        return Alert(
            room=name,
            event_ts=alert.event_ts,
            ingest_ts=ingest_ts,
            id=f"alert:{name}:{topic}:{alert.started_ts}",
            revision=revision,
            topic=topic,
            level=alert.level,
            state=alert.state,
            started_ts=alert.started_ts,
            evidence_ts=alert.evidence_ts,
            score=round(alert.score.value, 2),
            share=round(alert.score.share, 4),
            baseline=round(alert.baseline, 5),
            messages=alert.messages,
            users=alert.users,
            examples=alert.examples,
            words=alert.words,
            note=alert.told_note(),
        )

    def _command(self, name: str, topic: str, alert: OpenAlert, ingest_ts: int, revision: int) -> HostCommand:
        because = f"alert:{name}:{topic}:{alert.started_ts}"
        text = self._texts.get(topic) or self._texts["other"]
        return HostCommand(
            room=name, event_ts=alert.event_ts, ingest_ts=ingest_ts, id=f"clarify:{because}", revision=revision,
            action="clarify", text=text, because=because, priority=2,
        )  # fmt: skip

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        told: list[Record] = []
        for name, room in list(self._rooms.items()):
            silent = now_ms - room.arrived
            if room.alerts and silent >= self._idle_ms:
                self._packer.changed(name)
                topics = [topic for topic in room.topics if topic in room.alerts]
                told += self._judge(name, room, topics, {}, room.traffic.now + silent, now_ms, revision)
            if silent >= self._forget_ms and not room.alerts:
                del self._rooms[name]
        return told

    def gauges(self) -> Mapping[str, float]:
        """What did not count in the rooms that are held: messages of an absurd time, and of one too long ago."""
        traffic = [room.traffic for room in self._rooms.values()]
        return {"refused": sum(each.clock.refused for each in traffic), "late": sum(each.late for each in traffic)}

    def dump(self) -> bytes:
        return dump_state("opinion", VERSION, self._packer.pack(self._rooms))

    def load(self, data: bytes) -> None:
        self._rooms = self._packer.unpack("opinion", load_state(data, "opinion", VERSION, dict[str, msgspec.Raw]))
