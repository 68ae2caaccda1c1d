from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.dedupe import Dedupe
from streams.gateway.seen import Seen
from streams.gateway.tickets import Receipt, Ticket
from streams.records import RetryError


def test_recent_keeps_a_key_for_its_horizon_and_not_for_twice_that() -> None:
    recent = Seen(1000, 10)
    recent.turn(5000)
    recent.add(b"a", 5000)
    recent.turn(5999)
    assert b"a" in recent
    recent.turn(6000)
    assert b"a" in recent
    recent.turn(7000)
    assert b"a" not in recent


def test_recent_forgets_all_after_a_long_silence() -> None:
    recent = Seen(1000, 10)
    recent.turn(1)
    recent.add(b"a", 1)
    recent.turn(1_000_000)
    assert b"a" not in recent
    assert len(recent) == 0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30)), max_size=200))
def test_recent_is_bounded_and_remembers_at_least_its_limit_or_horizon(steps: list[tuple[int, int]]) -> None:
    recent, now, added = Seen(1000, 8), 1, dict[bytes, tuple[int, int]]()
    for count, (wait, number) in enumerate(steps):
        now += wait
        key = str(number).encode()
        recent.turn(now)
        if key not in recent:
            recent.add(key, now)
            added[key] = (now, len(added) + count)
        assert len(recent) <= 16
        younger = sorted((when for when, _ in added.values()), reverse=True)
        for other, (when, _) in added.items():
            if now - when < 1000 and sum(w >= when for w in younger) <= 8:
                assert other in recent


def test_keys_differ_by_room_source_kind_and_id() -> None:
    dedupe = Dedupe()
    keys = {
        dedupe.keys(room, source, kind)(identity)
        for room in ("r", "rs")
        for source in ("s", "")
        for kind in ("chat", "sale")
        for identity in ("1", "s1")
    }
    assert len(keys) == 16
    assert dedupe.keys("r", "s", "chat")("1") == dedupe.keys("r", "s", "chat")("1")
    assert Dedupe().keys("r", "s", "chat")("1") != dedupe.keys("r", "s", "chat")("1")


async def test_an_event_counts_as_seen_only_when_it_is_acknowledged() -> None:
    dedupe, ticket = Dedupe(), Ticket()
    key = dedupe.keys("r", "s", "chat")("1")
    dedupe.claim(key, ticket)
    assert not dedupe.seen(key)
    assert dedupe.pending(key) is ticket
    dedupe.settle(ticket, None)
    assert dedupe.seen(key)
    assert dedupe.pending(key) is None


async def test_an_event_that_failed_may_come_again() -> None:
    dedupe, ticket = Dedupe(), Ticket()
    key = dedupe.keys("r", "s", "chat")("1")
    dedupe.claim(key, ticket)
    dedupe.settle(ticket, RetryError("gone"))
    assert not dedupe.seen(key)
    assert dedupe.pending(key) is None


async def test_a_receipt_is_settled_by_its_last_ticket() -> None:
    receipt, one, two = Receipt(), Ticket(), Ticket()
    one.join(receipt)
    one.join(receipt)
    two.join(receipt)
    waiting = asyncio.ensure_future(receipt.wait(10))
    one.settle(None)
    await asyncio.sleep(0)
    assert not waiting.done()
    two.settle(None)
    await waiting


async def test_one_failed_ticket_fails_the_receipt_after_all_are_settled() -> None:
    receipt, one, two = Receipt(), Ticket(), Ticket()
    one.join(receipt)
    two.join(receipt)
    one.settle(RetryError("gone"))
    two.settle(None)
    with pytest.raises(RetryError, match="gone"):
        await receipt.wait(10)


async def test_a_receipt_does_not_wait_for_ever() -> None:
    receipt, ticket = Receipt(), Ticket()
    ticket.join(receipt)
    with pytest.raises(RetryError, match=r"within 0\.01 s"):
        await receipt.wait(0.01)
    ticket.settle(None)  # an acknowledgement that nobody waits for any more does no harm


async def test_a_receipt_without_tickets_waits_for_nothing() -> None:
    await Receipt().wait(0)
