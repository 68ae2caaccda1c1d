"""What entered: from the clients to Kafka, from Kafka to the tables, and chat on its way through comprehension."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from clickhouse_driver import Client

from streams import topics
from tests.faults.stack import tables
from tests.faults.stack.load import SOURCE, Identity, Told, identity
from tests.faults.stack.reading import Log
from tests.faults.stack.scenes import Event, Scene
from tests.faults.stack.verdict import Verdict

KINDS = {"live.sales": "sale", "live.viewers": "viewer", "live.speech": "speech", "live.catalogue": "product"}
KEY = ("room_id", "source", "source_id")
CHAT = ("room_id", "ts", "ingest_ts", "source", "source_id", "user_id", "text", "skew_ms")
Entered = dict[Identity, dict[str, Any]]


def entered(verdict: Verdict, log: Log) -> Entered:
    """The first record of every event in the log, as columns; the verdict notes how many came more than once."""
    found: Entered = {}
    copies = 0
    for entry in log.said["live.danmaku"]:
        envelope = entry.record
        for m in envelope.messages:
            row = (envelope.room, m.event_ts, envelope.ingest_ts, envelope.source, m.id, m.user, m.text, m.skew_ms)
            copies += ("chat", envelope.room, m.id) in found
            found.setdefault(("chat", envelope.room, m.id), dict(zip(CHAT, row, strict=True)) | {"partition": entry.partition})
    for topic, kind in KINDS.items():
        for entry in log.said[topic]:
            key = (kind, entry.record.room, entry.record.id)
            copies += key in found
            found.setdefault(key, tables.row_of(entry.record))
    verdict.notes["events in Kafka"] = len(found)
    verdict.notes["of these more than once"] = copies
    return found


def check_clients(verdict: Verdict, scene: Scene, told: Told, found: Entered) -> None:
    """Every event that a client was told is taken lies in Kafka as it was sent, and nothing else does."""
    sent = {identity(event): event for event in scene.events}
    verdict.faults += told.wrongly[:10]
    verdict.expect(told.taken == sent.keys(), f"{len(sent.keys() - told.taken)} events never were taken")
    expected = {key: _sent(event) for key, event in sent.items()}
    verdict.compare(
        "client to Kafka", expected, [(key, {name: row[name] for name in expected.get(key, row)}) for key, row in found.items()]
    )
    pseudonyms: dict[str, str] = {}
    for key, row in found.items():
        if key in sent and (user := sent[key].body.get("user")):
            known = pseudonyms.setdefault(user, row["user_id"])
            verdict.expect(known == row["user_id"] != user, f"{user} of {key} has no pseudonym, or two")
    verdict.expect(len(set(pseudonyms.values())) == len(pseudonyms), "two viewers share a pseudonym")
    sheets = sum(event.kind == "product" for event in scene.events)  # their topic is compacted: copies may be gone
    in_log = len(found) + verdict.notes["of these more than once"] + 3 * sheets
    verdict.expect(in_log >= told.accepted, f"{told.accepted} events were accepted, and {in_log} lie in Kafka")


def check_tables(verdict: Verdict, log: Log, store: Client) -> None:
    """Sales, viewers, speech, products and frames: the first record of each id is one row, and nothing else is."""
    for topic, table in tables.ENTERED.items():
        compacted = topics.TOPICS[topic].compacted  # the first record may be gone, its copy has another place
        left_out = ("id", *(("ingest_ts", *tables.PLACE) if compacted else ()))
        rows = [tables.placed(entry, tables.row_of(entry.record)) for entry in log.said[topic]]
        _compare(verdict, store, table, tables.first(tables.keyed(rows, KEY, left_out)), KEY, left_out)
    frames = [tables.placed(entry, tables.row_of_frame(entry.record)) for entry in log.said["live.frames"]]
    _compare(verdict, store, "frames", tables.first(tables.keyed(frames, ("room_id", "id"))), ("room_id", "id"), ())


def check_chat(verdict: Verdict, log: Log, store: Client, found: Entered) -> list[dict[str, Any]]:
    """Each message of the log comprehended once, in the order of the log, and one row of it in the table: these rows."""
    rows = [tables.placed(entry, row) for entry in log.said["live.comprehended"] for row in tables.rows_of_chat(entry.record)]
    chats = [row for key, row in found.items() if key[0] == "chat"]
    verdict.compare(
        "live.comprehended",
        {(row["room_id"], row["source_id"]): [row[name] for name in CHAT] for row in chats},
        [((row["room_id"], row["source_id"]), [row[name] for name in CHAT]) for row in rows],
    )
    for partition in range(log.partitions):
        came = [(row["room_id"], row["source_id"]) for row in chats if row["partition"] == partition]
        went = [(row["room_id"], row["source_id"]) for row in rows if row["log_partition"] == partition]
        verdict.expect(came == went, f"live.comprehended-{partition} is not in the order of live.danmaku")
    meanings: dict[str, Any] = {}
    for row in rows:
        meaning = [row[name] for name in ("folded", "sentiment", "sentiment_p", "intent", "intent_p", "hit_words")]
        if meanings.setdefault(row["text"], meaning) != meaning:
            verdict.faults.append(f"{row['text']!r} was understood in two ways")
    _compare(verdict, store, "danmaku", tables.first(tables.keyed(rows, KEY)), KEY, ("id",))
    return rows


def _compare(
    verdict: Verdict, store: Client, table: str, expected: dict[Any, Any], key: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    """Rows as they lie; and FINAL shows as many."""
    verdict.compare(table, expected, tables.keyed(tables.select(store, table), key, left_out))
    shown = store.execute(f"SELECT count() FROM live.{table} FINAL")[0][0]
    verdict.expect(shown == len(expected), f"{table} FINAL shows {shown} rows of {len(expected)}")


def _sent(event: Event) -> dict[str, Any]:
    """What an event should have become in Kafka, in the words of the tables; ids of viewers are hashed and checked apart."""
    row: dict[str, Any] = {"room_id": event.room, "ts": event.ts, "source": SOURCE, "source_id": event.id, "skew_ms": 0}
    row |= {name: value for name, value in event.body.items() if name not in ("user", "end", "order", "faq")}
    row |= {money: Decimal(row[money] or "0") for money in ("amount", "price") if money in row}
    row |= {column: event.body[name] for name, column in (("end", "end_ts"), ("order", "order_id")) if name in event.body}
    if "faq" in event.body:
        row["faq_questions"] = [entry["question"] for entry in event.body["faq"]]
        row["faq_answers"] = [entry["answer"] for entry in event.body["faq"]]
    return row
