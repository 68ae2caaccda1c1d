"""The opinion detector: alerts when many people of a room turn against something at once, and takes them back when it is over.

No watermark is waited for: the evidence is weighed with each complaint, at the complaint's own event time, so an alert follows
the message that completes it at once, and one source of a room may be up to two minutes behind another. How messages are packed
into envelopes changes nothing, so a recording played faster gives the same alerts, with the same times. An alert that rises
and ends within one envelope is told as it rose, and its end with the next record or tick.

A room whose time is set back by more than five minutes (its source's clock, or a recording that is played again) is another
sitting: what is open is resolved, and the evidence is forgotten. Shorter ones look like a source that is late.

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
from analytics.evidence import DECAY, Score, Topic
from analytics.opinion_alert import OpenAlert
from analytics.opinion_rules import NEGATIVE, RULES, Rule, clarifications
from analytics.state import Packer, dump_state, load_state
from analytics.traffic import KEPT_MS, LAG_S, SECOND, Traffic
from streams.records import Alert, ComprehendedEnvelope, HostCommand, Record, UnderstoodChat

VERSION = 3
HOUR = 3_600 * SECOND
NEGATIVE_SURE = 0.8
WEAK = 0.5  # a weak word counts half a person; less, such as a question, counts nothing


class _Room(msgspec.Struct, array_like=True):
    arrived: int
    traffic: Traffic
    topics: dict[str, Topic] = {}
    alerts: dict[str, OpenAlert] = {}
    over: list[tuple[str, OpenAlert]] = []  # alerts that ended, whose end is not told


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
        for message in record.messages:
            before, moves = room.traffic.now, room.traffic.clock.moves
            if not room.traffic.accept(message.event_ts, message.user, record.source):
                continue
            if room.traffic.clock.moves > moves and room.traffic.now < before:
                self._start_afresh(room, before)
            room.traffic.add(message)
            for name, weight in self._complaints(message).items():
                topic = room.topics.get(name) or room.topics.setdefault(name, Topic(self._rule(name).prior))
                user = topic.add(message, weight, [hit.word for hit in message.hits if hit.topic == name])
                if user is not None:
                    self._weigh(room, name, message.event_ts, user, record.ingest_ts)
            self._pass(room)
        return self._tell(record.room, room, record.ingest_ts, revision)

    def _start_afresh(self, room: _Room, now: int) -> None:
        """Another sitting begins: end what is open, and forget the evidence. What is normal is the room's, and stays."""
        for name in list(room.alerts):
            self._end(room, name, now)
        for topic in room.topics.values():
            topic.clear()

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

    def _weigh(self, room: _Room, name: str, ts: int, user: int, ingest_ts: int) -> None:
        """Judge a topic by the windows around its newest complaint, one of ``ts`` by ``user``."""
        topic, alert = room.topics[name], room.alerts.get(name)
        score, level, end = Score(), 0, ts
        for at in topic.ends(ts):
            found = topic.score(room.traffic, at)
            reached = self._level(name, found, topic, at)
            if (reached, found.value) > (level, score.value):
                score, level, end = found, reached, at
        if level > (alert.level if alert else 0):
            if alert is None:
                alert = room.alerts[name] = OpenAlert(ts, before=topic.said - topic.messages(end))
                alert.gather([hit.user for hit in topic.recent(end)], topic.said)
            alert.level, alert.event_ts, alert.evidence_ts = level, ts, ingest_ts
            alert.score, alert.baseline = score, topic.share(room.traffic.normal)
            alert.examples, alert.words, alert.note = topic.examples(end), topic.words(end), topic.note(end)
            self._inhibit(room)
        if alert:
            alert.gather([user], topic.said)
            if alert.settles(room.traffic.now, score.value):
                self._end(room, name, room.traffic.now)

    def _level(self, name: str, score: Score, topic: Topic, at: int) -> int:
        levels = self._rule(name).levels
        if not levels or score.value < min(level.score for level in levels):
            return 0
        users, texts = topic.users(at), topic.texts(at)
        reached = (number for number, level in enumerate(levels, 1) if level.reached(score.value, users, texts))
        return max(reached, default=0)

    def _pass(self, room: _Room) -> None:
        """Once a second: let the seconds that are old enough into the normal, tidy up, and see which alerts are over."""
        traffic, second = room.traffic, room.traffic.now // SECOND
        if second <= traffic.beat:
            return
        until = traffic.settled()
        for rolled in range(max(traffic.rolled + 1, until - KEPT_MS // SECOND), until + 1):
            messages = traffic.in_second(rolled)
            for topic in room.topics.values():
                topic.roll(rolled, messages, topic.share(traffic.normal))
            traffic.normal = traffic.normal * DECAY + messages
        traffic.rolled, traffic.beat = max(traffic.rolled, until), second
        traffic.trim()
        for topic in room.topics.values():
            topic.trim(traffic.now)
        self._settle(room, traffic.now)

    def _settle(self, room: _Room, now: int) -> None:
        for name, alert in list(room.alerts.items()):
            if alert.settles(now, room.topics[name].score(room.traffic, now).value):
                self._end(room, name, now)

    def _end(self, room: _Room, name: str, now: int) -> None:
        alert = room.alerts.pop(name)
        alert.ended = now
        room.over.append((name, alert))
        self._inhibit(room)

    def _inhibit(self, room: _Room) -> None:
        """Which alerts call somebody, now that the levels have changed."""
        for name, alert in room.alerts.items():
            dying = alert.state == "inhibited" and alert.below_since is not None  # nobody is called for what is nearly over
            alert.state = "inhibited" if dying or self._inhibited(name, room) else "firing"

    def _tell(self, name: str, room: _Room, ingest_ts: int, revision: int) -> list[Record]:
        """What was not told yet: of each alert one state at a time, its end last."""
        told: dict[str, Record] = {}
        commands: list[Record] = []
        over, room.over = room.over, []
        for topic, alert in [*over, *room.alerts.items()]:
            known = self._id(name, topic, alert) in told  # an alert of an earlier sitting, at the same time to the millisecond
            if alert.ended and (known or alert.untold):
                room.over.append((topic, alert))
            if known or not (alert.ended or alert.untold):
                continue
            record = self._alert(name, topic, alert, ingest_ts, revision)
            told[record.id] = record
            alert.told, alert.told_level = alert.state, alert.level
            if alert.state == "firing" and not alert.spoken:
                alert.spoken = True
                commands.append(self._command(name, topic, alert, ingest_ts, revision))
        return [*told.values(), *commands]

    def _id(self, name: str, topic: str, alert: OpenAlert) -> str:
        return f"alert:{name}:{topic}:{alert.started_ts}"

    def _inhibited(self, topic: str, room: _Room) -> bool:
        """Whether another open alert of the room is higher, or as high and the cause where this one follows."""
        follows, level = self._rule(topic).follows, room.alerts[topic].level
        return any(
            other.level > level or (other.level == level and follows and not self._rule(rival).follows)
            for rival, other in room.alerts.items()
            if rival != topic
        )

    def _alert(self, name: str, topic: str, alert: OpenAlert, ingest_ts: int, revision: int) -> Alert:
        over = bool(alert.ended) and not alert.untold
        return Alert(
            room=name,
            event_ts=alert.ended if over else alert.event_ts,
            ingest_ts=ingest_ts,
            id=self._id(name, topic, alert),
            revision=revision,
            topic=topic,
            level=alert.level,
            state="resolved" if over else alert.state,
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
        because = self._id(name, topic, alert)
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
                self._settle(room, room.traffic.now + silent)
            if room.over or any(alert.untold for alert in room.alerts.values()):
                self._packer.changed(name)
                told += self._tell(name, room, now_ms, revision)
            if silent >= self._forget_ms and not room.alerts and not room.over:
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
