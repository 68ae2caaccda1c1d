"""Small pure operators that make faults visible, and the records that they eat."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams import topics
from streams.records import Answer, InvalidError, Mood, Record, Sale, Speech
from streams.shell.agent import Agent

ROOM = "room-1"


def sale(number: int, room: str = ROOM) -> Sale:
    return Sale(room=room, event_ts=number, ingest_ts=number, id=f"sale-{number}", source="test", type="order")


def speech(number: int, room: str = ROOM) -> Speech:
    return Speech(
        room=room, event_ts=number, ingest_ts=number, id=f"speech-{number}", source="test", end_ts=number + 1, text="说"
    )


def answer(record: Sale | Speech, revision: int, score: float) -> Answer:
    return Answer(
        room=record.room, event_ts=record.event_ts, ingest_ts=record.ingest_ts, id=f"answer/{record.id}", revision=revision,
        source_id=record.id, user="", question="", status="given", score=score,
    )  # fmt: skip


class Echo:
    """Stateless: one answer for one record, none for a record whose number ends in 7, two for one that ends in 5."""

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        assert isinstance(record, Sale | Speech)
        copies = {7: 0, 5: 2}.get(record.event_ts % 10, 1)
        return [
            msgspec.structs.replace(answer(record, revision, revision), id=f"answer/{record.id}/{copy}")
            for copy in range(copies)
        ]

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        return ()

    def dump(self) -> bytes:
        return b""

    def load(self, data: bytes) -> None:
        assert not data


class Tally:
    """Counts: each answer says how many records came before it, each third tick says how many there are, whatever made it so.

    Both depend on the interleaving of sources and timer, which is what an exact shell must not let anybody see twice.
    """

    def __init__(self) -> None:
        self.count, self.ticks = 0, 0

    def feed(self, record: Record, revision: int) -> Sequence[Record]:
        assert isinstance(record, Sale | Speech)
        if record.id.endswith("13"):
            raise InvalidError("thirteen is refused")
        self.count += 1
        return [answer(record, revision, self.count)]

    def tick(self, now_ms: int, revision: int) -> Sequence[Record]:
        self.ticks += 1
        if self.ticks % 3:
            return ()
        return [
            Mood(
                room=ROOM, event_ts=0, ingest_ts=0, id="tally", revision=revision, messages=self.count, users=now_ms,
                negative_share=0, positive_share=0, arousal=0,
            )
        ]  # fmt: skip

    def dump(self) -> bytes:
        return msgspec.msgpack.encode((self.count, self.ticks))

    def load(self, data: bytes) -> None:
        self.count, self.ticks = msgspec.msgpack.decode(data)


DIRECT = Agent("echo", (topics.SALES,), Echo, "direct")
OUTBOX = Agent("tally", (topics.SALES, topics.SPEECH), Tally, "outbox")
