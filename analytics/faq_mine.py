"""FAQ entries drafted from past broadcasts: what viewers asked again and again, and what was said when they did.

Questions are grouped by the encoder (a leader for each group, the commonest texts first, no word saying that two subjects
differ); of the distinct texts of one broadcast the commonest 10,000 are grouped, each with all who said it. A group that was
asked often enough in one broadcast becomes a draft. Its answer is what the host said next, where a sentence within half a
minute speaks of it, or else what was proposed and told most often; a person reads all of it before it answers anybody.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from analytics.encoders import DIMENSIONS, Encoder, Rows
from analytics.faq_score import dice, grams
from analytics.fold import fold
from analytics.sheet import load_topics
from streams.records import FaqEntry

LEAST = 3  # times that a question comes in a broadcast to count as repeated
PAUSE_MS = 3_600_000  # so long without a question, and what follows is another broadcast
HEARD_MS = 30_000  # after a question, in which its answer is looked for in speech
JOINS = 0.72  # cosine from which a question belongs to a group
MOST_TEXTS = 10_000  # distinct ones that are grouped, the commonest first
_WORDINGS = 8
_SPEAKS = 0.3  # relevance of a sentence from which it may be an answer
_SENTENCES = 12  # after one question that are weighed


class Said(NamedTuple):
    """A question as it lies in the store. ``status`` and ``answer`` are what was made of it; ``sku`` the product on show."""

    room: str
    ts: int
    user: str
    text: str
    status: str = ""
    answer: str = ""
    sku: str = ""


class Sentence(NamedTuple):
    """What a host said, and when it began."""

    room: str
    ts: int
    text: str


class Group(NamedTuple):
    """One question of one broadcast, in all wordings that came up."""

    room: str
    begin: int
    asked: list[Said]

    @property
    def answered(self) -> str:
        """``given``, ``proposed`` or ``unknown``: what became of most of them, the better one of equals."""
        counts = Counter(one.status or "unknown" for one in self.asked)
        return max(("given", "proposed", "unknown"), key=lambda status: counts[status])

    @property
    def texts(self) -> list[str]:
        """Its wordings, each once after folding, the commonest first."""
        counts: Counter[str] = Counter()
        shown: dict[str, str] = {}
        for one in self.asked:
            folded = fold(one.text)
            counts[folded] += 1
            shown.setdefault(folded, one.text)
        return [shown[folded] for folded, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]


class Coverage(NamedTuple):
    """How many of the repeated questions of a broadcast had an answer, given or proposed."""

    room: str
    begin: int
    repeated: int
    given: int
    proposed: int

    @property
    def share(self) -> float:
        return (self.given + self.proposed) / self.repeated if self.repeated else 1.0


def repeated(asked: Iterable[Said], encoder: Encoder, least: int = LEAST) -> list[Group]:
    """The questions that came ``least`` times or more in a broadcast of a room, by room and time, the commonest first."""
    found: list[Group] = []
    for room, begin, questions in _broadcasts(asked):
        groups = [Group(room, begin, own) for own in _grouped(questions, encoder) if len(own) >= least]
        found += sorted(groups, key=lambda group: (-len(group.asked), group.texts[0]))
    return found


def coverage(asked: Iterable[Said], encoder: Encoder, least: int = LEAST) -> list[Coverage]:
    """Of every broadcast with repeated questions, how many of them were answered or proposed."""
    found: dict[tuple[str, int], Counter[str]] = {}
    for group in repeated(asked, encoder, least):
        found.setdefault((group.room, group.begin), Counter())[group.answered] += 1
    return [
        Coverage(room, begin, counts.total(), counts["given"], counts["proposed"]) for (room, begin), counts in found.items()
    ]


def drafts(groups: Sequence[Group], speech: Iterable[Sentence], encoder: Encoder, now_ms: int) -> list[FaqEntry]:
    """A draft for each question that is not answered already, of its last broadcast; the commonest first.

    The same question gets the same id whenever it is mined again. The answer is empty where nobody gave one.
    """
    heard = _by_room(speech)
    made: dict[str, FaqEntry] = {}
    for group in groups:
        if group.answered == "given":
            continue
        texts = group.texts
        skus = Counter(one.sku for one in group.asked if one.sku)
        entry = FaqEntry(
            room=group.room, event_ts=group.begin, ingest_ts=now_ms, id=_id(group.room, texts[0]), question=texts[0],
            answer=_heard(group, heard.get(group.room, []), encoder) or _told(group), wordings=texts[1 : 1 + _WORDINGS],
            sku=next(iter(skus)) if len(skus) == 1 else "", source="mined", state="draft", asked=len(group.asked),
        )  # fmt: skip
        known = made.get(entry.id)
        if known is None or (entry.asked, bool(entry.answer)) >= (known.asked, bool(known.answer)):
            made[entry.id] = entry
    return sorted(made.values(), key=lambda entry: (-entry.asked, entry.room, entry.id))


def _broadcasts(asked: Iterable[Said]) -> list[tuple[str, int, list[Said]]]:
    found: list[tuple[str, int, list[Said]]] = []
    for one in sorted(asked):
        if not found or found[-1][0] != one.room or one.ts - found[-1][2][-1].ts > PAUSE_MS:
            found.append((one.room, one.ts, []))
        found[-1][2].append(one)
    return found


def _grouped(asked: Sequence[Said], encoder: Encoder) -> list[list[Said]]:
    """Leader clustering (Hartigan 1975): each text joins the nearest leader that is near enough, or leads itself."""
    texts: dict[str, list[Said]] = {}
    for one in asked:
        if folded := fold(one.text):
            texts.setdefault(folded, []).append(one)
    order = sorted(texts, key=lambda text: (-len(texts[text]), text))[:MOST_TEXTS]
    rows: Rows = encoder.encode(order) if order else np.zeros((0, DIMENSIONS), np.float32)
    leaders = np.zeros_like(rows)
    subjects: list[frozenset[str]] = []
    groups: list[list[Said]] = []
    for text, row in zip(order, rows, strict=True):
        about = frozenset(load_topics().find(text))
        alike = (leaders[: len(groups)] @ row).round(4)
        near = sorted(np.flatnonzero(alike >= JOINS).tolist(), key=lambda place: (-alike[place], place))
        joined = next((place for place in near if subjects[place] == about), None)
        if joined is None:
            leaders[len(groups)] = row
            subjects.append(about)
            groups.append(list(texts[text]))
        else:
            groups[joined] += texts[text]
    return groups


def _heard(group: Group, speech: list[Sentence], encoder: Encoder) -> str:
    """The sentence after the questions that speaks of them most; empty when none does."""
    times = [sentence.ts for sentence in speech]
    near: dict[int, int] = {}
    for one in group.asked:
        start = bisect_right(times, one.ts)
        for place in range(start, min(start + _SENTENCES, len(speech))):
            if speech[place].ts > one.ts + HEARD_MS:
                break
            near[place] = near.get(place, 0) + 1
    if not near:
        return ""
    places = sorted(near)
    question, said = group.texts[0], [speech[place].text for place in places]
    rows = encoder.encode([question, *said]).astype(np.float64)
    subjects = set(load_topics().find(fold(question)))
    best, answer = (0.0, 0.0), ""
    for number, place in enumerate(places):
        text = fold(said[number])
        shared = len(subjects & set(load_topics().find(text))) / len(subjects) if subjects else 0.0
        speaks = float((rows[0] * rows[number + 1]).sum()) + 0.5 * shared + 0.5 * dice(grams(fold(question)), grams(text))
        weight = round(speaks, 4), near[place] / len(group.asked)
        if speaks >= _SPEAKS and weight > best and not said[number].rstrip().endswith(("?", "？")):
            best, answer = weight, said[number]
    return answer


def _told(group: Group) -> str:
    counts = Counter(one.answer for one in group.asked if one.answer)
    return min(counts, key=lambda text: (-counts[text], text)) if counts else ""


def _by_room(speech: Iterable[Sentence]) -> dict[str, list[Sentence]]:
    found: dict[str, list[Sentence]] = {}
    for sentence in sorted(speech):
        found.setdefault(sentence.room, []).append(sentence)
    return found


def _id(room: str, question: str) -> str:
    return "mined-" + sha256(f"{room}\0{fold(question)}".encode("utf-8", "replace")).hexdigest()[:16]
