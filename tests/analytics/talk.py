"""Comprehended chat for tests: short ways to write messages, and to pack them as the gateway would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from streams.records import ComprehendedEnvelope, Sale, SensitiveHit, Sentiment, Speech, UnderstoodChat

Kind = Literal["order", "pay", "refund"]
START = 1_700_000_000_000


def chat(
    ts: int, user: str, text: str, *, topic: str = "", sentiment: Sentiment = "neutral", weight: float = 1.0, word: str = ""
) -> UnderstoodChat:
    """One message; ``topic`` gives it one hit, and makes it negative."""
    hits = [SensitiveHit(word or text, topic, False, weight)] if topic else []
    feeling: Sentiment = "negative" if topic else sentiment
    return UnderstoodChat(
        f"{user}@{ts}", ts, user, text, text.strip("!！。 "), feeling, 0.9 if feeling != "neutral" else 0.0, hits=hits
    )


def pack(messages: Iterable[tuple[int, UnderstoodChat]], room: str = "r", within_ms: int = 100) -> list[ComprehendedEnvelope]:
    """Envelopes of ``(arrival, message)``: at most 64 messages, at most ``within_ms`` of arrival, in order of arrival."""
    envelopes: list[ComprehendedEnvelope] = []
    held: list[tuple[int, UnderstoodChat]] = []

    def close() -> None:
        if held:
            newest = max(message.event_ts for _, message in held)
            envelopes.append(
                ComprehendedEnvelope(
                    room=room, event_ts=newest, ingest_ts=held[-1][0], source="s", messages=[message for _, message in held]
                )
            )
            held.clear()

    for arrival, message in sorted(messages, key=lambda pair: pair[0]):
        if held and (arrival - held[0][0] > within_ms or len(held) == 64):
            close()
        held.append((arrival, message))
    close()
    return envelopes


def at_once(messages: Iterable[UnderstoodChat], room: str = "r", delay_ms: int = 200) -> list[ComprehendedEnvelope]:
    """Envelopes of messages that all take the same time to arrive."""
    return pack(((message.event_ts + delay_ms, message) for message in messages), room)


def order(ts: int, number: int, *, sku: str = "sku-1", room: str = "r", kind: Kind = "pay", delay_ms: int = 300) -> Sale:
    """One paid order."""
    return Sale(
        room=room, event_ts=ts, ingest_ts=ts + delay_ms, id=f"o{number}", source="shop",
        type=kind, sku=sku, quantity=1, amount=9900, order=f"o{number}", user=f"u{number}",
    )  # fmt: skip


def say(ts: int, text: str, *, room: str = "r", length_ms: int = 2500) -> Speech:
    """One recognised sentence, which arrives a second after its end."""
    return Speech(
        room=room, event_ts=ts, ingest_ts=ts + length_ms + 1000, id=f"s{ts}", source="asr", end_ts=ts + length_ms, text=text
    )
