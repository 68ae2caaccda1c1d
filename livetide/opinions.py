"""A person's word on an alert: acknowledged, resolved or silenced, from the console or the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from streams.records import Alert, InvalidError, RetryError

State = Literal["acknowledged", "resolved", "silenced"]
STATES: tuple[State, ...] = ("acknowledged", "resolved", "silenced")
OVER = ("resolved", "inhibited")
PAUSE_S = 0.1

Row = dict[str, Any]


class Shown(Protocol):
    """The store's view of alerts, which lags behind the log."""

    def alert(self, identity: str) -> Row | None: ...
    def alert_at(self, identity: str, revision: int) -> Row | None: ...


def hold(
    row: Row,
    state: str,
    by: str,
    *,
    write: Callable[[Alert], None],
    shown: Shown,
    clock: Callable[[], int],
    checks: int = 100,
    sleep: Callable[[float], None] = time.sleep,
) -> Row | None:
    """Write a person's word on the alert of ``row`` and return what holds then; None when the store does not show it in time.

    ``row`` may be older than the log: a level that lay there already, unseen, has the higher revision, and the word goes under.
    Then it is written again, above that. What the agent says after the word holds over it, as always: it is not contradicted.
    Raises ``InvalidError`` when the alert cannot become ``state``, before or by what came up meanwhile.
    """
    write(word := changed(row, state, by, clock()))
    for _ in range(checks):
        sleep(PAUSE_S)
        try:
            now = shown.alert(word.id)
            if now is None or now["revision"] < word.revision:
                continue
            if now["revision"] == word.revision or _came_after(now, shown.alert_at(word.id, word.revision)):
                return now
        except RetryError:
            continue  # the word is written; the store is asked again
        write(word := changed(now, state, by, clock()))
    return None


def _came_after(now: Row, word: Row | None) -> bool:
    """Whether ``now`` was said after the word; a word that the store has not read yet lies behind everything that it has."""
    return word is not None and word["log_offset"] < now["log_offset"]


def changed(row: Row, state: str, by: str, now_ms: int) -> Alert:
    """The alert of ``row`` (as the view ``alerts_now`` shows it) in its new state. Raises ``InvalidError`` when it is over.

    The opinion agent's revisions of an alert are even; a person's word takes the odd one above the newest, so that the two
    never say different things under the same id and revision, and the agent's next word holds again.
    """
    if state not in STATES:
        raise InvalidError(f"an alert can become {', '.join(STATES)}, not {state[:40]!r}")
    if row["state"] in OVER or row["state"] == state:
        raise InvalidError(f"the alert {row['id']} is {row['state']} already")
    revision = row["revision"] + (1 if row["revision"] % 2 == 0 else 2)
    fields = {name: row[name] for name in ("id", "topic", "level", "score", "share", "baseline", "messages", "users", "note")}
    fields |= {name: list(row[name]) for name in ("examples", "words")}
    fields |= {name: _ms(row[name]) for name in ("started_ts", "evidence_ts")}
    fields |= {"room": row["room_id"], "event_ts": _ms(row["ts"]), "ingest_ts": now_ms, "state": state, "by": by}
    return msgspec.convert(fields | {"revision": revision}, Alert)


def _ms(when: Any) -> int:
    return round(float(when.timestamp()) * 1000)
