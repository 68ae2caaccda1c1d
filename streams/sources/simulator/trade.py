"""What is sold: clicks, carts, orders, payments, refunds and stock, in bursts after each call to action."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from streams.records import fen, yuan
from streams.sources.simulator import phrases
from streams.sources.simulator.chat import Talk
from streams.sources.simulator.crowd import Crowd
from streams.sources.simulator.plan import Planned, arrivals
from streams.sources.simulator.script import Act, Script
from streams.sources.simulator.truth import Totals

LAG_LEAST, LAG_SPREAD = 10_000, 50_000
STOCK = 500


@dataclass
class _Sums:
    orders: int = 0
    pays: int = 0
    quantity: int = 0
    gmv: int = 0
    refunds: int = 0
    refunded: int = 0
    carts: int = 0
    clicks: int = 0

    def totals(self) -> Totals:
        return Totals(**self.__dict__)


@dataclass
class Trade:
    """All sales of a room. ``after_call`` gives the orders that each call to action brought."""

    events: list[Planned] = field(default_factory=list)
    after_call: dict[int, list[Planned]] = field(default_factory=dict)
    orders: int = 0

    def totals(self) -> tuple[Totals, dict[str, Totals]]:
        """What was sold in all and by product."""
        every = _Sums()
        by_sku: dict[str, _Sums] = {}
        for event in self.events:
            for sums in (every, by_sku.setdefault(event.body["sku"], _Sums())):
                _add(sums, event.body)
        return every.totals(), {sku: sums.totals() for sku, sums in sorted(by_sku.items())}


def _add(sums: _Sums, body: dict[str, Any]) -> None:
    amount = fen(body.get("amount", "0"))
    match body["type"]:
        case "order":
            sums.orders += 1
        case "pay":
            sums.pays, sums.quantity, sums.gmv = sums.pays + 1, sums.quantity + body["quantity"], sums.gmv + amount
        case "refund":
            sums.refunds, sums.refunded = sums.refunds + 1, sums.refunded + amount
        case "cart":
            sums.carts += 1
        case "click":
            sums.clicks += 1


def trade(rng: Random, script: Script, crowd: Crowd, talk: Talk, rate: float) -> Trade:
    """Sell. Some buyers say so in chat, which goes into ``talk``."""
    done = Trade()
    size = max(rate, 4.0) / 15
    for act in script.acts:
        if act.complete:
            for _ in range(round((62 if act.moment else 14) * size * rng.uniform(0.9, 1.1))):
                at = act.call + LAG_LEAST + int(LAG_SPREAD * rng.betavariate(2.4, 2.8))
                if at < script.end:
                    done.after_call.setdefault(act.call, []).append(_buy(done, rng, script, crowd, talk, act, at))
    for at in arrivals(rng, 20_000, script.end, lambda _: 0.1 * size, 0.1 * size):
        act_on_air = script.on_air(at)
        if act_on_air is not None:
            _buy(done, rng, script, crowd, talk, act_on_air, at)
    for at in arrivals(rng, 20_000, script.end, lambda _: 0.25 * size, 0.25 * size):
        act_on_air = script.on_air(at)
        if act_on_air is not None:
            _note(done, at, "click", act_on_air.item.sku, user=crowd.one(rng, at))
    _count_stock(done, script)
    return done


def _note(done: Trade, at: int, kind: str, sku: str, **rest: Any) -> Planned:
    event = Planned(at, "sale", {"type": kind, "sku": sku, **rest})
    done.events.append(event)
    return event


def _buy(done: Trade, rng: Random, script: Script, crowd: Crowd, talk: Talk, act: Act, at: int) -> Planned:
    """One purchase with its clicks before and its payment, and sometimes its refund, after."""
    user = crowd.one(rng, at)
    sku, quantity = act.item.sku, rng.choices((1, 2, 3), weights=(80, 16, 4))[0]
    done.orders += 1
    bill = {"user": user, "quantity": quantity, "amount": yuan(act.price * quantity), "order": f"{done.orders:06d}"}
    for _ in range(rng.choice((1, 1, 2))):
        _note(done, max(0, at - rng.randrange(800, 9_000)), "click", sku, user=user)
    if rng.random() < 0.35:
        _note(done, max(0, at - rng.randrange(400, 5_000)), "cart", sku, user=user, quantity=quantity)
    order = _note(done, at, "order", sku, **bill)
    paid = at + rng.randrange(1_500, 14_000)
    if rng.random() < 0.88 and paid < script.end:
        _note(done, paid, "pay", sku, **bill)
        back = paid + rng.randrange(20_000, 90_000)
        if rng.random() < 0.05 and back < script.end:
            _note(done, back, "refund", sku, **bill)
    if rng.random() < 0.4 and paid < script.end:
        talk.say(min(paid + 600, script.end - 1), user, rng.choice(phrases.BOUGHT), "purchase")
    return order


def _count_stock(done: Trade, script: Script) -> None:
    """The stock of what is on air, told when it is shown and twice a minute after that."""
    for number, act in enumerate(script.acts):
        until = script.acts[number + 1].start if number + 1 < len(script.acts) else script.end
        for at in range(act.start, until, 30_000):
            sold = sum(
                event.body["quantity"]
                for event in done.events
                if event.body["type"] == "pay" and event.body["sku"] == act.item.sku and event.at <= at
            )
            _note(done, at, "stock", act.item.sku, quantity=max(0, STOCK - sold))
