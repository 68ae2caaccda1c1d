"""A simulated room: a seeded live room of any length whose every event is planned, with the answer sheet beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from streams.records import InvalidError, yuan
from streams.segments import SegmentStore
from streams.sources.base import Event
from streams.sources.media_feed import Sender, StoredFeed
from streams.sources.simulator import sheet
from streams.sources.simulator.catalogue import ITEMS
from streams.sources.simulator.chat import Talk, chat
from streams.sources.simulator.crowd import Crowd
from streams.sources.simulator.faults import Delivery, deliver
from streams.sources.simulator.opinion import Rise, Spammer, rises, spammers
from streams.sources.simulator.plan import Planned
from streams.sources.simulator.script import Script, write_script
from streams.sources.simulator.trade import Trade, trade
from streams.sources.simulator.truth import Truth, write_truth
from streams.sources.simulator.video import Progress, law, render

LEAST_MINUTES, MOST_MINUTES = 0.25, 12 * 60
MOST_RATE = 200
MOST_MESSAGES = 500_000  # a room is planned as a whole, in memory


class Simulation:
    """An opened ``sim:SEED``. The same arguments always give the same bytes; nothing here reads a clock.

    ``rate`` is the mean of chat messages a second. ``skew_ms`` makes the source's own clock wrong by that much (the events
    still arrive on the true clock); the demo leaves it at 0.
    """

    def __init__(self, seed: int, minutes: float, base_ts: int, rate: float, skew_ms: int) -> None:
        self.seed, self.minutes, self.base_ts, self.rate, self.skew_ms = seed, minutes, base_ts, rate, skew_ms
        self.dialect = f"a simulated room of {minutes:g} minutes, seed {seed}"
        self.length = int(minutes * 60_000)
        self.end_ts = base_ts + self.length
        self.script: Script = write_script(self._random("script"), self.length)
        for act in self.script.acts:  # a moment must have time for its orders
            act.moment = act.moment and act.call > 0 and act.call + 60_000 <= self.length

    def _random(self, part: str) -> Random:
        """Each part draws from its own generator, so that a change in one moves nothing in another."""
        return Random(f"livetide:{self.seed}:{part}")  # noqa: S311 # a simulation must be reproducible, not secret

    @cached_property
    def crowd(self) -> Crowd:
        """Who comes and goes."""
        return Crowd(self._random("crowd"), self.length, self.rate)

    @cached_property
    def talk(self) -> Talk:
        """What is written of itself; complete once :attr:`trade` has been made."""
        return chat(self._random("chat"), self.script, self.crowd, self.rate)

    @cached_property
    def trade(self) -> Trade:
        """What is sold."""
        return trade(self._random("trade"), self.script, self.crowd, self.talk, self.rate)

    @cached_property
    def rises(self) -> list[Rise]:
        """The complaints of many."""
        return rises(self._random("rises"), self.crowd, self.length, self.rate)

    @cached_property
    def spammers(self) -> list[Spammer]:
        """The complaints of one."""
        return spammers(self._random("spam"), self.crowd, self.length)

    @cached_property
    def planned(self) -> list[Planned]:
        """Every event once, in order of its time, with its id."""
        events = [*self.trade.events, *self.talk.messages, *self.crowd.events]
        events += [message for rise in self.rises for message in rise.messages]
        events += [message for spammer in self.spammers for message in spammer.messages]
        events += [
            Planned(said.start, "speech", {"end": said.end, "text": said.text}, said.stage) for said in self.script.sentences
        ]
        events += _sheets(self.script)
        events.sort(key=lambda event: event.at)
        numbers: Counter[str] = Counter()
        for event in events:
            numbers[event.kind] += 1
            event.id = f"{self.seed}.{self.base_ts:x}.{event.kind}.{numbers[event.kind]}"
            if "order" in event.body:
                event.body["order"] = f"{self.seed}.{self.base_ts:x}.{event.body['order']}"
        return events

    @cached_property
    def delivery(self) -> Delivery:
        """The lines as they arrive."""
        return deliver(self._random("faults"), self.planned, self.base_ts, self.length, self.skew_ms)

    def events(self) -> Iterator[Event]:
        """Border events in order of arrival, with repeats, disorder, lateness and poison."""
        return iter(self.delivery.lines)

    def truth(self) -> Truth:
        """What was planted."""
        return sheet.truth(self)

    def write_truth(self, path: Path) -> None:
        """Write the answer sheet as JSON."""
        write_truth(self.truth(), path)

    def media(self, store: SegmentStore, publisher: Sender, room: str, progress: Progress | None = None) -> StoredFeed:
        """Render the room's video into the store (once for a seed and length) and publish it as the replay's clock passes."""
        stream = law(self.seed, self.base_ts, self.length).stream
        return StoredFeed(publisher, room, stream, self.base_ts, render(stream, self.script, store, room, progress))


def _sheets(script: Script) -> list[Planned]:
    """Every product of the room is shown once at the start, and pinned when its turn comes."""
    events = []
    used = {act.item.sku for act in script.acts}
    for number, item in enumerate(ITEMS):
        if item.sku in used:
            price = script.prices[item.sku]
            words = {"price": yuan(price).removesuffix(".00")}
            faq = [{"question": question, "answer": answer.format_map(words)} for question, answer in item.pairs.values()]
            body: dict[str, Any] = {"sku": item.sku, "name": item.name, "price": yuan(price)}
            body |= {"attributes": item.attributes, "faq": faq}
            events.append(Planned(200 + 40 * number, "product", {"type": "show", **body}))
            events += [Planned(act.start, "product", {"type": "pin", **body}) for act in script.acts if act.item is item]
    return events


def open_simulation(seed: int, *, minutes: float = 6, base_ts: int, rate: float = 15, skew_ms: int = 0) -> Simulation:
    """Open ``sim:SEED``: a room that starts at ``base_ts`` (epoch ms) and lasts ``minutes``."""
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise InvalidError(f"a simulated room of {minutes:g} minutes: give {LEAST_MINUTES} to {MOST_MINUTES} minutes")
    if not 1 <= rate <= MOST_RATE:
        raise InvalidError(f"a simulated room with {rate:g} messages a second: give 1 to {MOST_RATE}")
    if minutes * 60 * rate > MOST_MESSAGES:
        raise InvalidError(
            f"a simulated room of {minutes * 60 * rate:,.0f} messages: make it shorter or calmer, {MOST_MESSAGES:,} at most"
        )
    return Simulation(seed, minutes, base_ts, rate, skew_ms)
