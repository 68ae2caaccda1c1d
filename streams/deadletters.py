"""Dead letters: read them, and send what they hold back to where it came from.

A letter is replayed to the one stage that had buried it (a header says so), since all others have had the record. What was
replayed is marked by a letter of the stage ``replay``, so that a second replay does not send it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.kafka import Cluster
from streams.publisher import Publisher
from streams.reach import admin_client
from streams.records import REPLAY_HEADER, DeadLetter, InvalidError, RetryError
from streams.topics import DEADLETTER, TOPICS

TIMEOUT_S = 10.0
REPLAY = "replay"
GATEWAY = "gateway"


class Letter(NamedTuple):
    """A dead letter and where it lies itself. ``replayed`` when it has been sent back."""

    partition: int
    offset: int
    letter: DeadLetter
    replayed: bool


@dataclass(frozen=True)
class Filter:
    """Which letters are meant: all that fit every given part. ``reason`` is a part of the reason; times are epoch ms."""

    topic: str = ""
    stage: str = ""
    reason: str = ""
    since_ms: int = 0
    until_ms: int = 2**62

    def fits(self, letter: DeadLetter) -> bool:
        return (
            (not self.topic or letter.topic == self.topic)
            and (not self.stage or letter.stage == self.stage)
            and self.reason in letter.reason
            and self.since_ms <= letter.failed_ts < self.until_ms
        )


@dataclass
class Outcome:
    """What a replay did, or would do. ``refused`` says why letters stay, by reason."""

    replayed: int
    refused: dict[str, int]

    def refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1


def read_letters(cluster: Cluster, which: Filter = Filter()) -> list[Letter]:
    """The letters that fit, each once however often it was said, in the order in which they were buried."""
    found: dict[tuple[str, int, int, str, str, bytes], Letter] = {}
    replayed: set[tuple[str, int, int, str]] = set()
    for message in _all(cluster):
        try:
            letter: DeadLetter = DEADLETTER.decode(message.value())
        except InvalidError:
            continue  # whatever is no letter is not ours to show
        if letter.stage == REPLAY:
            replayed.add((letter.topic, letter.partition, letter.offset, letter.reason))
        elif which.fits(letter):
            identity = (
                letter.topic,
                letter.partition,
                letter.offset,
                letter.stage,
                letter.room,
                b"" if letter.offset >= 0 else letter.value,
            )
            place = Letter(message.partition() or 0, message.offset() or 0, letter, False)
            found.setdefault(identity, place)
    return [place._replace(replayed=_mark(place.letter) in replayed) for place in found.values()]


def replay(cluster: Cluster, letters: Iterable[Letter], *, again: bool = False) -> Outcome:
    """Send the original bytes back to their topic and partition, under their key, for the stage that had buried them.

    What the gateway refused never was in a topic: it must be corrected and sent through the gateway again, so it stays.
    Raises ``RetryError`` when Kafka did not take everything; sending again is then right.
    """
    publisher = Publisher(cluster)
    going, outcome = sort_out(letters, again=again)
    for letter in going:
        header = (REPLAY_HEADER, letter.stage.encode())
        publisher.put(letter.topic, letter.partition, letter.key or None, letter.value, [header])
    publisher.flush()
    for letter in going:  # after the flush: a mark without its record would hide a loss
        publisher.send(
            DeadLetter(
                topic=letter.topic, partition=letter.partition, offset=letter.offset, reason=letter.stage, stage=REPLAY,
                failed_ts=letter.failed_ts, room=letter.room,
            )
        )  # fmt: skip
    publisher.flush()
    return outcome


def sort_out(letters: Iterable[Letter], *, again: bool = False) -> tuple[list[DeadLetter], Outcome]:
    """Which letters a replay sends, and what it will say of all of them. Sends nothing."""
    going: list[DeadLetter] = []
    outcome = Outcome(0, {})
    for place in letters:
        if why := _refusal(place, again):
            outcome.refuse(why)
        else:
            going.append(place.letter)
    outcome.replayed = len(going)
    return going, outcome


def _refusal(place: Letter, again: bool) -> str | None:
    letter = place.letter
    if letter.offset < 0 or letter.stage == GATEWAY:
        return "refused at the gateway: correct the event and send it through the gateway again"
    if letter.cut:
        return "only the beginning of its bytes is kept: they were more than a dead letter takes"
    if letter.topic not in TOPICS:
        return f"{letter.topic} is no topic of this product"
    if place.replayed and not again:
        return "replayed before"
    return None


def _mark(letter: DeadLetter) -> tuple[str, int, int, str]:
    return letter.topic, letter.partition, letter.offset, letter.stage


def _all(cluster: Cluster) -> Iterator[Message]:
    """Everything in the dead-letter topic as of now."""
    admin_client(cluster, TIMEOUT_S)  # says clearly why it is not let in
    consumer = Consumer(cluster.client(group_id="livetide-deadletters", enable_auto_commit=False, auto_offset_reset="earliest"))
    try:
        known = consumer.list_topics(DEADLETTER.name, timeout=TIMEOUT_S).topics[DEADLETTER.name].partitions
        for partition in sorted(known):
            place = TopicPartition(DEADLETTER.name, partition)
            first, end = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
            place.offset = first
            consumer.assign([place])
            at = first
            while at < end:
                message = consumer.poll(TIMEOUT_S)
                if message is None or message.error():
                    raise RetryError(f"{DEADLETTER.name}-{partition} does not answer at offset {at}: is Kafka running?")
                at = (message.offset() or 0) + 1
                yield message
    except KafkaException as error:
        raise RetryError(f"Kafka does not answer: {error.args[0].str()}") from error
    finally:
        consumer.close()
