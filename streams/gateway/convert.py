"""A border event to the record that crosses the log: people hashed, money in fen, both clocks set."""

from __future__ import annotations

from collections.abc import Callable

from streams.gateway.events import ChatEvent, Event, ProductEvent, SaleEvent, SpeechEvent, ViewerEvent
from streams.records import Chat, Product, Question, Record, Sale, Speech, Viewer, fen

Pseudonym = Callable[[str], str]


def chat_record(event: ChatEvent, at: int, pseudonym: Pseudonym, keep_names: bool) -> Chat:
    """A chat message as it lies in an envelope; ``at`` is when it happened by our clock."""
    name = event.name if keep_names else ""
    return Chat(event.id, at, pseudonym(event.user), event.text, at - event.ts, name)


def record_of(event: Event, room: str, source: str, at: int, now_ms: int, pseudonym: Pseudonym) -> Record:
    """Any event but chat as a record of its own."""
    skew = at - event.ts
    match event:
        case SaleEvent():
            return Sale(
                room=room, event_ts=at, ingest_ts=now_ms, id=event.id, source=source, type=event.type, sku=event.sku,
                quantity=event.quantity, amount=fen(event.amount or "0"), order=event.order, user=pseudonym(event.user),
                skew_ms=skew,
            )  # fmt: skip
        case ViewerEvent():
            return Viewer(
                room=room, event_ts=at, ingest_ts=now_ms, id=event.id, source=source, user=pseudonym(event.user),
                type=event.type, dwell_ms=event.dwell_ms, skew_ms=skew,
            )  # fmt: skip
        case SpeechEvent():
            return Speech(
                room=room, event_ts=at, ingest_ts=now_ms, id=event.id, source=source, end_ts=event.end + skew, text=event.text,
                skew_ms=skew,
            )  # fmt: skip
        case ProductEvent():
            return Product(
                room=room, event_ts=at, ingest_ts=now_ms, id=event.id, source=source, sku=event.sku, type=event.type,
                name=event.name, price=fen(event.price or "0"), attributes=event.attributes,
                faq=[Question(entry.question, entry.answer) for entry in event.faq], skew_ms=skew,
            )  # fmt: skip
        case _:
            raise TypeError(f"{type(event).__name__} travels in an envelope")
