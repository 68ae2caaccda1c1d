"""The client's half of the border's promises, against a gateway that does not make it easy."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

import httpx
import pytest

from streams.records import FatalError, RetryError
from streams.sources.posting import BACKOFF_S, Counts, Poster, Stopped
from tests.streams.sources.loopback import Clock, Loopback, listening, until


def line(id: int, kind: str = "chat") -> bytes:
    return json.dumps({"kind": kind, "id": str(id), "ts": 1_700_000_000_000, "user": "u", "text": "好"}).encode()


class Bench:
    """A poster, its gateway and its clock."""

    def __init__(self, gateway: Loopback, poster: Poster, clock: Clock, stop: asyncio.Event) -> None:
        self.gateway, self.poster, self.clock, self.stop = gateway, poster, clock, stop
        self.counts = Counts()

    async def post(self, *lines: bytes) -> Counts:
        await self.poster.post(list(lines), self.counts)
        return self.counts


@asynccontextmanager
async def bench(moods: list[str] | None = None, most_lines: int = 1000, patience_s: float = 600) -> AsyncIterator[Bench]:
    clock, stop = Clock(), asyncio.Event()
    gateway = Loopback(clock, moods, most_lines)
    async with listening(gateway) as url, httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.3), trust_env=False) as client:
        poster = Poster(
            client, url, "room:1", "lt_key", "tape", stop=stop, sleep=clock.sleep, clock=clock, patience_s=patience_s
        )
        yield Bench(gateway, poster, clock, stop)


async def test_what_is_sent() -> None:
    async with bench() as b:
        await b.post(line(1), line(2))
        request, headers, lines = b.gateway.requests[0]
        assert request.startswith("POST /v1/rooms/room%3A1/events?source=tape&clock=replay ")
        assert headers["authorization"] == "Bearer lt_key"
        assert headers["content-type"] == "application/x-ndjson"
        assert lines == [line(1), line(2)]


async def test_counts_of_a_mixed_answer() -> None:
    async with bench() as b:
        counts = await b.post(line(1), b'{"no": "id"}', line(1), line(2), b"[broken")
        assert (counts.accepted, counts.duplicates, counts.rejected) == (2, 1, 2)
        assert counts.reasons == {"not an event": 2}
        assert counts.first == ['not an event: {"no": "id"}', "not an event: [broken"]


@pytest.mark.parametrize("mood", ["429", "503", "500", "502", "drop", "swallow", "hang", "half"])
async def test_every_trouble_ends_with_each_event_taken_once(mood: str) -> None:
    async with bench([mood, mood, "ok"]) as b:
        counts = await b.post(line(1), line(2), line(3))
        assert b.gateway.order == {"chat": ["1", "2", "3"]}
        assert counts.accepted + counts.duplicates == 3
        assert counts.duplicates == (3 if mood in {"swallow", "half"} else 0)
        assert counts.sent_again == 6
        assert b.clock.slept == list(BACKOFF_S[:2])


@pytest.mark.parametrize(
    ("value", "wait"),
    [("3", 3.0), ("0", 0.05), ("-5", 0.05), ("1.5", 1.5), ("100000", 60.0), ("nan", BACKOFF_S[0]), ("soon", BACKOFF_S[0])],
)
async def test_retry_after_is_obeyed_within_reason(value: str, wait: float) -> None:
    async with bench([f"429 Retry-After: {value}"]) as b:
        await b.post(line(1))
        assert b.clock.slept == [wait]


async def test_retry_after_may_be_a_date() -> None:
    async with bench() as b:
        b.gateway.moods.append(f"503 Retry-After: {formatdate(b.clock.now / 1000 + 7, usegmt=True)}")
        await b.post(line(1))
        assert b.clock.slept == [7.0]


async def test_patience_ends_with_a_message_that_says_how_to_go_on() -> None:
    async with bench(["503"] * 50, patience_s=20) as b:
        with pytest.raises(RetryError, match="--resume"):
            await b.post(line(1))
        assert sum(b.clock.slept) <= 20
        assert b.counts.accepted == 0


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "405"])
async def test_what_sending_again_cannot_mend_is_fatal(status: str) -> None:
    async with bench([status]) as b:
        with pytest.raises(FatalError, match=f"{status}: as asked"):
            await b.post(line(1))
        assert len(b.gateway.requests) == 1


async def test_a_422_about_the_request_is_fatal() -> None:
    async with bench(["422"]) as b:
        with pytest.raises(FatalError, match="422"):
            await b.post(line(1))


async def test_a_422_about_the_events_counts_them() -> None:
    async with bench() as b:
        b.gateway.answer = b'{"accepted": 0, "duplicates": 0, "rejected": [{"index": 0, "reason": "no kind"}], "error": "x"}'
        assert (await b.post(b"{}")).reasons == {"no kind": 1}


async def test_an_answer_for_another_number_of_events_is_fatal() -> None:
    async with bench() as b:
        b.gateway.answer = b'{"accepted": 1, "duplicates": 0, "rejected": []}'
        with pytest.raises(FatalError, match="another number"):
            await b.post(line(1), line(2))


async def test_another_server_is_found_out() -> None:
    async with bench() as b:
        b.gateway.answer = b"<html>welcome</html>"
        with pytest.raises(FatalError, match="202"):
            await b.post(line(1))


async def test_requests_that_are_too_large_are_halved_in_order() -> None:
    async with bench(most_lines=3) as b:
        counts = await b.post(*(line(n) for n in range(10)))
        assert counts.accepted == 10
        assert b.gateway.order["chat"] == [str(n) for n in range(10)]


async def test_a_line_that_is_too_large_by_itself_is_refused_and_named() -> None:
    async with bench(["413", "413", "ok"]) as b:
        counts = await b.post(line(1), line(2))
        assert (counts.accepted, counts.rejected) == (1, 1)
        assert "too large" in counts.first[0]


async def test_lines_that_would_break_the_framing_stay_here() -> None:
    async with bench() as b:
        counts = await b.post(b"", b"  ", b'{"a":\n1}', line(1))
        assert b.gateway.requests[0][2] == [line(1)]
        assert (counts.accepted, counts.rejected) == (1, 3)


async def test_stop_ends_the_waiting() -> None:
    async with bench(["503"] * 1000, patience_s=1e9) as b:
        posting = asyncio.ensure_future(b.post(line(1)))
        await until(lambda: len(b.gateway.requests) > 3)
        b.stop.set()
        with pytest.raises(Stopped):
            await posting


async def test_no_gateway_at_all_is_waited_for() -> None:
    async with bench() as b:
        url = str(b.poster._url)
    clock = Clock()
    async with httpx.AsyncClient(trust_env=False) as client:
        poster = Poster(
            client, url.split("/v1/")[0], "r", "k", "s", stop=asyncio.Event(), sleep=clock.sleep, clock=clock, patience_s=3
        )
        with pytest.raises(RetryError, match="ConnectError"):
            await poster.post([line(1)], Counts())
