"""Comprehension of real chat, pure: messages per CPU-second, all stages, with the repeats that real chat has.

The recordings are packed as the gateway packs them: envelopes of 64 (a busy room) and of 15 (100 ms of 150 messages a
second). The operator starts empty each time, so the cost of what it sees first is in the figure. Beside it the cost of one
distinct text by stage, which is what remains when nothing repeats; ``clues`` are folding, matching and the word lists together.

    python -m benchmarks.comprehension [FOLDER]   # of .jsonl.gz recordings with ts_ms, user and text; else a simulated room
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from analytics.clues import clues_of
from analytics.comprehension import Comprehension, understand, understand_many
from analytics.encoders import load_encoder
from analytics.fold import fold
from analytics.intent import load_intent
from analytics.linear import LONGEST, load_linear, read_grams
from analytics.sensitive import load_matcher
from analytics.sentiment import load_sentiment
from streams.records import Chat, DanmakuEnvelope
from streams.sources.simulator import open_simulation

ENVELOPES = (64, 15)
MOST_DISTINCT = 20_000
BATCH = 64


def read(path: Path) -> list[Chat]:
    """The messages of one recording."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Chat(str(number), row["ts_ms"], row["user"], row["text"]) for number, row in enumerate(rows)]


def pack(chats: list[Chat], size: int) -> list[DanmakuEnvelope]:
    parts = [chats[start : start + size] for start in range(0, len(chats), size)]
    return [
        DanmakuEnvelope(room="r", event_ts=part[-1].event_ts, ingest_ts=part[-1].event_ts, source="s", messages=part)
        for part in parts
    ]


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def by_stage(texts: list[str]) -> dict[str, float]:
    """Microseconds a distinct text."""
    folded = [fold(text) for text in texts]
    matcher, lexicon, lists, encoder = load_matcher(), load_sentiment(), load_intent(), load_encoder("static")
    sentiment, intent = load_linear("sentiment"), load_linear("intent")
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    clues = [clues_of(batch) for batch in batches]
    grams = [read_grams(said.folded, LONGEST) for said in clues]
    read = list(zip(clues, grams, strict=True))
    stages: dict[str, Callable[[], Any]] = {
        "fold": lambda: [fold(text) for text in texts],
        "sensitive words": lambda: [matcher.find(text, form) for text, form in zip(texts, folded, strict=True)],
        "sentiment's list": lambda: [lexicon.judge(form) for form in folded],
        "intents' lists": lambda: [lists.judge(form, asking=False) for form in folded],
        f"clues (batches of {BATCH})": lambda: [clues_of(batch) for batch in batches],
        f"grams (batches of {BATCH})": lambda: [read_grams(said.folded, LONGEST) for said in clues],
        f"sentiment's table (batches of {BATCH})": lambda: [sentiment.judge(c.folded, c.rows, g) for c, g in read],
        f"intents' table (batches of {BATCH})": lambda: [intent.judge(c.folded, c.rows, g) for c, g in read],
        f"all (batches of {BATCH})": lambda: [understand_many(batch) for batch in batches],
        "all (alone)": lambda: [understand(text) for text in texts],
        f"encoder (batches of {BATCH}, not part of all)": lambda: [encoder.encode(batch) for batch in batches],
    }
    return {name: round(cpu(work) / len(texts) * 1e6, 1) for name, work in stages.items()}


def _feed(operator: Comprehension, envelopes: list[DanmakuEnvelope]) -> None:
    for revision, record in enumerate(envelopes):
        operator.feed(record, revision)


def simulate() -> list[Chat]:
    """What a simulated room says in half an hour, for those who have no recording."""
    messages = sorted(open_simulation(1, minutes=30, base_ts=0, rate=50).talk.messages, key=lambda message: message.at)
    return [Chat(str(n), message.at, message.body["user"], message.body["text"]) for n, message in enumerate(messages)]


def measure(name: str, chats: list[Chat]) -> dict[str, Any]:
    distinct = list(dict.fromkeys(chat.text for chat in chats))
    rates = {}
    for size in ENVELOPES:
        envelopes, operator = pack(chats, size), Comprehension()
        seconds = cpu(partial(_feed, operator, envelopes))
        rates[f"envelopes of {size}"] = round(len(chats) / seconds)
    return {
        "recording": name,
        "messages": len(chats),
        "distinct": len(distinct),
        "messages_per_cpu_second": rates,
        "microseconds_per_distinct_text": by_stage(distinct[:MOST_DISTINCT]),
    }


def main() -> None:
    understand("多少钱")  # lists are read before anything is timed
    if len(sys.argv) > 1:
        recordings = sorted(Path(sys.argv[1]).glob("*.jsonl.gz"))
        if not recordings:
            sys.exit(f"no .jsonl.gz recordings in {sys.argv[1]}: give the folder that holds them")
        figures = [measure(path.name, read(path)) for path in recordings]
    else:
        figures = [measure("a simulated room", simulate())]
    print(json.dumps(figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
