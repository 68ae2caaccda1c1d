"""What the product said of its own accord: never twice differently, nothing unsaid, each once in its table, moods right."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Any

from clickhouse_driver import Client

from tests.faults.stack import tables
from tests.faults.stack.moods import moods
from tests.faults.stack.reading import Log
from tests.faults.stack.verdict import Verdict

KEY = ("room_id", "id", "revision")


def check_no_conflict(verdict: Verdict, log: Log) -> None:
    """One id and revision, one content; one writer and number, one content. Over all that was ever said, repeats too."""
    by_identity: dict[tuple[str, str, int], bytes] = {}
    by_number: dict[tuple[str, int, str, int], bytes] = {}
    repeats = 0
    for entry in log.entries():
        if entry.writer:
            place = (entry.topic, entry.partition, entry.writer, entry.number)
            repeats += place in by_number
            if by_number.setdefault(place, entry.value) != entry.value:
                verdict.faults.append(f"{place} has two contents: {by_number[place]!r} and {entry.value!r}")
        if entry.topic in tables.DERIVED and entry.record is not None:
            named = (entry.topic, entry.record.id, entry.record.revision)
            if by_identity.setdefault(named, entry.value) != entry.value:
                verdict.faults.append(f"{named} has two contents: {by_identity[named]!r} and {entry.value!r}")
    verdict.notes["records said again after a crash"] = repeats


def check_nothing_unsaid(verdict: Verdict, log: Log) -> None:
    """The numbers of every agent are complete: 1, 2, 3, … per partition, under one name for all of the run."""
    numbers: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    names: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for entry in log.entries():
        agent, at, _ = entry.writer.partition("@")
        if at:
            numbers[entry.writer, entry.partition].add(entry.number)
            names[agent, entry.partition].add(entry.writer)
    for (writer, partition), said in numbers.items():
        missing = set(range(1, max(said) + 1)) - said
        verdict.expect(not missing, f"{writer} on {partition}: numbers {sorted(missing)[:10]} were never said")
    for (agent, partition), writers in names.items():
        verdict.expect(len(writers) == 1, f"agent {agent} began anew on partition {partition}: {sorted(writers)}")


def check_tables(verdict: Verdict, log: Log, store: Client) -> None:
    """Every record that was said is one row, and FINAL shows the newest revision of each id.

    Where a table keeps the newest revision only, the store may drop an older one as early as in the insert.
    """
    for topic, table in tables.DERIVED.items():
        said = tables.keyed((tables.placed(entry, tables.row_of(entry.record)) for entry in log.said[topic]), KEY)
        expected = dict(said)
        verdict.expect(len(said) == len(expected), f"{topic}: one id and revision was said under two numbers")
        newest: dict[Any, int] = {}
        for *name, revision in expected:
            newest[*name,] = max(revision, newest.get((*name,), -1))
        current = {(*name, revision): expected[*name, revision] for name, revision in newest.items()}
        if tables.keeps_all(store, table):
            current = expected
        rows = tables.keyed((row for row in tables.select(store, table) if log.holds(topic, row)), KEY)
        there = {key for key, _ in rows}
        verdict.compare(table, {key: row for key, row in expected.items() if key in current or key in there}, rows)
        final = tables.select(store, table, final=True)
        later = {(row["room_id"], row["id"]) for row in final if not log.holds(topic, row)}
        shown = tables.keyed((row for row in final if log.holds(topic, row)), KEY)
        if current is not expected:
            current = {key: row for key, row in current.items() if key[:2] not in later}
        verdict.compare(f"{table} FINAL", current, shown)


def check_moods(verdict: Verdict, log: Log) -> None:
    """The newest revision of every second's mood says what a batch over all chat says."""
    expected = moods(log.said["live.comprehended"])
    newest: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
    for entry in log.said["live.mood"]:
        mood, row = entry.record, tables.row_of(entry.record)
        if mood.revision >= newest.get((mood.room, mood.event_ts), (-1,))[0]:
            counted = {
                name: row[name] for name in ("messages", "users", "negative_share", "positive_share", "ingest_ts", "late")
            }
            newest[mood.room, mood.event_ts] = (mood.revision, counted)
    verdict.compare("mood by second", expected, [(key, content) for key, (_, content) in newest.items()])


def check_clips(verdict: Verdict, log: Log, folder: Path) -> None:
    """One clip of every final highlight, and of every good one the whole file; no other file lies about."""
    finals = [entry.record for entry in log.said["live.highlights"] if entry.record.status == "final"]
    clips = [entry.record for entry in log.said["live.clips"]]
    verdict.compare(
        "clips of highlights",
        {(highlight.room, highlight.id, highlight.revision): True for highlight in finals},
        [((clip.room, clip.highlight, clip.revision), True) for clip in clips],
    )
    good = {clip.path: (clip.size, clip.sha256) for clip in clips if clip.status == "ready"}
    files = [path for path in folder.rglob("*") if path.suffix in (".mp4", ".part")]
    contents = [(str(path.relative_to(folder)), path.read_bytes()) for path in files]
    verdict.compare("clip files", good, [(name, (len(data), hashlib.sha256(data).hexdigest())) for name, data in contents])
    verdict.notes["clips ready"] = len(good)
