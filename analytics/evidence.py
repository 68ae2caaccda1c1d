"""Evidence on one topic in one room: who complained, in which words, and how surprising that is against the room's normal.

- **Distinct people.** A user counts once in 30 s. A raw count alarms at every lone spammer, distinct users at hardly any.
- **Distinct texts.** Copies of a long text count once in 30 s, near copies too: a promotion or a paste is one voice. A short
  text (up to six characters folded, such as 假货 or 骗子退钱) counts for each of its users, since that is how real people
  complain; should they be coordinated accounts, :meth:`Topic.note` says what it looks like.
  Texts are compared by the pairs among their first 80 characters, with the newest 64 texts of the topic: at most 64 x 79
  pairs a message and topic, however long a message is.
- **Share, not count.** Complaints are compared with the messages of the same seconds. One text counts at most three times a
  second among these, so that a flood (a lottery, or one made for the purpose) does not bury a complaint.
- **Without names.** Where a source gives no user ids, one spammer cannot be told from a crowd: every different text, numbers
  aside, is a voice there, and half a one. So it takes twice as many, and all of them in other words.
- **A practical null.** The surprise is -log10 of the Poisson chance of so many users at three times the normal share; a topic
  that people mention moderately more often is no crisis.
- **A robust normal**: half-life 10 min, lagged 20 s, each second clipped, with a prior.

Everything is kept for as long as a message may be late (two minutes), and each complaint is weighed among those around its
own time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from math import log
from operator import attrgetter
from zlib import crc32

import msgspec

from analytics.traffic import KEPT_MS, MEMORY_MS, SECOND, Traffic
from analytics.wordings import COMPARED, MOST_GROUPS, SAME, SHORT, Group, alike
from streams.records import UnderstoodChat

WINDOWS_S = (2, 3, 5, 8)
SLOW_WINDOWS_S = (15,)  # for rooms so slow that eight seconds hold no evidence
SLOW_MESSAGES = 60  # a slow window with more messages than this adds false alarms and no speed
DECAY = 0.5 ** (1 / 600)
PRACTICAL = 3.0
PRIOR_MESSAGES = 3_000.0
UNNAMED = 0.5  # what a message without a user weighs
MOST_HITS, MOST_WORDED = 1_024, 256  # complaints that are kept, and of how many of them the words
MOST_SEEN = 4_096
MOST_EXAMPLES = 5


def surprise(users: int, mean: float) -> float:
    """-log10 P(X ≥ users) for X ~ Poisson(mean), and 0 where it would be no surprise."""
    if users <= mean or users <= 0:
        return 0.0
    if mean <= 0:
        return 99.0
    logs, term, total = users * log(mean) - mean, 1.0, 1.0
    logs -= sum(log(k) for k in range(2, users + 1))
    for k in range(users + 1, users + 200):
        term *= mean / k
        total += term
        if term < 1e-12 * total:
            break
    return max(0.0, -(logs + log(total)) / log(10))


class Score(msgspec.Struct, frozen=True):
    """The most surprising of the windows: how surprising, and what is in it."""

    value: float = 0.0
    users: int = 0
    messages: int = 0
    window_s: int = 0

    @property
    def share(self) -> float:
        return self.users / self.messages if self.messages else 0.0


class Hit(msgspec.Struct, array_like=True):
    """A complaint that counted."""

    ts: int
    user: int
    weight: float
    named: bool
    text: str
    words: list[str]


WHEN = attrgetter("ts")
NUMBERS = re.compile(r"\d+")


class Topic(msgspec.Struct, array_like=True):
    """What is known of one topic in one room. ``normal`` is the weight of the complaints in the memory of the normal."""

    prior: float
    normal: float = 0.0
    hits: list[Hit] = []  # in order of time
    seen: dict[int, list[int]] = {}  # user → when counted
    groups: list[Group] = []
    said: int = 0  # messages on the topic since the beginning, whether they counted or not

    def add(self, message: UnderstoodChat, weight: float, words: list[str]) -> int | None:
        """Take one complaint; who it is of when it counts, None when it does not."""
        ts, named = message.event_ts, bool(message.user)
        text = message.folded[:COMPARED]
        if not named:
            text, weight = NUMBERS.sub("", text), weight * UNNAMED
        user = crc32(message.user.encode() if named else b"\0" + text.encode("utf-8", "surrogatepass"))
        fresh = self._group(text, ts, user, named)
        times = self.seen.get(user, [])
        if not fresh or any(abs(ts - time) < MEMORY_MS for time in times):
            return None
        self.seen[user] = [*times, ts]
        insort(self.hits, Hit(ts, user, weight, named, message.text[:80], words[:3]), key=WHEN)
        if len(self.hits) > MOST_HITS + MOST_WORDED:  # within one second, for it is tidied up every second
            self._thin()
        return user

    def _thin(self) -> None:
        """Keep of most complaints only who and when, and not too many of them."""
        if len(self.hits) > MOST_WORDED:
            self.hits = self.hits[-MOST_HITS:]
            for hit in self.hits[:-MOST_WORDED]:
                hit.text, hit.words = "", []
        if len(self.seen) > MOST_SEEN:
            self.seen = dict(list(self.seen.items())[-MOST_SEEN:])

    def _group(self, text: str, ts: int, user: int, named: bool) -> bool:
        """Put a message to the messages of its text; whether this text may count (again)."""
        new = Group(text)
        rivals = (group for group in self.rivals(new) if group.near(ts))
        same = next((group for group in rivals if group.text == text or alike(group.pairs, new.pairs)), None)
        if same is None:
            self.groups.append(new)
            if len(self.groups) > 2 * MOST_GROUPS:
                del self.groups[:MOST_GROUPS]
        self.said += 1
        (same or new).add(ts, user)
        return same is None or (named and len(text) <= SHORT)

    def rivals(self, new: Group) -> Iterator[Group]:
        """The texts that a new one has to be compared with, newest first: those that may be the same by their length."""
        most, least = len(new.pairs) / SAME, len(new.pairs) * SAME
        for group in self.groups[: -MOST_GROUPS - 1 : -1]:
            if len(new.text) <= SHORT or len(group.text) <= SHORT:
                if group.text == new.text:
                    yield group
            elif least <= len(group.pairs) <= most:
                yield group

    def clear(self) -> None:
        """Forget the evidence, and keep what is normal."""
        self.hits, self.seen, self.groups = [], {}, []

    def trim(self, now: int) -> None:
        """Forget what no message can be judged by any more."""
        oldest = now - KEPT_MS
        if self.hits and self.hits[0].ts <= oldest:
            self.hits = self.hits[bisect_right(self.hits, oldest, key=WHEN) :]
        self._thin()
        self.groups = [group for group in self.groups if group.last > oldest][-MOST_GROUPS:]
        for group in self.groups:
            group.trim()
        if len(self.seen) > 2 * len(self.hits) + 32:
            seen = [(user, [time for time in times if time > oldest]) for user, times in self.seen.items()]
            self.seen = {user: times for user, times in seen if times}

    def roll(self, second: int, messages: int, share: float) -> None:
        """Let a second into the normal: at most three times what is normal, and one."""
        weight = 0.0
        if self.hits and self.hits[0].ts < (second + 1) * SECOND:
            start = bisect_left(self.hits, second * SECOND, key=WHEN)
            weight = sum(hit.weight for hit in self.hits[start : bisect_left(self.hits, (second + 1) * SECOND, key=WHEN)])
        self.normal = self.normal * DECAY + min(weight, PRACTICAL * share * messages + 1)

    def share(self, messages: float) -> float:
        """The normal share of complaints among ``messages``, the memory of the normal. Never below half the prior."""
        share = (self.normal + PRIOR_MESSAGES * self.prior) / (messages + PRIOR_MESSAGES)
        return max(share, self.prior / 2)

    def score(self, traffic: Traffic, now: int) -> Score:
        """The most surprising of the windows that end ``now``."""
        share = self.share(traffic.normal)
        best, weight = Score(), 0.0
        start = end = bisect_right(self.hits, now, key=WHEN)
        for seconds in (*WINDOWS_S, *SLOW_WINDOWS_S):
            messages = traffic.since(seconds, now)
            if seconds > WINDOWS_S[-1] and messages > SLOW_MESSAGES:
                break
            earlier = bisect_right(self.hits, now - seconds * SECOND, 0, end, key=WHEN)
            weight += sum(hit.weight for hit in self.hits[earlier:start])
            start, users = earlier, int(weight)
            value = surprise(users, PRACTICAL * share * max(messages, users))
            if value > best.value:
                best = Score(value, users, max(messages, users), seconds)
        return best

    def ends(self, ts: int) -> list[int]:
        """The windows in which a complaint of ``ts`` is weighed: where they end.

        It may be late, and there are complaints after it. So it is weighed as the last of a window, and as the first of each.
        """
        if self.hits[-1].ts <= ts:
            return [ts]
        spans = (self.hits[bisect_left(self.hits, ts + s * SECOND, key=WHEN) - 1].ts for s in (*WINDOWS_S, *SLOW_WINDOWS_S))
        return list(dict.fromkeys((ts, *spans)))

    def recent(self, now: int) -> list[Hit]:
        """The complaints within the memory before ``now``."""
        start = bisect_right(self.hits, now - MEMORY_MS, key=WHEN)
        return self.hits[start : bisect_right(self.hits, now, key=WHEN)]

    def users(self, now: int) -> int:
        """How many people complained within the memory."""
        return int(sum(hit.weight for hit in self.recent(now)))

    def texts(self, now: int) -> int:
        """How many different texts the complaints had, near copies taken as one."""
        return sum(group.within(now) for group in self.groups)

    def messages(self, now: int) -> int:
        """How many messages complained within the memory, repeats too."""
        return sum(group.messages(now) for group in self.groups)

    def examples(self, now: int) -> list[str]:
        """The newest complaints, each text once."""
        return list(dict.fromkeys(hit.text for hit in reversed(self.recent(now)) if hit.text))[:MOST_EXAMPLES]

    def words(self, now: int) -> list[str]:
        """The words that were used, most used first."""
        counts: dict[str, int] = {}
        for hit in self.recent(now):
            for word in hit.words:
                counts[word] = counts.get(word, 0) + 1
        return sorted(counts, key=lambda word: (-counts[word], word))[:10]

    def note(self, now: int) -> str:
        """What speaks for coordinated accounts within the memory, in a sentence; empty when nothing does."""
        recent = self.recent(now)
        if 2 * sum(hit.named for hit in recent) < len(recent):
            return "多数消息没有用户标识：不同的文本各算一个声音，每个计半人，无法区分是一人还是多人。"
        groups = [group for group in self.groups if group.within(now)]
        messages = sum(group.messages(now) for group in groups)
        people = len({user for group in groups for user in group.people(now)})
        if not messages:
            return ""
        largest = max(groups, key=lambda group: group.messages(now))
        most, users = largest.messages(now), len(largest.people(now))
        if people >= 4 and users >= 4 and most >= 0.6 * messages:
            return (
                f"疑似协同或刷屏：{people} 个账号共 {messages} 条，其中 {most} 条（{users} 个账号）"
                f"文本几乎相同：“{largest.text[:30]}”。请先核对账号再处置。"
            )
        if messages >= 4 * people:
            return f"少数账号重复发言：{people} 个账号共 {messages} 条；重复不计入分数。"
        return ""
