"""A person's word on an alert: acknowledged, resolved or silenced, from the console or the command line."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from streams.records import Alert, InvalidError

State = Literal["acknowledged", "resolved", "silenced"]
STATES: tuple[State, ...] = ("acknowledged", "resolved", "silenced")
OVER = ("resolved", "inhibited")


def changed(row: dict[str, Any], state: str, by: str, now_ms: int) -> Alert:
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
