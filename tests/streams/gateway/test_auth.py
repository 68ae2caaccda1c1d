from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from streams.gateway import auth
from streams.gateway.auth import Attempts, Signed, bearer_key, webhook_secret
from streams.gateway.refused import RefusedError

MASTER, ROOM, BODY = "a master secret", "room-1", '{"events": []}'
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def signed_by_the_reference(body: str = BODY, when: datetime = NOW, secret: str | None = None) -> dict[str, str]:
    """Headers made by the Standard Webhooks library."""
    signature = Webhook(secret or webhook_secret(MASTER, ROOM)).sign("msg_1", when, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(when.timestamp())), "webhook-signature": signature}


def refusal(headers: dict[str, str], body: str = BODY) -> str:
    with pytest.raises(RefusedError) as caught:
        auth.check_signature(headers, body.encode(), webhook_secret(MASTER, ROOM))
    assert caught.value.status == 401
    return caught.value.reason


def test_keys_have_the_form_that_was_agreed() -> None:
    key, secret = bearer_key(MASTER, ROOM), webhook_secret(MASTER, ROOM)
    assert key.startswith("lt_")
    assert len(base64.urlsafe_b64decode(key.removeprefix("lt_") + "=")) == 32
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    others = {bearer_key(MASTER, "room-2"), bearer_key("another", ROOM), webhook_secret(MASTER, "room-2")}
    assert len({key, secret, *others}) == 5


def test_keys_never_change() -> None:
    # made with openssl; a key that somebody has stored must work after an update
    assert bearer_key("m", "r") == "lt_oIF4CW2oT0QNqODYmkWsJSKOIm4JExzfiu6Du_WmY5M"
    assert webhook_secret("m", "r") == "whsec_OX6cbGLLh4wzuBYxRWwgDHPqHfv1R28JPQDVtelxCxY="


def test_a_signature_of_the_reference_library_is_accepted() -> None:
    auth.check_signature(signed_by_the_reference(), BODY.encode(), webhook_secret(MASTER, ROOM))


def test_any_body_that_the_reference_library_signs() -> None:
    for body in ("", "中文 👍", "x" * 100_000):
        auth.check_signature(signed_by_the_reference(body), body.encode(), webhook_secret(MASTER, ROOM))


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed_by_the_reference()
    right = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1a,abc v1,{base64.b64encode(b'x' * 32).decode()} {right}"
    auth.check_signature(headers, BODY.encode(), webhook_secret(MASTER, ROOM))


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp"])
def test_signed_headers_cannot_be_changed(changed: str) -> None:
    headers = signed_by_the_reference()
    headers[changed] += "1"
    assert "no signature fits" in refusal(headers)


def test_a_changed_body_is_refused() -> None:
    assert "no signature fits" in refusal(signed_by_the_reference(), BODY + " ")


def test_another_room_s_secret_is_refused() -> None:
    assert "wrong secret" in refusal(signed_by_the_reference(secret=webhook_secret(MASTER, "room-2")))


@pytest.mark.parametrize("signature", ["v1,", "v1", ",", "v2,abc", "v1,%%%", "v1,é"])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    refusal(signed_by_the_reference() | {"webhook-signature": signature})


def test_signatures_beyond_a_number_are_not_looked_at() -> None:
    headers = signed_by_the_reference()
    headers["webhook-signature"] = "v1,x " * auth.MOST_SIGNATURES + headers["webhook-signature"]
    refusal(headers)


@pytest.mark.parametrize(("off_s", "good"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_the_timestamp_must_be_of_now(off_s: int, good: bool) -> None:
    headers = signed_by_the_reference(when=NOW + timedelta(seconds=off_s))
    if good:
        assert auth.stamp(headers, NOW_MS).id == "msg_1"
    else:
        with pytest.raises(RefusedError, match="from our clock") as caught:
            auth.stamp(headers, NOW_MS)
        assert caught.value.status == 401


@pytest.mark.parametrize("timestamp", ["", "now", "12.5", "-1", "٣", "9" * 40, "1e9"])
def test_the_timestamp_must_be_whole_seconds(timestamp: str) -> None:
    with pytest.raises(RefusedError, match="webhook-timestamp"):
        auth.stamp(signed_by_the_reference() | {"webhook-timestamp": timestamp}, NOW_MS)


def test_a_missing_header_is_named() -> None:
    headers = signed_by_the_reference()
    del headers["webhook-id"]
    with pytest.raises(RefusedError, match="missing: webhook-id"):
        auth.stamp(headers, NOW_MS)


def test_a_long_webhook_id_is_refused() -> None:
    with pytest.raises(RefusedError, match="webhook-id is longer"):
        auth.stamp(signed_by_the_reference() | {"webhook-id": "x" * 257}, NOW_MS)


def test_what_was_taken_is_not_taken_again() -> None:
    attempts, signed = Attempts(), Signed("msg_1", "100")
    attempts.end(attempts.begin(ROOM, signed, NOW_MS), taken=True, now_ms=NOW_MS)
    for later in (0, auth.TOLERANCE_MS, 2 * auth.TOLERANCE_MS - 1):
        with pytest.raises(RefusedError, match="replayed") as caught:
            attempts.begin(ROOM, signed, NOW_MS + later)
        assert caught.value.status == 409


def test_what_is_being_taken_is_not_taken_beside_it() -> None:
    attempts, signed = Attempts(), Signed("msg_1", "100")
    first = attempts.begin(ROOM, signed, NOW_MS)
    with pytest.raises(RefusedError, match="replayed"):
        attempts.begin(ROOM, signed, NOW_MS)
    attempts.end(first, taken=False, now_ms=NOW_MS)
    attempts.begin(ROOM, signed, NOW_MS)


def test_a_new_attempt_with_the_same_id_and_another_room_are_no_replays() -> None:
    attempts = Attempts()
    attempts.end(attempts.begin(ROOM, Signed("msg_1", "100"), NOW_MS), taken=True, now_ms=NOW_MS)
    attempts.begin(ROOM, Signed("msg_1", "101"), NOW_MS)
    attempts.begin("room-2", Signed("msg_1", "100"), NOW_MS)


def test_attempts_are_bounded_and_refused_rather_than_forgotten() -> None:
    attempts = Attempts(limit=3)
    for number in range(3):
        attempts.end(attempts.begin(ROOM, Signed(str(number), "1"), NOW_MS), taken=True, now_ms=NOW_MS)
    with pytest.raises(RefusedError) as caught:
        attempts.begin(ROOM, Signed("3", "1"), NOW_MS)
    assert caught.value.status == 503
    with pytest.raises(RefusedError, match="replayed"):
        attempts.begin(ROOM, Signed("0", "1"), NOW_MS)
    attempts.begin(ROOM, Signed("3", "1"), NOW_MS + 2 * auth.TOLERANCE_MS)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def test_the_operator_key_opens_as_bearer_and_as_password() -> None:
    auth.check_operator("Bearer key", "key")
    auth.check_operator("bearer key", "key")
    auth.check_operator(basic("key"), "key")


@pytest.mark.parametrize(
    "given", ["", "key", "Bearer", "Bearer Key", "Digest key", "Basic key", "Basic ÿ", basic("Key"), basic("")]
)
def test_nothing_else_opens(given: str) -> None:
    with pytest.raises(RefusedError) as caught:
        auth.check_operator(given, "key")
    assert caught.value.status == 401
