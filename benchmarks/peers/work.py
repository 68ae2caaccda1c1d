"""The work that all do: take a chat message apart, write it anew with its folded text, hand it on.

``given()`` is what a program is told by its environment: servers, source, target, group, and the form of a record, ``single``
(one message as JSON, as tutorials have it) or ``envelopes`` (ours: 64 messages as msgpack).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from streams.records import ComprehendedEnvelope, DanmakuEnvelope, UnderstoodChat, decode, encode


class Given(NamedTuple):
    servers: str
    source: str
    target: str
    group: str
    form: str
    loaded: str

    def begin(self) -> None:
        """The program is loaded: what it uses from now on counts."""
        Path(self.loaded).write_text(str(time.process_time()), encoding="utf-8")


def given() -> Given:
    return Given(*(os.environ[f"PEER_{name.upper()}"] for name in Given._fields))


def forward_chat(chat: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": chat["id"], "event_ts": chat["event_ts"], "user": chat["user"], "text": chat["text"], "folded": chat["text"],
        "room": chat["room"],
    }  # fmt: skip


def forward_envelope(data: bytes | None) -> bytes:
    """As ``benchmarks.shell.Forward`` does it."""
    record = decode(data, DanmakuEnvelope)
    messages = [UnderstoodChat(c.id, c.event_ts, c.user, c.text, c.text) for c in record.messages]
    return encode(
        ComprehendedEnvelope(
            room=record.room, event_ts=record.event_ts, ingest_ts=record.ingest_ts, source=record.source, messages=messages
        )
    )
