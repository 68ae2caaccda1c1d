"""The way of one request through the gateway: events in, records in the log, an answer that is true."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from streams.gateway.border import Bad, Batch
from streams.gateway.convert import chat_record, record_of
from streams.gateway.dedupe import Dedupe
from streams.gateway.events import KIND_OF, Answer, ChatEvent, Rejected
from streams.gateway.limits import Rates
from streams.gateway.log import Log
from streams.gateway.packer import Packer
from streams.gateway.people import Pseudonyms
from streams.gateway.refused import RefusedError
from streams.gateway.skew import DAY_MS, Skews
from streams.gateway.tickets import Receipt, Ticket
from streams.records import DeadLetter, LivetideError, Meter, Record, RetryError, encode
from streams.topics import DEADLETTER, TOPIC_OF, dead_letter, partition_of
from streams.topics import key_of as key_of_record

MOST_SOURCE_LABELS = 200
MOST_DAYS = 31
"""How many days the events of one request may lie on: the tables are cut by days, and each one costs an insert."""


@dataclass
class Outcome:
    """The answer to a request and the status that it goes out with."""

    status: int
    answer: Answer
    retry_after: int = 0


class _Tally:
    """What happened to the events of one request so far."""

    def __init__(self, room: str, source: str, now_ms: int) -> None:
        self.room = room
        self.source = source
        self.now_ms = now_ms
        self.receipt = Receipt()
        self.fates: Counter[tuple[str, str]] = Counter()
        self.rejected: list[Rejected] = []
        self.shift = 0
        self.skewed = 0


class Intake:
    """Validated events to acknowledged records.

    * Chat is refused while the log is under pressure or its room is over its rate; whatever else is in the request goes in, and
      the answer is 429. Sending the whole request again is always right: what went in is then a duplicate.
    * Everything else waits for its place in the log, up to ``answer_s``.
    * 202 says that every accepted event is in the log. 503 says that some record was not acknowledged: the request counts as
      not taken, what did get in is remembered, so that the same request again takes the rest.
    * Events that cannot be used go to the dead letters before the answer goes out.
    """

    def __init__(
        self,
        log: Log,
        *,
        partitions: int,
        meter: Meter,
        pseudonyms: Pseudonyms,
        rates: Rates,
        keep_names: bool = False,
        answer_s: float = 10,
        envelope_messages: int = 64,
        envelope_s: float = 0.1,
        skews: Skews | None = None,
        dedupe: Dedupe | None = None,
    ) -> None:
        self._log = log
        self._partitions = partitions
        self._meter = meter
        self._pseudonyms = pseudonyms
        self._rates = rates
        self._keep_names = keep_names
        self._answer_s = answer_s
        self._skews = skews or Skews()
        self._dedupe = dedupe or Dedupe()
        self._packer = Packer(self._send, messages=envelope_messages, wait_s=envelope_s)
        self._labels: set[str] = set()

    async def take(self, room: str, source: str, batch: Batch, now_ms: int, *, trust_time: bool = False) -> Outcome:
        """Take one request. ``trust_time`` leaves time-stamps as they are: a recording is being played."""
        tally = _Tally(room, source, now_ms)
        self._dedupe.turn(now_ms)
        if trust_time:
            _check_days(batch)
        else:
            batch = self._without_far(batch, now_ms)
            tally.shift = self._skews.shift(room, source, [event.ts for event in batch.events], now_ms)
        chats = sum(type(event) is ChatEvent for event in batch.events)
        try:
            if chats < len(batch.events) or batch.bad:
                await self._log.relief(self._answer_s)
            shed, retry_after = self._shed(room, chats, now_ms) if chats else ("", 0)
            self._take_chat(tally, batch, shed, trust_time)
            if chats < len(batch.events):
                self._take_others(tally, batch, trust_time)
            self._bury(tally, batch)
            await tally.receipt.wait(self._answer_s)
        except RetryError as error:
            return self._failed(tally, batch, error)
        return self._answer(tally, batch, shed, retry_after)

    def _without_far(self, batch: Batch, now_ms: int) -> Batch:
        """Without the events whose stamps cannot be a live event's. They are bad by themselves, and tell of nobody's clock."""
        skews = self._skews
        far = {
            place: skews.why_far(event.ts, now_ms)
            for place, event in zip(batch.places, batch.events, strict=True)
            if skews.is_far(event.ts, now_ms)
        }
        return batch.without(far) if far else batch

    def _shed(self, room: str, chats: int, now_ms: int) -> tuple[str, int]:
        """Why the chat of this request is not taken now, and when to try again."""
        if self._log.pressure >= 1:
            return "shed: the log cannot keep up; send again later", 1
        if seconds := self._rates.take(room, chats, now_ms):
            return f"shed: the room sends more chat than it may; send again in {seconds} s", seconds
        return "", 0

    def _join(self, tally: _Tally, kind: str, key: bytes) -> bool:
        """Whether the event came before; if it is still on its way, the request waits for it."""
        if self._dedupe.seen(key):
            tally.fates[kind, "duplicate"] += 1
            return True
        ticket = self._dedupe.pending(key)
        if ticket is not None:
            ticket.join(tally.receipt)
            tally.fates[kind, "duplicate"] += 1
            return True
        return False

    def _time(self, tally: _Tally, ts: int, trust_time: bool) -> int:
        if trust_time:
            return ts
        at = self._skews.place(ts, tally.shift, tally.now_ms)
        tally.skewed += at != ts
        return at

    def _take_chat(self, tally: _Tally, batch: Batch, shed: str, trust_time: bool) -> None:
        key_of = self._dedupe.keys(tally.room, tally.source, "chat")
        pseudonym, packer, dedupe, keep = self._pseudonyms.of, self._packer, self._dedupe, self._keep_names
        accepted = 0
        for place, event in zip(batch.places, batch.events, strict=True):
            if type(event) is not ChatEvent:
                continue
            if shed:
                tally.rejected.append(Rejected(place, shed))
                continue
            key = key_of(event.id)
            if self._join(tally, "chat", key):
                continue
            at = self._time(tally, event.ts, trust_time)
            chat = chat_record(event, at, pseudonym, keep)
            ticket = packer.add(tally.room, tally.source, chat, tally.now_ms)
            dedupe.claim(key, ticket)
            ticket.join(tally.receipt)
            accepted += 1
        tally.fates["chat", "accepted"] += accepted
        tally.fates["chat", "shed"] += len(tally.rejected)
        if accepted >= packer.size:
            packer.flush(tally.room, tally.source)
        elif accepted:
            packer.wait(tally.room, tally.source)

    def _take_others(self, tally: _Tally, batch: Batch, trust_time: bool) -> None:
        keys = {kind: self._dedupe.keys(tally.room, tally.source, name) for kind, name in KIND_OF.items()}
        for event in batch.events:
            if isinstance(event, ChatEvent):
                continue
            kind = KIND_OF[type(event)]
            key = keys[type(event)](event.id)
            if self._join(tally, kind, key):
                continue
            at = self._time(tally, event.ts, trust_time)
            record = record_of(event, tally.room, tally.source, at, tally.now_ms, self._pseudonyms.of)
            ticket = Ticket()
            self._dedupe.claim(key, ticket)
            ticket.join(tally.receipt)
            self._send(record, ticket)
            tally.fates[kind, "accepted"] += 1

    def _bury(self, tally: _Tally, batch: Batch) -> None:
        """Bad events to the dead letters, once per request however often it is sent again."""
        if not batch.bad:
            return
        request = hashlib.blake2b(batch.body, digest_size=16).hexdigest()
        key_of = self._dedupe.keys(tally.room, tally.source, "dead letter")
        for bad in batch.bad:
            tally.rejected.append(Rejected(bad.index, bad.reason))
            key = key_of(f"{request}:{bad.index}")
            if self._join(tally, "dead letter", key):
                continue
            ticket = Ticket()
            self._dedupe.claim(key, ticket)
            ticket.join(tally.receipt)
            self._append(DEADLETTER.name, b"gateway", encode(_letter(tally, bad)), -1, ticket)
            self._meter.count("deadletters", stage="gateway")

    def _send(self, record: Record, ticket: Ticket) -> None:
        """A record to its topic, in the partition of its room."""
        partition = partition_of(record.room, self._partitions)
        self._append(TOPIC_OF[type(record)].name, key_of_record(record), encode(record), partition, ticket)

    def _append(self, topic: str, key: bytes, value: bytes, partition: int, ticket: Ticket) -> None:
        dedupe = self._dedupe

        def settled(error: LivetideError | None) -> None:
            dedupe.settle(ticket, error)

        self._log.append(topic, key, value, partition, settled)

    def _failed(self, tally: _Tally, batch: Batch, error: RetryError) -> Outcome:
        for event in batch.events:
            self._meter.count("gateway_events", kind=KIND_OF[type(event)], fate="failed")
        reason = f"{error}. The request counts as not taken: send all of it again, with the same ids"
        return Outcome(503, Answer(accepted=0, duplicates=0, rejected=[], error=reason), retry_after=1)

    def _answer(self, tally: _Tally, batch: Batch, shed: str, retry_after: int) -> Outcome:
        dead = len(batch.bad)
        for (kind, fate), number in tally.fates.items():
            if number and kind != "dead letter":
                self._meter.count("gateway_events", number, kind=kind, fate=fate)
        if dead:
            self._meter.count("gateway_events", dead, kind="unreadable", fate="rejected")
        if tally.skewed:
            self._meter.count("gateway_skewed", tally.skewed, source=self._label(tally.source))
        answer = Answer(
            accepted=sum(number for (_, fate), number in tally.fates.items() if fate == "accepted"),
            duplicates=sum(n for (kind, fate), n in tally.fates.items() if fate == "duplicate" and kind != "dead letter"),
            rejected=sorted(tally.rejected, key=lambda one: one.index),
            skew_ms=tally.shift,
        )
        if shed:
            answer.error = shed
            return Outcome(429, answer, retry_after)
        if not batch.events:
            answer.error = "no event that can be used" if dead else "no event at all"
            return Outcome(422, answer)
        return Outcome(202, answer)

    def _label(self, source: str) -> str:
        """A source's name as a metric's label; sources beyond a number share one, since clients choose the names."""
        if source in self._labels or len(self._labels) < MOST_SOURCE_LABELS:
            self._labels.add(source)
            return source
        return "other"

    def flush(self) -> None:
        """Send every envelope that still waits for company."""
        self._packer.flush_all()


def _check_days(batch: Batch) -> None:
    days = len({event.ts // DAY_MS for event in batch.events})
    if days > MOST_DAYS:
        raise RefusedError(
            422,
            f"the events of this request lie on {days} days, {MOST_DAYS} may be: send a recording in the order of its time",
        )


def _letter(tally: _Tally, bad: Bad) -> DeadLetter:
    return dead_letter(
        "gateway", -1, -1, bad.reason, stage="gateway", failed_ts=tally.now_ms, room=tally.room, key=tally.source.encode(),
        value=bad.raw,
    )  # fmt: skip
