"""A receiver that takes its time with one alert, and what becomes of the others meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from livetide.delivery.outbox import Outbox
from livetide.delivery.sender import AT_ONCE, Sender
from livetide.delivery.webhook import Webhook
from livetide.metrics import PrometheusMeter
from streams.records import Alert

SECRET = "whsec_bWFkZSBmb3IgdGhlIHRlc3RzIG9ubHk="
NOW = 1_700_000_000_000


def alert(identity: str) -> Alert:
    return Alert(
        room="r", event_ts=NOW, ingest_ts=NOW, id=identity, revision=2, topic="quality", level=1, state="firing",
        started_ts=NOW, evidence_ts=NOW, score=3.0, share=0.1, baseline=0.01, messages=4, users=4, examples=[],
    )  # fmt: skip


class Dripping:
    """A receiver on loopback that answers ``slow`` alerts a byte at a time, without an end, and takes all others at once.

    ``before`` says what it drips: the head of the answer, or the body behind a good status.
    """

    def __init__(self, before: bytes) -> None:
        self.came: list[str] = []
        self.over = Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.came.append(told["groupKey"])
                if not told["groupKey"].startswith("slow"):
                    self.send_response(204)
                    self.end_headers()
                    return
                self.wfile.write(before)
                while not outer.over.wait(0.05):
                    self.wfile.write(b"x")

            def handle(self) -> None:
                with suppress(ConnectionError):  # the sender has had enough
                    super().handle()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


HEAD = b"HTTP/1.1 200 OK\r\nx-slowly: "
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    receiver = Dripping(request.param)
    yield receiver
    receiver.over.set()
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "webhook.db")


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def running(sender: Sender) -> Iterator[None]:
    stop = Event()
    thread = threading.Thread(target=sender.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def webhook_to(receiver: Dripping, deadline_s: float) -> Webhook:
    return Webhook(
        receiver.url, SECRET, "http://127.0.0.1:1", PrometheusMeter(), lambda: NOW,
        lambda: httpx.AsyncClient(trust_env=False), deadline_s=deadline_s,
    )  # fmt: skip


@pytest.mark.parametrize("receiver", [HEAD], indirect=True)
def test_one_slow_answer_holds_up_no_other_alert(receiver: Dripping, outbox: Outbox) -> None:
    outbox.put(alert("slow"), 0, 0)
    with running(Sender(outbox, webhook_to(receiver, 600.0).send, lambda *_: None, lambda: NOW)):
        until(lambda: receiver.came == ["slow"])
        for number in range(3 * AT_ONCE):
            outbox.put(alert(f"a{number}"), 0, number + 1)
        until(lambda: len(receiver.came) == 1 + 3 * AT_ONCE)
        until(lambda: [one.alert.id for one in outbox.due(NOW, 2)] == ["slow"])
        receiver.over.set()


@pytest.mark.parametrize("receiver", [HEAD], indirect=True)
def test_an_answer_that_drips_ends_at_the_deadline_and_is_tried_again(receiver: Dripping, outbox: Outbox) -> None:
    outbox.put(alert("slow"), 0, 0)
    with running(Sender(outbox, webhook_to(receiver, 0.5).send, lambda *_: None, lambda: NOW)):
        until(lambda: outbox.due(NOW, 1) == [])
    (left,) = outbox.due(NOW + 60_000, 10)
    assert (left.alert.id, left.tries, receiver.came) == ("slow", 1, ["slow"])


@pytest.mark.parametrize("receiver", [BODY], indirect=True)
def test_the_status_is_enough(receiver: Dripping, outbox: Outbox) -> None:
    for number in range(AT_ONCE + 1):
        outbox.put(alert(f"slow{number}"), 0, number)
    with running(Sender(outbox, webhook_to(receiver, 20.0).send, lambda *_: None, lambda: NOW)):
        until(lambda: outbox.due(NOW + 60_000, 1) == [])
    assert sorted(receiver.came) == sorted(f"slow{number}" for number in range(AT_ONCE + 1))


def test_an_attempt_that_hangs_is_not_alive_and_the_others_go_on(outbox: Outbox) -> None:
    entered, go_on, at, taken = Event(), Event(), [0.0], list[str]()

    def send(one: Alert) -> None:
        if one.id == "hangs":
            entered.set()
            go_on.wait(30)
        taken.append(one.id)

    sender = Sender(outbox, send, lambda *_: None, lambda: NOW, stall_s=60, now=lambda: at[0])
    assert sender.alive() is None
    outbox.put(alert("hangs"), 0, 0)
    with running(sender):
        assert entered.wait(30)
        assert sender.alive() is None
        at[0] += 61
        outbox.put(alert("another"), 0, 1)
        until(lambda: taken == ["another"])
        until(lambda: "the delivery of hangs has not come back for 61 s" in str(sender.alive()))
        go_on.set()
        until(lambda: sender.alive() is None)
    at[0] += 1_000
    assert sender.alive() is None  # it has ended, and was not hung
