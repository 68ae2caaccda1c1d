"""Sensitive words in chat: complaints and dangers by topic, plain or disguised.

Plain words are found by one Aho-Corasick automaton over the folded text. Disguises are looked for among the ``hidden``
words: inserted characters (假x货), characters taken apart (亻叚货), look-alikes (叚货), the same sound in other characters
(甲霍) or in Latin letters (jia货, jiahuo). What sounds alike and is an everyday word (家伙, 加货), or overlaps one
(大家火了), is not a hit, and sound weighs less than sight. A denial (不是假货) is no hit; a question (是假货吗？) weighs
little.

Weights: 1 a strong word; times 0.5 for a weak one, 0.8 in pinyin, 0.6 by sound alone, 0.3 in a question. A detector should
count weights of 0.5 and more as evidence.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import re2
from ahocorasick_rs import AhoCorasick, MatchKind

from analytics.fold import fold, widths
from analytics.sounds import SYLLABLE_CODES, sounded, syllable
from streams.records import InvalidError, SensitiveHit

DENIABLE = frozenset({"counterfeit", "quality", "fraud", "safety"})
_ASKABLE = DENIABLE | {"refund", "service"}
_WEAK, _PINYIN, _SOUND, _ASKED, _BROKEN = 0.5, 0.8, 0.6, 0.3, 0.5
_HIDDEN_AND_DENIED = 0.5  # who denies has no need to hide the word
_GAP = 2  # inserted code points between two characters of a disguised word
_CLAUSE = frozenset("，。！？；：、,!?;:\n")
_FILLERS = "被有买卖过收到是会什么的"
_DENIALS = "不没无非"


class Entry(NamedTuple):
    """One word, and what it is evidence of."""

    word: str
    topic: str
    weight: float


@dataclass(frozen=True)
class UserPattern:
    """A shop's own rule: a regular expression in RE2's syntax (no look-around, linear time), searched in the light fold."""

    pattern: str
    topic: str
    weight: float = 1.0


class _Found(NamedTuple):
    start: int
    end: int
    entry: Entry
    factor: float


class SensitiveMatcher:
    """Finds the words of one list. Built once (about 30 ms); :meth:`find` takes a few microseconds a message."""

    def __init__(
        self, lexicon: Mapping[str, Any], everyday: Iterable[str] = (), disguises: Mapping[str, Any] | None = None,
        patterns: Sequence[UserPattern] = (),
    ) -> None:  # fmt: skip
        self._context: Mapping[str, Any] = lexicon.get("context", {})
        entries: dict[str, Entry | None] = {}
        hidden: dict[str, Entry] = {}
        for topic, words in lexicon["topics"].items():
            for weight, kind in ((_WEAK, "weak"), (1.0, "strong")):
                entries |= {word: Entry(word, topic, weight) for word in map(fold, words.get(kind, ()))}
            hidden |= {word: Entry(word, topic, 1.0) for word in map(fold, words.get("hidden", ()))}
        entries |= dict.fromkeys(map(fold, lexicon.get("exceptions", {}).get("plain", ())))
        self._plain = _Words(entries)
        self._hidden = _Words(dict(hidden))
        self._concealed = frozenset(hidden)
        self._sounds = _Words(
            {heard: entry for entry in hidden.values() for heard in _ways_to_say(entry.word)}, overlapping=True
        )
        self._everyday = frozenset(everyday) | frozenset(lexicon.get("exceptions", {}).get("sound", ()))
        disguises = disguises or {}
        self._shapes = {ord(look): real for look, real in disguises.get("shape", {}).items()}
        self._splits: dict[str, str] = disguises.get("split", {})
        self._pieces = AhoCorasick(list(self._splits) or ["\0"], matchkind=MatchKind.LeftmostLongest)
        self._patterns = [(_compile(rule), rule) for rule in patterns]

    def find(self, text: str, folded: str | None = None, *, asking: bool = False) -> list[SensitiveHit]:
        """The sensitive words of one message, each once, in order of appearance; plain ones first.

        ``folded`` is ``fold(text)`` where the caller has it already; ``asking``: the caller knows it for a question.
        """
        if folded is None:
            folded = fold(text)
        hits: dict[str, SensitiveHit] = {}
        for found in self._plain.find(folded):
            if not _inside_latin(folded, found):
                self._add(hits, text, folded, found, asking, disguised=False)
        if self._hidden:
            for source, found in self._disguised(folded):
                self._add(hits, text, source, found, asking, disguised=True)
        if self._patterns:
            light = widths(text)
            for rule, said in self._patterns:
                if said.pattern not in hits and rule.search(light):
                    hits[said.pattern] = SensitiveHit(said.pattern, said.topic, False, said.weight)
        return list(hits.values())

    def _add(
        self, hits: dict[str, SensitiveHit], text: str, source: str, found: _Found, asking: bool, *, disguised: bool
    ) -> None:
        entry, factor = found.entry, found.factor
        if entry.word in hits:
            return
        if not disguised and len(entry.word) > 1:
            broken = _broken(text, entry.word, entry.word in self._concealed)
            if broken == 0.0:
                return
            disguised, factor = broken is not None, factor * (broken or 1.0)
        if self._denied(source, found):
            if not disguised:
                return
            factor *= _HIDDEN_AND_DENIED
        if entry.topic in _ASKABLE and self._asks(text, source, asking):
            factor *= _ASKED
        hits[entry.word] = SensitiveHit(entry.word, entry.topic, disguised, round(entry.weight * factor, 2))

    def _disguised(self, folded: str) -> Iterable[tuple[str, _Found]]:
        """Hidden words behind look-alikes, pieces, insertions and sounds, each with the text in which it stands."""
        rebuilt = folded.translate(self._shapes)
        pieces = self._pieces.find_matches_as_indexes(rebuilt)
        if pieces:
            rebuilt = _joined(rebuilt, pieces, list(self._splits.values()))
        if rebuilt != folded:
            known = {(found.start, found.entry.word) for found in self._hidden.find(folded)}
            for found in self._hidden.find(rebuilt):
                surface = folded[found.start : found.end] if len(rebuilt) == len(folded) else ""
                if (found.start, found.entry.word) not in known and not self._is_everyday(folded, found, surface):
                    yield rebuilt, found
        yield from self._inserted(rebuilt)
        for found in self._sounds.find(sounded(folded)):
            surface = folded[found.start : found.end]
            if surface == found.entry.word:
                continue
            if surface.isascii() or any(c.isascii() for c in surface):
                if not _inside_latin(folded, found):
                    yield folded, found._replace(factor=_PINYIN)
            elif not self._is_everyday(folded, found, surface):
                yield folded, found._replace(factor=_SOUND)

    def _inserted(self, text: str) -> Iterable[tuple[str, _Found]]:
        """Hidden words whose characters are kept apart by at most two letters, digits or emoji at each place."""
        at = [index for index, character in enumerate(text) if "\u3400" <= character <= "\u9fff"]
        if len(at) < 2 or len(at) == len(text):
            return
        bare = "".join([text[index] for index in at])
        for found in self._hidden.find(bare):
            places = at[found.start : found.end]
            gaps = [after - before - 1 for before, after in itertools.pairwise(places)]
            if sum(gaps) > 0 and max(gaps) <= _GAP:
                yield text, _Found(places[0], places[-1] + 1, found.entry, 1.0)

    def _is_everyday(self, folded: str, found: _Found, surface: str) -> bool:
        """Whether the characters at a hit are an everyday word, or a part of one that reaches over either end."""
        start, end = found.start, found.end
        return (
            surface in self._everyday
            or (start > 0 and folded[start - 1 : start + 1] in self._everyday)
            or folded[end - 1 : end + 1] in self._everyday
            or (end - start > 2 and folded[start : start + 2] in self._everyday and folded[end - 2 : end] in self._everyday)
        )

    def _denied(self, source: str, found: _Found) -> bool:
        if found.entry.topic not in DENIABLE or not self._context or found.entry.word[0] in _DENIALS:
            return False
        before = source[max(0, found.start - 8) : found.start]
        bare = before.rstrip(_FILLERS)
        for said in (before, bare):
            for negator in self._context["negators"]:
                if said.endswith(negator):
                    asked = said.removesuffix(negator).endswith(
                        (*self._context["rhetorical"], negator[1:2] or negator)
                    )  # 是不是
                    return not asked and not any(turn in source[found.end :] for turn in self._context["turned"])
        return False

    def _asks(self, text: str, source: str, asking: bool) -> bool:
        if not self._context:
            return False
        if not (asking or "?" in text or "？" in text or any(word in source for word in self._context["asking"])):
            return False
        return not any(word in source for word in self._context["accusing"])


class _Words:
    """An automaton over words, each with its entry; a word whose entry is None only keeps others from being found in it."""

    def __init__(self, entries: Mapping[str, Entry | None], *, overlapping: bool = False) -> None:
        self._entries, self._overlapping = list(entries.values()), overlapping
        kind = MatchKind.Standard if overlapping else MatchKind.LeftmostLongest
        self._automaton = AhoCorasick(list(entries), matchkind=kind) if entries else None

    def __bool__(self) -> bool:
        return self._automaton is not None

    def find(self, text: str) -> list[_Found]:
        if self._automaton is None:
            return []
        matches = self._automaton.find_matches_as_indexes(text, overlapping=self._overlapping)
        return [_Found(start, end, entry, 1.0) for index, start, end in matches if (entry := self._entries[index]) is not None]


def _ways_to_say(word: str) -> list[str]:
    """A word in syllable codes, with every choice of its syllables spelled in Latin letters."""
    syllables = [syllable(character) for character in word]
    if "" in syllables:
        return []
    choices = [(SYLLABLE_CODES[said], said) for said in syllables]
    return ["".join(way) for way in itertools.product(*choices)]


def _joined(text: str, pieces: list[tuple[int, int, int]], whole: list[str]) -> str:
    out, last = [], 0
    for index, start, end in pieces:
        out += [text[last:start], whole[index]]
        last = end
    return "".join(out) + text[last:]


def _inside_latin(text: str, found: _Found) -> bool:
    """Whether a hit in Latin letters or digits begins or ends inside a longer word or number."""
    start, end = found.start, found.end
    before = start > 0 and text[start - 1].isascii() and _same_kind(text[start - 1], text[start])
    after = end < len(text) and text[end].isascii() and _same_kind(text[end], text[end - 1])
    return before or after


def _same_kind(one: str, other: str) -> bool:
    return (one.isalpha() and other.isascii() and other.isalpha()) or (one.isdigit() and other.isdigit())


def _broken(text: str, word: str, hidden: bool) -> float | None:
    """How a folded word stands in the text: None whole; 1 broken up to hide it; 0.5 perhaps; 0 by the end of a clause."""
    light = widths(text)
    if word in light:
        return None
    found = re.search(r"([\W_]*)".join(map(re.escape, word)), light)
    if found is None:
        return None
    gaps = found.groups()
    if not any(_CLAUSE & set(gap) for gap in gaps):
        return 1.0
    if len(gaps) == 1:
        return _BROKEN if hidden else 0.0
    return 1.0 if all(gaps) and len(set(gaps)) == 1 else 0.0


def _compile(rule: UserPattern) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 22
    try:
        return re2.compile(rule.pattern, options=options)
    except re2.error as error:
        raise InvalidError(
            f"pattern {rule.pattern[:80]!r} is not RE2 syntax ({error}): look-around and back-references are out"
        ) from error


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("analytics.data") / name).read_text(encoding="utf-8"))


@cache
def load_matcher(name: str = "chat") -> SensitiveMatcher:
    """The matcher of one shipped list: ``chat`` (complaints of viewers) or ``advertising`` (forbidden claims of a host)."""
    if name == "advertising":
        return SensitiveMatcher(_toml("advertising.toml"))
    if name != "chat":
        raise InvalidError(f"no sensitive list {name!r}: choose 'chat' or 'advertising'")
    everyday = (files("analytics.data") / "everyday.txt").read_text(encoding="utf-8").split()
    return SensitiveMatcher(_toml("sensitive.toml"), everyday, _toml("disguises.toml"))
