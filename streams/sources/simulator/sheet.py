"""Filling in the answer sheet of a simulated room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from streams.sources.simulator import phrases
from streams.sources.simulator.opinion import RULE, evidence
from streams.sources.simulator.plan import Planned
from streams.sources.simulator.questions import FAMILIES
from streams.sources.simulator.truth import (
    Asked,
    Decoy,
    ExpectedAlert,
    Family,
    ForbiddenAlert,
    PlantedMoment,
    PlantedParagraph,
    Spoken,
    Truth,
)
from streams.sources.simulator.video import law

if TYPE_CHECKING:
    from streams.sources.simulator.room import Simulation

BEFORE, AFTER = 18_000, 12_000


def truth(room: Simulation) -> Truth:
    """The whole sheet."""
    planned, delivery = room.planned, room.delivery
    totals, by_sku = room.trade.totals()
    return Truth(
        seed=room.seed,
        minutes=room.minutes,
        base_ts=room.base_ts,
        end_ts=room.end_ts,
        skew_ms=room.skew_ms,
        events=_counts(event.kind for event in planned),
        chat_by_class=_counts(event.role for event in planned if event.kind == "chat"),
        sales_by_type=_counts(event.body["type"] for event in planned if event.kind == "sale"),
        viewers_by_type=_counts(event.body["type"] for event in planned if event.kind == "viewer"),
        sent=len(delivery.lines),
        duplicates=delivery.duplicates,
        disordered=delivery.disordered,
        late=delivery.late,
        poison=delivery.poison,
        sales=totals,
        sales_by_sku=by_sku,
        products=sorted({act.item.sku for act in room.script.acts}),
        speech=_speech(room),
        paragraphs=_paragraphs(room),
        families=_families(room),
        alerts_expected=_expected(room),
        alerts_forbidden=_forbidden(room),
        moments=_moments(room),
        decoys=_decoys(room),
        video=law(room.seed, room.base_ts, room.length),
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _speech(room: Simulation) -> list[Spoken]:
    base = room.base_ts
    return [
        Spoken(start_ts=base + said.start, end_ts=base + said.end, text=said.text, sku=said.sku, stage=said.stage)
        for said in room.script.sentences
    ]


def _paragraphs(room: Simulation) -> list[PlantedParagraph]:
    base = room.base_ts
    return [
        PlantedParagraph(
            sku=act.item.sku,
            start_ts=base + act.start,
            end_ts=base + act.end,
            complete=act.complete,
            stages={stage: base + start for stage, start in act.stages.items()},
            call_ts=base + act.call if act.complete else 0,
        )
        for act in room.script.acts
    ]


def _families(room: Simulation) -> list[Family]:
    pairs = {act.item.sku: act.item.pairs for act in room.script.acts}
    families = []
    for name, asked in sorted(room.talk.questions.items()):
        rows = [
            Asked(
                id=message.id,
                ts=room.base_ts + message.at,
                text=message.body["text"],
                sku=sku,
                faq=pairs.get(sku, {}).get(name, ("", ""))[0],
            )
            for message, sku in sorted(asked, key=lambda row: row[0].at)
        ]
        families.append(Family(name=name, wordings=len(FAMILIES[name]), asked=rows))
    return families


def _expected(room: Simulation) -> list[ExpectedAlert]:
    chat = [event for event in room.planned if event.kind == "chat"]
    alerts = []
    for rise in room.rises:
        completes = evidence(rise, chat)
        if completes is not None:
            alerts.append(
                ExpectedAlert(
                    topic=rise.topic,
                    words=phrases.COMPLAINTS[rise.topic]["ways"],
                    speed=rise.speed,
                    onset_ts=room.base_ts + rise.onset,
                    end_ts=room.base_ts + rise.end,
                    evidence_ts=room.base_ts + completes.at,
                    evidence_id=completes.id,
                    rule=RULE,
                    users=len({message.body["user"] for message in rise.messages}),
                    messages=[message.id for message in rise.messages],
                )
            )
    return alerts


def _forbidden(room: Simulation) -> list[ForbiddenAlert]:
    floods = [
        (flood.reason, flood.word, flood.start, flood.end, flood.messages)
        for flood in room.talk.floods
        if flood.reason == "promotion"
    ]
    lone = [("one spammer", phrases.SPAM[0], one.start, one.end, one.messages) for one in room.spammers]
    return [
        ForbiddenAlert(
            reason=reason,
            word=word,
            start_ts=room.base_ts + start,
            end_ts=room.base_ts + end,
            users=len({message.body["user"] for message in messages}),
            messages=[message.id for message in messages],
        )
        for reason, word, start, end, messages in (*floods, *lone)
    ]


def _moments(room: Simulation) -> list[PlantedMoment]:
    base = room.base_ts
    moments = []
    for act in room.script.acts:
        excited, orders = room.talk.excited.get(act.call, []), room.trade.after_call.get(act.call, [])
        if act.moment and excited and orders:
            moments.append(
                PlantedMoment(
                    sku=act.item.sku,
                    peak_ts=base + act.call,
                    start_ts=base + max(0, act.call - BEFORE),
                    end_ts=base + act.call + AFTER,
                    chat_peak_ts=base + _peak(excited),
                    order_peak_ts=base + _peak(orders),
                    messages=len(excited),
                    orders=len(orders),
                )
            )
    return moments


def _peak(events: list[Planned]) -> int:
    """The middle of the ten seconds that hold most events."""
    times = sorted(event.at for event in events)
    best = max(times, key=lambda start: sum(start <= at < start + 10_000 for at in times))
    return best + 5_000


def _decoys(room: Simulation) -> list[Decoy]:
    return [
        Decoy(
            reason=flood.reason,
            start_ts=room.base_ts + flood.start,
            end_ts=room.base_ts + flood.end,
            messages=len(flood.messages),
        )
        for flood in room.talk.floods
        if flood.reason != "promotion"
    ]
