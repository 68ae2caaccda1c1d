"""What is wrong with FAQ entries: doubles, contradictions, prices that do not hold, entries out of date, and what is none.

Two entries meet where a room may tell either: in one room, or where one is of all rooms, and about one product or about none.
They ask the same when two of their wordings are the same after folding, or so near by the encoder that viewers would use them
for each other (:data:`CLOSE`) and no word says that their subjects differ. The same question with the same answer is a double,
with another answer or another price a contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from analytics.encoders import DIMENSIONS, Encoder, Rows
from analytics.faq_entries import check
from analytics.faq_score import dice, grams
from analytics.fold import fold
from analytics.sheet import amounts, answer_of, load_topics
from streams.records import ALL_ROOMS, FaqEntry, InvalidError, Product, yuan

CLOSE = 0.85  # cosine of two wordings that ask the same
_SAME_ANSWER = 0.6  # Dice's coefficient of two answers that say the same
_AT_ONCE = 1_000  # wordings that are compared at once: bounds the memory
Kind = Literal["invalid", "double", "contradiction", "price", "out_of_date"]


class Problem(NamedTuple):
    """Something wrong with one entry, or with two. ``says`` is for a person."""

    kind: Kind
    room: str
    id: str
    says: str
    other: str = ""


def problems(
    entries: Sequence[FaqEntry], products: Mapping[tuple[str, str], Product] | None, encoder: Encoder, now_ms: int,
    close: float = CLOSE,
) -> list[Problem]:  # fmt: skip
    """All that is wrong, in the order of the entries. ``products``: sheets by room and sku, or None where none are at hand.

    Withdrawn entries are not looked at; drafts are, but may still lack an answer.
    """
    found: list[Problem] = []
    sound: list[FaqEntry] = []
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.state == "withdrawn":
            continue
        own = _alone(entry, products, now_ms)
        if (entry.room, entry.id) in seen:
            own.append(Problem("double", entry.room, entry.id, "two entries have this id: the second would replace the first"))
        seen.add((entry.room, entry.id))
        found += own
        if all(problem.kind != "invalid" for problem in own):
            sound.append(entry)
    return found + [_told(left, right, said) for left, right, said in _meeting(sound, encoder, close)]


def _alone(entry: FaqEntry, products: Mapping[tuple[str, str], Product] | None, now_ms: int) -> list[Problem]:
    found: list[Problem] = []
    if entry.state == "active" or entry.answer:
        try:
            check(entry)
        except InvalidError as error:
            found.append(Problem("invalid", entry.room, entry.id, str(error)))
    elif not fold(entry.question):
        found.append(Problem("invalid", entry.room, entry.id, "an entry needs a question"))
    if entry.valid_until and entry.valid_until <= now_ms:
        found.append(Problem("out_of_date", entry.room, entry.id, f"{entry.question!r} is out of date: renew or withdraw it"))
    if products is None or not (entry.sku or entry.price or amounts(entry.answer)):
        return found
    sheets = [sheet for (room, sku), sheet in products.items() if sku == entry.sku and entry.room in (room, ALL_ROOMS)]
    if entry.sku and not sheets:
        return [
            *found,
            Problem("price", entry.room, entry.id, f"no sheet of {entry.sku!r} is known: its prices cannot be checked"),
        ]
    if not sheets:
        what = f"{entry.question!r} states a price and names no product: it is only ever proposed"
        return [*found, Problem("price", entry.room, entry.id, what)]
    for sheet in sheets:
        said, holds = answer_of(entry.answer, sheet)
        if not holds or (entry.price and entry.price != sheet.price):
            what = f"{said!r} does not hold: in the catalogue of {sheet.room!r} {entry.sku!r} costs {yuan(sheet.price)}"
            found.append(Problem("price", entry.room, entry.id, what))
    return found


def _told(left: FaqEntry, right: FaqEntry, said: tuple[str, str]) -> Problem:
    asked = f"{said[0]!r} and {said[1]!r} ask the same" if said[0] != said[1] else f"{said[0]!r} is in both"
    if _same_answer(left, right):
        return Problem("double", left.room, left.id, f"{asked}, and the answers are alike: one will do", right.id)
    return Problem("contradiction", left.room, left.id, f"{asked}: {left.answer!r} against {right.answer!r}", right.id)


def _same_answer(left: FaqEntry, right: FaqEntry) -> bool:
    if left.price != right.price or sorted(amounts(left.answer)) != sorted(amounts(right.answer)):
        return False
    return dice(grams(fold(left.answer)), grams(fold(right.answer))) >= _SAME_ANSWER


def _meeting(entries: Sequence[FaqEntry], encoder: Encoder, close: float) -> list[tuple[FaqEntry, FaqEntry, tuple[str, str]]]:
    """Pairs of entries that ask the same, each once, with the two wordings that show it best."""
    said = [(place, text) for place, entry in enumerate(entries) for text in (entry.question, *entry.wordings)]
    rows: Rows = encoder.encode([text for _, text in said]) if said else np.zeros((0, DIMENSIONS), np.float32)
    best = _by_words(entries)
    for start in range(0, len(said), _AT_ONCE):
        for place, other in np.argwhere(rows[start : start + _AT_ONCE] @ rows.T >= close - 1e-3).tolist():
            one = start + place
            (left, asked), (right, too) = said[one], said[other]
            if left < right and _may_meet(entries[left], entries[right]) and _same_subject(asked, too):
                alike = round(float((rows[one].astype(np.float64) * rows[other]).sum()), 4)
                if alike >= close:
                    best[left, right] = max(best.get((left, right), (-1.0, ("", ""))), (alike, (asked, too)))
    return [(entries[left], entries[right], texts) for (left, right), (_, texts) in sorted(best.items())]


def _may_meet(left: FaqEntry, right: FaqEntry) -> bool:
    return left.sku == right.sku and (left.room == right.room or ALL_ROOMS in (left.room, right.room))


def _same_subject(one: str, other: str) -> bool:
    return load_topics().find(fold(one)).keys() == load_topics().find(fold(other)).keys()


def _by_words(entries: Sequence[FaqEntry]) -> dict[tuple[int, int], tuple[float, tuple[str, str]]]:
    """Entries that have a wording in common after folding: that goes before any nearness."""
    holders: dict[str, dict[int, str]] = {}
    for place, entry in enumerate(entries):
        for text in (entry.question, *entry.wordings):
            holders.setdefault(fold(text), {}).setdefault(place, text)
    return {
        (left, right): (2.0, (own[left], own[right]))
        for own in holders.values()
        for left, right in combinations(sorted(own), 2)
        if _may_meet(entries[left], entries[right])
    }
