from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.packer import Packer
from streams.gateway.tickets import Ticket
from streams.records import Chat, DanmakuEnvelope
from tests.support.gateway import until

Sent = list[tuple[DanmakuEnvelope, Ticket]]


def message(number: int, ts: int = 0) -> Chat:
    return Chat(str(number), ts or number, "u", "t")


def ids(sent: Sent) -> list[list[str]]:
    return [[chat.id for chat in envelope.messages] for envelope, _ in sent]


async def test_an_envelope_goes_when_it_is_full_and_the_rest_when_flushed() -> None:
    sent: Sent = []
    packer = Packer(lambda envelope, ticket: sent.append((envelope, ticket)), messages=4)
    tickets = [packer.add("r", "s", message(number), 100) for number in range(10)]
    assert ids(sent) == [["0", "1", "2", "3"], ["4", "5", "6", "7"]]
    packer.flush("r", "s")
    assert ids(sent)[2] == ["8", "9"]
    assert [tickets.index(ticket) for _, ticket in sent] == [0, 4, 8]
    packer.flush("r", "s")
    assert len(sent) == 3


async def test_an_envelope_goes_without_company_when_it_has_waited() -> None:
    sent: Sent = []
    packer = Packer(lambda envelope, ticket: sent.append((envelope, ticket)), wait_s=0.01)
    packer.add("r", "s", message(1), 100)
    packer.wait("r", "s")
    packer.add("r", "s", message(2), 150)
    packer.wait("r", "s")
    assert not sent
    await until(lambda: bool(sent))
    assert ids(sent) == [["1", "2"]]
    assert sent[0][0].ingest_ts == 100


async def test_a_full_envelope_takes_its_timer_with_it() -> None:
    sent: Sent = []
    packer = Packer(lambda envelope, ticket: sent.append((envelope, ticket)), messages=2, wait_s=0.01)
    packer.add("r", "s", message(1), 100)
    packer.wait("r", "s")
    packer.add("r", "s", message(2), 100)
    packer.add("r", "s", message(3), 100)
    assert ids(sent) == [["1", "2"]]
    packer.wait("r", "s")
    await until(lambda: len(sent) == 2)
    assert ids(sent) == [["1", "2"], ["3"]]


async def test_an_envelope_has_the_newest_time_of_its_messages() -> None:
    sent: Sent = []
    packer = Packer(lambda envelope, ticket: sent.append((envelope, ticket)))
    for ts in (50, 90, 70):
        packer.add("r", "s", message(ts, ts), 100)
    packer.flush_all()
    assert (sent[0][0].event_ts, sent[0][0].room, sent[0][0].source) == (90, "r", "s")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), max_size=60), st.integers(1, 7))
def test_nothing_is_lost_mixed_or_disordered(who: list[tuple[str, str]], size: int) -> None:
    sent: Sent = []
    packer = Packer(lambda envelope, ticket: sent.append((envelope, ticket)), messages=size)
    for number, (room, source) in enumerate(who):
        packer.add(room, source, message(number), 0)
    packer.flush_all()
    for room in "ab":
        for source in "xy":
            of = [
                chat.id
                for envelope, _ in sent
                if (envelope.room, envelope.source) == (room, source)
                for chat in envelope.messages
            ]
            assert of == [str(number) for number, one in enumerate(who) if one == (room, source)]
    assert all(1 <= len(envelope.messages) <= size for envelope, _ in sent)
