from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.limits import Memory, Rates, Strangers, gunzip, peer_of
from streams.gateway.people import Pseudonyms
from streams.gateway.refused import RefusedError


def status(body: bytes, most: int) -> int:
    with pytest.raises(RefusedError) as caught:
        gunzip(body, most)
    return caught.value.status


def test_a_room_may_save_up_two_seconds_and_no_more() -> None:
    rates = Rates(10)
    assert rates.take("r", 20, 0) == 0
    assert rates.take("r", 1, 0) == 1
    assert rates.take("r", 20, 3_600_000) == 0
    assert rates.take("r", 1, 3_600_000) == 1


def test_a_request_larger_than_the_burst_gets_in_and_is_paid_off_afterwards() -> None:
    rates = Rates(10)
    assert rates.take("r", 120, 0) == 0
    assert rates.take("r", 1, 0) == 10
    assert rates.take("r", 1, 9_000) == 1
    assert rates.take("r", 1, 10_001) == 0


def test_rooms_do_not_pay_for_each_other() -> None:
    rates = Rates(10)
    rates.take("loud", 1000, 0)
    assert rates.take("quiet", 1, 0) == 0


def test_no_rate_is_no_limit() -> None:
    assert Rates(0).take("r", 10**9, 0) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    rates = Rates(10)
    rates.take("r", 20, 100_000)
    assert rates.take("r", 1, 0) == 1


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 300)), max_size=80))
def test_the_average_holds(requests: list[tuple[int, int]]) -> None:
    rates, now, taken, largest = Rates(50), 0, 0, 0
    for wait, messages in requests:
        now += wait
        if rates.take("r", messages, now) == 0:
            taken, largest = taken + messages, max(largest, messages)
    assert taken <= 100 + now / 1000 * 50 + largest


def test_gzip_is_expanded() -> None:
    assert gunzip(gzip.compress(b"events" * 1000), 6000) == b"events" * 1000


def test_a_bomb_is_not_expanded() -> None:
    assert status(gzip.compress(bytes(50 << 20)), 1 << 20) == 413


def test_what_is_no_whole_gzip_is_refused() -> None:
    whole = gzip.compress(b"events" * 1000)
    for body in (b"", b"events", whole[:-1], whole + b"x", whole + whole, zlib.compress(b"events")):
        assert status(body, 1 << 20) == 400


def test_bodies_together_are_bounded() -> None:
    memory = Memory(100)
    memory.take(60)
    with pytest.raises(RefusedError) as caught:
        memory.take(41)
    assert caught.value.status == 503
    memory.give_back(60)
    memory.take(100)


def refusal(strangers: Strangers, host: str, size: int = 0) -> int:
    with pytest.raises(RefusedError) as caught, strangers.admit(host) as budget:
        budget.take(size)
    return caught.value.status


def test_one_peer_of_unknown_senders_leaves_half_to_the_others() -> None:
    strangers = Strangers(100, 4)
    with strangers.admit("192.0.2.1") as one, strangers.admit("192.0.2.1"):
        one.take(50)
        assert refusal(strangers, "192.0.2.1") == 503
        assert refusal(strangers, "192.0.2.2", 51) == 503
        with strangers.admit("192.0.2.2") as other:
            other.take(50)
            assert refusal(strangers, "192.0.2.3", 1) == 503
    with strangers.admit("192.0.2.1") as again:
        again.take(50)


def test_unknown_senders_are_few_together() -> None:
    strangers = Strangers(100, 4)
    with (
        strangers.admit("192.0.2.1"), strangers.admit("192.0.2.2"), strangers.admit("192.0.2.3"), strangers.admit("192.0.2.4")
    ):  # fmt: skip
        assert refusal(strangers, "192.0.2.5") == 503


def test_what_an_unknown_sender_held_is_given_back_whatever_became_of_it() -> None:
    strangers = Strangers(100, 4)
    for _ in range(9):
        with strangers.admit("192.0.2.1") as budget:
            budget.take(30)
            budget.give_back(10)
        assert refusal(strangers, "192.0.2.1", 51) == 503
    with strangers.admit("192.0.2.1") as budget:
        budget.take(50)


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("2001:db8:1:2:9::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("", ""), ("unix", "unix"), ("fe80::1%eth0", "fe80::/64"),
    ],
)  # fmt: skip
def test_a_peer_is_an_address_or_a_network_of_one_customer(host: str, peer: str) -> None:
    assert peer_of(host) == peer


def test_a_pseudonym_is_the_same_everywhere_and_says_nothing() -> None:
    one, same, other = Pseudonyms("key"), Pseudonyms("key"), Pseudonyms("another key")
    assert one.of("张三") == same.of("张三") != other.of("张三")
    assert one.of("张三") != one.of("张四")
    assert len(one.of("张三")) == 16
    assert one.of("") == ""


def test_a_long_key_counts_whole() -> None:
    assert Pseudonyms("k" * 200).of("u") != Pseudonyms("k" * 199 + "x").of("u")
