"""Who is logged in: server-side sessions behind one password, with a brake on guessing."""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

LASTS_MS = 12 * 3_600_000
TRIES = 10
TRIES_WINDOW_MS = 60_000
COOKIE = "livetide_session"


@dataclass(frozen=True)
class Session:
    """One browser that gave the password. ``csrf`` must come back with every form."""

    token: str
    csrf: str
    expires_ms: int


class Sessions:
    """Sessions in memory: a restart of the console logs everybody out. ``clock`` is epoch ms."""

    def __init__(self, password: str, clock: Callable[[], int]) -> None:
        self._password = password.encode()
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._failures: deque[int] = deque()

    def wait_ms(self) -> int:
        """How long no password is looked at, since too many were wrong lately; 0 when one is."""
        now = self._clock()
        while self._failures and self._failures[0] <= now - TRIES_WINDOW_MS:
            self._failures.popleft()
        return self._failures[0] + TRIES_WINDOW_MS - now if len(self._failures) >= TRIES else 0

    def log_in(self, password: str) -> Session | None:
        """A new session for the right password; None for a wrong one, and for any while there is to wait."""
        if self.wait_ms():
            return None
        now = self._clock()
        if not hmac.compare_digest(password.encode(), self._password):
            self._failures.append(now)
            return None
        self._open = {token: session for token, session in self._open.items() if session.expires_ms > now}
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now + LASTS_MS)
        self._open[session.token] = session
        return session

    def find(self, token: str | None) -> Session | None:
        """The session of a cookie, if it is open."""
        session = self._open.get(token or "")
        return session if session and session.expires_ms > self._clock() else None

    def log_out(self, session: Session) -> None:
        self._open.pop(session.token, None)


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())
