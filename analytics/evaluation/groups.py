"""How well live questions are grouped: the product's own way, the figures of any way, and a plain way to compare with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from analytics.comprehension import Comprehension
from analytics.encoders import Encoder
from analytics.evaluation.data import CHATTER, Labelled
from analytics.evaluation.outcome import Evaluation, Examples
from analytics.evaluation.partitions import gold_groups, numbered, partition_figures
from analytics.groups import WINDOW_MS, Groups
from streams.records import Chat, DanmakuEnvelope

LEADER_ALIKE = 0.3
_ROOM, _START = "evaluated", 1_700_000_000_000
_SLOWEST_MS = 1_000
_REREAD = 100  # lines after which it is read anew in which group every question of the window stands
_SHOWN, _CUT = 30, 60

Progress = Callable[[int, int], None]


def default_pace(lines: int) -> int:
    """Milliseconds between lines with which a whole file lies in one window: a second at most, one at least."""
    return max(1, min(_SLOWEST_MS, WINDOW_MS * 3 // 4 // max(lines, 1)))


def group_texts(
    texts: Sequence[str],
    *,
    encoder: Encoder | None = None,
    every_ms: int = 0,
    progress: Progress = lambda done, of: None,
) -> list[str | None]:
    """The group that the product puts each text in, as it does while a room is live; ``None`` for what it takes for chatter.

    The texts come in their order, one each ``every_ms`` (0: :func:`default_pace`) and each from another viewer. A question that
    was moved to another group while it stood in the window belongs to the last one.
    """
    comprehension, groups = Comprehension(), Groups(encoder)
    pace = every_ms or default_pace(len(texts))
    joined: dict[str, str] = {}
    for number, text in enumerate(texts):
        ts = _START + number * pace
        chat = Chat(str(number), ts, f"viewer {number}", text)
        envelope = DanmakuEnvelope(room=_ROOM, event_ts=ts, ingest_ts=ts, source="file", messages=[chat])
        for record in comprehension.feed(envelope, number):
            groups.feed(record, number)
        if number % _REREAD == 0 or number == len(texts) - 1:
            progress(number + 1, len(texts))
            joined |= _questions(groups)
        else:
            joined |= _questions(groups, newest=1)
    return [joined.get(f"viewer {number}") for number in range(len(texts))]


def _questions(groups: Groups, newest: int | None = None) -> dict[str, str]:
    """Who asked → the group, of the newest questions in the window, or of all.

    The operator says aloud what a group holds, not who joined it: the one place that looks inside is here.
    """
    room = groups._rooms.get(_ROOM)
    return {question.user: question.group for question in islice(reversed(room.asked), newest)} if room else {}


def leader_groups(texts: Sequence[str], alike: float = LEADER_ALIKE) -> list[str | None]:
    """Leader clustering (Hartigan 1975) by TF-IDF of character 1- and 2-grams, the plain way to compare with.

    A text joins the group of the nearest leader when their cosine is at least ``alike``, and leads a new one else. The weights
    come from all texts, later ones included, so a live room could not even have them.
    """
    grams = [Counter(text[at : at + size] for size in (1, 2) for at in range(len(text) - size + 1)) for text in texts]
    holding = Counter(gram for found in grams for gram in found)
    leads: dict[str, list[tuple[int, float]]] = {}  # gram → the leaders that have it, and its weight there
    joined: list[str | None] = []
    for number, found in enumerate(grams):
        row = {gram: (1 + math.log(count)) * math.log(1 + len(texts) / holding[gram]) for gram, count in found.items()}
        length = math.sqrt(sum(weight * weight for weight in row.values())) or 1.0
        near: defaultdict[int, float] = defaultdict(float)
        for gram, weight in row.items():
            for leader, other in leads.get(gram, ()):
                near[leader] += weight / length * other
        best = min(near, key=lambda leader: (-near[leader], leader), default=-1)
        if best < 0 or near[best] < alike:
            best = number
            for gram, weight in row.items():
                leads.setdefault(gram, []).append((number, weight / length))
        joined.append(str(best))
    return joined


def evaluate_groups(
    data: Labelled, given: Sequence[str | None], model: str, rng: np.random.Generator, notes: Sequence[str] = ()
) -> Evaluation:
    """Pairwise F1 and ARI of groups that were given to the lines of a file, with chatter as lines that belong to nobody."""
    names = [group for group, _ in data.rows]
    gold = gold_groups(names)
    found = numbered(given)
    chatter = sum(name == CHATTER for name in names)
    grouped = sum(name == CHATTER and group is not None for name, group in zip(names, given, strict=True))
    told = [f"{len(data.rows) - chatter:,} lines in {len(set(names) - {CHATTER}):,} groups and {chatter:,} of chatter"]
    if chatter:
        told.append(f"lines of chatter taken for questions: {grouped:,}")
    if data.duplicates:
        told.append(f"repeats of earlier lines, as in a live room: {data.duplicates:,}")
    return Evaluation(
        task="groups",
        n=len(data.rows),
        figures=partition_figures(gold, found, rng),
        model=model,
        data=data.path,
        sha256=data.sha256,
        notes=[*notes, *told],
        examples=[_torn(data, given), _mixed(data, given)],
    )


def _torn(data: Labelled, given: Sequence[str | None]) -> Examples:
    """Groups of the file that lie in several of the given ones."""
    parts: dict[str, Counter[str]] = {}
    words: dict[str, dict[str, None]] = {}
    for place, ((group, text), other) in enumerate(zip(data.rows, given, strict=True)):
        if group != CHATTER:
            parts.setdefault(group, Counter())[f"alone {place}" if other is None else other] += 1
            words.setdefault(group, {})[text[:_CUT]] = None
    missed = {group: found.total() - max(found.values()) for group, found in parts.items()}
    rows = [
        (group, str(parts[group].total()), str(len(parts[group])), " / ".join(list(words[group])[:5]))
        for group in sorted(missed, key=lambda group: (-missed[group], group))[:_SHOWN]
        if missed[group]
    ]
    return Examples(
        "Torn apart",
        "Groups of the file whose lines were put in several groups.",
        ("group", "lines", "parts", "texts"),
        rows,
        ("texts",),
    )


def _mixed(data: Labelled, given: Sequence[str | None]) -> Examples:
    """Given groups that hold lines of several groups of the file, or chatter."""
    held: dict[str, Counter[str]] = {}
    words: dict[str, dict[str, None]] = {}
    for (group, text), other in zip(data.rows, given, strict=True):
        if other is not None:
            held.setdefault(other, Counter())[group] += 1
            words.setdefault(other, {})[text[:_CUT]] = None
    strange = {other: found.total() - max(found.values()) for other, found in held.items()}
    rows = [
        (
            str(held[other].total()),
            ", ".join(f"{group} {count}" for group, count in held[other].most_common(5)),
            " / ".join(list(words[other])[:5]),
        )
        for other in sorted(strange, key=lambda other: (-strange[other], other))[:_SHOWN]
        if strange[other]
    ]
    return Examples(
        "Mixed together",
        "Groups that were made of lines of several groups of the file (- is chatter).",
        ("lines", "holds", "texts"),
        rows,
        ("texts",),
    )
