from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from livetide.delivery.payload import neutral
from livetide.delivery.webhook import GIVE_UP_MS, Webhook
from livetide.metrics import PrometheusMeter
from streams.records import Alert, InvalidError, RetryError

SECRET = "whsec_bWFkZSBmb3IgdGhlIHRlc3RzIG9ubHk="


class Receiver:
    """A real receiver on loopback that answers as it is told and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def now() -> list[int]:
    import time

    return [int(time.time() * 1000)]


@pytest.fixture
def webhook(receiver: Receiver, now: list[int]) -> Webhook:
    return Webhook(receiver.url, SECRET, "http://127.0.0.1:1", PrometheusMeter(), lambda: now[0], httpx.AsyncClient)


def alert(now: list[int], **changes: object) -> Alert:
    values: dict[str, object] = {
        "room": "r",
        "event_ts": now[0],
        "ingest_ts": now[0],
        "id": "alert:r:counterfeit:1",
        "revision": 9,
        "topic": "counterfeit",
        "level": 2,
        "state": "firing",
        "started_ts": now[0] - 4000,
        "evidence_ts": now[0] - 200,
        "score": 4.2,
        "share": 0.08,
        "baseline": 0.002,
        "messages": 12,
        "users": 9,
        "examples": ["假货退钱 @all", "<b>假货</b>"],
    }
    return Alert(**values | changes)  # type: ignore[arg-type]  # a table of fields with changes on top


def test_what_arrives_is_signed_and_says_it_all(webhook: Webhook, receiver: Receiver, now: list[int]) -> None:
    webhook.send(alert(now))
    ((headers, body),) = receiver.requests
    Verifier(SECRET).verify(body, headers)
    told = json.loads(body)
    assert told["status"] == "firing"
    assert told["alerts"][0]["labels"] == {
        "alertname": "LivetideOpinion",
        "room": "r",
        "topic": "counterfeit",
        "severity": "critical",
    }
    assert "8.0% of messages" in told["alerts"][0]["annotations"]["summary"]
    assert "@all" not in body.decode()
    assert headers["webhook-id"] == "alert:r:counterfeit:1.9"


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_receiver_in_trouble_is_tried_again(webhook: Webhook, receiver: Receiver, now: list[int], status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(RetryError, match=str(status)):
        webhook.send(alert(now))
    webhook.send(alert(now))
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == ["alert:r:counterfeit:1.9"] * 2


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_refusal_or_a_redirect_is_final(webhook: Webhook, receiver: Receiver, now: list[int], status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(InvalidError, match=str(status)):
        webhook.send(alert(now))
    assert len(receiver.requests) == 1


def test_nobody_there_is_tried_again(receiver: Receiver, webhook: Webhook, now: list[int]) -> None:
    receiver.server.server_close()
    with pytest.raises(RetryError, match="does not answer"):
        webhook.send(alert(now))


def test_what_is_an_hour_old_is_not_sent(receiver: Receiver, webhook: Webhook, now: list[int]) -> None:
    changed = alert(now)
    now[0] += GIVE_UP_MS + 1
    webhook.send(changed)
    assert receiver.requests == [], "a receiver that is set today wants no alerts of last month"


@pytest.mark.parametrize("state", ["inhibited", "silenced"])
def test_quiet_states_call_nobody_and_the_end_is_told(webhook: Webhook, receiver: Receiver, now: list[int], state: str) -> None:
    webhook.send(alert(now, state=state))
    assert receiver.requests == []
    webhook.send(alert(now, state="resolved", revision=11))
    assert json.loads(receiver.requests[0][1])["status"] == "resolved"


def test_secret_and_address_stay_out_of_errors(webhook: Webhook, receiver: Receiver, now: list[int]) -> None:
    receiver.answers = [401]
    with pytest.raises(InvalidError) as refused:
        webhook.send(alert(now))
    assert SECRET[6:] not in str(refused.value)
    assert receiver.url not in str(refused.value)


def test_quoted_chat_calls_nobody() -> None:
    assert neutral("@所有人 <at user_id=all>") == "＠所有人 ‹at user_id=all›"
