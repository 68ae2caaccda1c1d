"""Who may write: a bearer key per room, or a signature in the Standard Webhooks form (github.com/standard-webhooks).

Both secrets of a room are derived from the installation's master secret; all that is stored of a room is how often they were
changed (``generations.py``), and of most rooms nothing. A signed request is
taken once: its exact repeat (same ``webhook-id`` and ``webhook-timestamp``) is refused with 409 after the first was taken or
while it is being taken. A sender that had no answer signs again with a new timestamp; that is a new attempt, it is let in, and
its events are found to be duplicates by their ids. An attempt that was answered 429 or 5xx may be repeated as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

from streams.gateway.refused import RefusedError
from streams.gateway.seen import Seen

TOLERANCE_MS = 300_000
LONGEST_WEBHOOK_ID = 256
MOST_SIGNATURES = 16
WEBHOOK_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def _derive(master: str, purpose: str, room: str, generation: int) -> bytes:
    """A room's name holds colons, so the number stands before it: no label of one room is a label of another."""
    label = f"{purpose}#{generation}:{room}" if generation else f"{purpose}:{room}"
    return hmac.digest(master.encode(), label.encode(errors="replace"), "sha256")


def bearer_key(master: str, room: str, generation: int = 0) -> str:
    """The key that lets a client write to ``room`` (``Authorization: Bearer lt_…``), after ``generation`` changes."""
    return "lt_" + base64.urlsafe_b64encode(_derive(master, "bearer", room, generation)).decode().rstrip("=")


def webhook_secret(master: str, room: str, generation: int = 0) -> str:
    """The secret (``whsec_…``) with which a webhook's sender signs what it posts to ``room``, after ``generation`` changes."""
    return "whsec_" + base64.b64encode(_derive(master, "webhook", room, generation)).decode()


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def check_bearer(authorization: str, expected: str) -> None:
    """Accept ``Bearer <expected>``; anything else is refused with 401."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not same(given.strip(), expected):
        raise RefusedError(401, "the key is not the key of this room; `livetide key ROOM` prints it")


def check_operator(authorization: str, operator_key: str) -> None:
    """Accept the operator key as a bearer key, or as the password of HTTP Basic (any user name): browsers speak that."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, or no UTF-8 in it
            given = ""
    elif scheme.lower() != "bearer":
        given = ""
    if not same(given.strip(), operator_key):
        raise RefusedError(401, "this page needs the operator key: as a bearer key, or as the password of HTTP Basic")


class Signed(NamedTuple):
    """A request whose signature was found right."""

    id: str
    timestamp: str


def stamp(headers: Mapping[str, str], now_ms: int) -> Signed:
    """The id and the timestamp of a signed request, checked as far as possible before its body is read."""
    identity, timestamp, _ = (headers.get(name, "") for name in WEBHOOK_HEADERS)
    if missing := [name for name in WEBHOOK_HEADERS if not headers.get(name)]:
        raise RefusedError(401, "no key: give `Authorization: Bearer …`, or sign the request; missing: " + ", ".join(missing))
    if len(identity) > LONGEST_WEBHOOK_ID:
        raise RefusedError(401, f"webhook-id is longer than {LONGEST_WEBHOOK_ID} characters")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise RefusedError(401, "webhook-timestamp must be whole seconds since 1970")
    age_ms = now_ms - int(timestamp) * 1000
    if abs(age_ms) > TOLERANCE_MS:
        raise RefusedError(401, f"webhook-timestamp is {age_ms / 1000:+.0f} s from our clock; at most 300 s are allowed")
    return Signed(identity, timestamp)


def signature(secret: str, identity: str, timestamp: str, body: bytes) -> str:
    """``v1,…``: HMAC-SHA256 over id, time (seconds) and body, keyed by ``whsec_…``, as Standard Webhooks wants it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{identity}.{timestamp}.".encode("latin-1") + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def check_signature(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Accept a body that one of the ``v1`` signatures fits; the body is the one that was sent, still compressed if it was."""
    expected = signature(secret, headers["webhook-id"], headers["webhook-timestamp"], body).removeprefix("v1,")
    given = headers["webhook-signature"].split(" ")[:MOST_SIGNATURES]
    if not any(same(one, f"v1,{expected}") for one in given):
        raise RefusedError(401, "no signature fits: wrong secret, or the body was changed on its way")


class Attempts:
    """The signed requests that were taken, for as long as their timestamps would still be accepted.

    Bounded: more than ``limit`` in ten minutes are refused with 503 rather than forgotten. The memory is this process's own: a
    replay to another gateway, or after a restart, gets in, and its events are dropped as duplicates behind the log.
    """

    def __init__(self, limit: int = 250_000) -> None:
        # a timestamp may be 300 s ahead of us, and is good until it is 300 s behind
        self._taken = Seen(2 * TOLERANCE_MS, limit)
        self._under_way: set[bytes] = set()

    def begin(self, room: str, signed: Signed, now_ms: int) -> bytes:
        """Enter an attempt; 409 when it was taken, or is being taken. Every attempt must be ended."""
        attempt = hashlib.blake2b(f"{room}\0{signed.timestamp}\0{signed.id}".encode(), digest_size=16).digest()
        self._taken.turn(now_ms)
        if attempt in self._taken or attempt in self._under_way:
            raise RefusedError(409, "replayed: a request with this webhook-id and webhook-timestamp was taken before")
        if self._taken.full:
            raise RefusedError(503, "too many signed requests in ten minutes; send larger ones", retry_after=60)
        self._under_way.add(attempt)
        return attempt

    def end(self, attempt: bytes, *, taken: bool, now_ms: int) -> None:
        """Leave an attempt: ``taken`` when it may not come again."""
        self._under_way.discard(attempt)
        if taken:
            self._taken.add(attempt, now_ms)
