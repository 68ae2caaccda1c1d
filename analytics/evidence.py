"""Evidence on one topic in one room: who complained, in which words, and how surprising that is against the room's normal.

- **Distinct people.** A user counts once in 30 s. A raw count alarms at every lone spammer, distinct users at hardly any.
- **Distinct texts.** Copies of a long text count once in 30 s, near copies too: a promotion or a paste is one voice. A short
  text (up to six characters folded, such as 假货 or 骗子退钱) counts for each of its users, since that is how real people
  complain; should they be coordinated accounts, :meth:`Topic.note` says what it looks like.
  Texts are compared by the pairs among their first 80 characters, with the newest 64 texts of the topic: at most 64 x 79
  pairs a message and topic, however long a message is.
- **Share, not count.** Complaints are compared with the messages of the same seconds. One text counts at most three times a
  second among these, so that a flood (a lottery, or one made for the purpose) does not bury a complaint.
- **A practical null.** The surprise is -log10 of the Poisson chance of so many users at three times the normal share; a topic
  that people mention moderately more often is no crisis.
- **A robust normal**: half-life 10 min, lagged 20 s, each second clipped, with a prior.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import log
from zlib import crc32

import msgspec

from analytics.clock import RoomClock
from streams.records import UnderstoodChat

SECOND = 1_000
BIN_MS = 250
WINDOWS_S = (2, 3, 5, 8)
SLOW_WINDOWS_S = (15,)  # for rooms so slow that eight seconds hold no evidence
SLOW_MESSAGES = 60  # a slow window with more messages than this adds false alarms and no speed
MEMORY_MS = 30 * SECOND
LAG_S = 20
DECAY = 0.5 ** (1 / 600)
PRACTICAL = 3.0
PRIOR_MESSAGES = 3_000.0
SHORT = 6
SAME = 0.75
COMPARED = 80  # characters of a text that are looked at
COPIES_A_SECOND = 3
MOST_HITS = 256
MOST_SEEN = 4_096
MOST_GROUPS = 64
MOST_NAMED = 256  # people of one text who are told apart
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


def pairs(text: str) -> set[str]:
    return {text[index : index + 2] for index in range(len(text) - 1)}


class Score(msgspec.Struct, frozen=True):
    """The most surprising of the windows: how surprising, and what is in it."""

    value: float = 0.0
    users: int = 0
    messages: int = 0
    window_s: int = 0

    @property
    def share(self) -> float:
        return self.users / self.messages if self.messages else 0.0


class Traffic(msgspec.Struct, array_like=True):
    """All messages of a room: its clock by event time, and how many messages came when."""

    clock: RoomClock
    rolled: int = 0  # the last second that entered the normal
    normal: float = 0.0  # messages in the memory of the normal
    bins: dict[int, int] = {}
    copies: dict[int, dict[int, int]] = {}  # second → text → how often
    late: int = 0  # messages that came too late to count

    @property
    def now(self) -> int:
        return self.clock.now

    def accept(self, ts: int, voice: str | None = None) -> bool:
        """Move the clock; False for a message that is a stray, or too old to matter."""
        moves = self.clock.moves
        if not self.clock.accept(ts, voice):
            return False
        if self.clock.moves > moves:
            self.rolled = self.now // SECOND - LAG_S
            self.bins.clear()
            self.copies.clear()
        self.late += (late := ts <= self.now - MEMORY_MS)
        return not late

    def add(self, message: UnderstoodChat) -> None:
        second = message.event_ts // SECOND
        texts = self.copies.setdefault(second, {})
        key = crc32(message.folded.encode("utf-8", "surrogatepass"))
        texts[key] = texts.get(key, 0) + 1
        if texts[key] <= COPIES_A_SECOND:
            at = message.event_ts // BIN_MS
            self.bins[at] = self.bins.get(at, 0) + 1

    def trim(self) -> None:
        oldest = (self.now - MEMORY_MS) // BIN_MS
        if len(self.bins) > 2 * MEMORY_MS // BIN_MS:
            self.bins = {at: count for at, count in self.bins.items() if at >= oldest - 4 * LAG_S}
        if len(self.copies) > 5:
            self.copies = {second: texts for second, texts in self.copies.items() if second > self.now // SECOND - 3}

    def since(self, seconds: int, now: int) -> int:
        """Messages of the last ``seconds``."""
        last = now // BIN_MS
        return sum(self.bins.get(at, 0) for at in range(last - seconds * SECOND // BIN_MS + 1, last + 1))

    def in_second(self, second: int) -> int:
        first = second * SECOND // BIN_MS
        return sum(self.bins.get(at, 0) for at in range(first, first + SECOND // BIN_MS))


class Hit(msgspec.Struct, array_like=True):
    """A complaint that counted."""

    ts: int
    user: int
    weight: float
    text: str
    words: list[str]


class Group(msgspec.Struct, array_like=True, dict=True):
    """Messages of one text, or of nearly one, within the memory: who sent it when last, and how many came in which second."""

    text: str
    last: int = 0
    users: dict[int, int] = {}  # user → second
    seconds: dict[int, int] = {}

    @cached_property
    def pairs(self) -> set[str]:
        """Kept beside the state, and made anew after a restart."""
        return pairs(self.text)

    @property
    def messages(self) -> int:
        return sum(self.seconds.values())

    def add(self, ts: int, user: int) -> None:
        second = ts // SECOND
        self.last = max(self.last, ts)
        self.seconds[second] = self.seconds.get(second, 0) + 1
        if user in self.users or len(self.users) < 2 * MOST_NAMED:
            self.users[user] = max(self.users.get(user, 0), second)

    def trim(self, oldest: int) -> None:
        """Forget the seconds before ``oldest``."""
        self.seconds = {second: count for second, count in self.seconds.items() if second >= oldest}
        users = [(user, second) for user, second in self.users.items() if second >= oldest]
        self.users = dict(users[-MOST_NAMED:])


class Topic(msgspec.Struct, array_like=True):
    """What is known of one topic in one room. ``normal`` is the weight of the complaints in the memory of the normal."""

    prior: float
    normal: float = 0.0
    hits: list[Hit] = []
    seen: dict[int, int] = {}  # user → when last counted
    groups: list[Group] = []
    said: int = 0  # messages on the topic since the beginning, whether they counted or not

    def add(self, message: UnderstoodChat, weight: float, words: list[str]) -> bool:
        """Take one complaint; whether it counts."""
        user = crc32(message.user.encode())
        fresh = self._group(message, user)
        last = self.seen.get(user)
        if not fresh or (last is not None and abs(message.event_ts - last) < MEMORY_MS):
            return False
        self.seen[user] = message.event_ts
        self.hits.append(Hit(message.event_ts, user, weight, message.text[:80], words[:3]))
        return True

    def _group(self, message: UnderstoodChat, user: int) -> bool:
        """Put a message to the messages of its text; whether this text may count (again)."""
        new = Group(message.folded[:COMPARED])
        same = next((group for group in self.rivals(new) if group.text == new.text or _alike(group.pairs, new.pairs)), None)
        if same is None:
            self.groups.append(new)
            if len(self.groups) > 2 * MOST_GROUPS:
                del self.groups[:MOST_GROUPS]
        self.said += 1
        (same or new).add(message.event_ts, user)
        return same is None or len(new.text) <= SHORT

    def rivals(self, new: Group) -> Iterator[Group]:
        """The texts that a new one has to be compared with, newest first: those that may be the same by their length."""
        most, least = len(new.pairs) / SAME, len(new.pairs) * SAME
        for group in self.groups[: -MOST_GROUPS - 1 : -1]:
            if len(new.text) <= SHORT or len(group.text) <= SHORT:
                if group.text == new.text:
                    yield group
            elif least <= len(group.pairs) <= most:
                yield group

    def trim(self, now: int) -> None:
        """Forget what is older than the memory."""
        oldest = now - MEMORY_MS
        self.hits = [hit for hit in self.hits if hit.ts > oldest][-MOST_HITS:]
        self.groups = [group for group in self.groups if group.last > oldest][-MOST_GROUPS:]
        for group in self.groups:
            group.trim(oldest // SECOND)
        if len(self.seen) > 2 * len(self.hits) + 32:
            self.seen = dict([(user, ts) for user, ts in self.seen.items() if ts > oldest][-MOST_SEEN:])

    def roll(self, second: int, messages: int, share: float) -> None:
        """Let a second into the normal: at most three times what is normal, and one."""
        weight = sum(hit.weight for hit in self.hits if hit.ts // SECOND == second)
        self.normal = self.normal * DECAY + min(weight, PRACTICAL * share * messages + 1)

    def share(self, messages: float) -> float:
        """The normal share of complaints among ``messages``, the memory of the normal. Never below half the prior."""
        share = (self.normal + PRIOR_MESSAGES * self.prior) / (messages + PRIOR_MESSAGES)
        return max(share, self.prior / 2)

    def score(self, traffic: Traffic, now: int) -> Score:
        """The most surprising of the windows that end ``now``."""
        share = self.share(traffic.normal)
        best = Score()
        for seconds in (*WINDOWS_S, *SLOW_WINDOWS_S):
            messages = traffic.since(seconds, now)
            if seconds > WINDOWS_S[-1] and messages > SLOW_MESSAGES:
                break
            users = int(sum(hit.weight for hit in self.hits if now - seconds * SECOND < hit.ts <= now))
            value = surprise(users, PRACTICAL * share * max(messages, users))
            if value > best.value:
                best = Score(value, users, max(messages, users), seconds)
        return best

    def users(self, now: int) -> int:
        """How many people complained within the memory."""
        return int(sum(hit.weight for hit in self.hits if now - MEMORY_MS < hit.ts <= now))

    def texts(self) -> int:
        """How many different texts the complaints had, near copies taken as one."""
        return len(self.groups)

    def messages(self) -> int:
        """How many messages complained within the memory, repeats too."""
        return sum(group.messages for group in self.groups)

    def examples(self) -> list[str]:
        """The newest complaints, each text once."""
        return list(dict.fromkeys(hit.text for hit in reversed(self.hits)))[:MOST_EXAMPLES]

    def words(self) -> list[str]:
        """The words that were used, most used first."""
        counts: dict[str, int] = {}
        for hit in self.hits:
            for word in hit.words:
                counts[word] = counts.get(word, 0) + 1
        return sorted(counts, key=lambda word: (-counts[word], word))[:10]

    def note(self) -> str:
        """What speaks for coordinated accounts within the memory, in a sentence; empty when nothing does."""
        messages = self.messages()
        people = len({user for group in self.groups for user in group.users})
        if not messages:
            return ""
        largest = max(self.groups, key=lambda group: group.messages)
        if people >= 4 and len(largest.users) >= 4 and largest.messages >= 0.6 * messages:
            return (
                f"疑似协同或刷屏：{people} 个账号共 {messages} 条，其中 {largest.messages} 条（{len(largest.users)} 个账号）"
                f"文本几乎相同：“{largest.text[:30]}”。请先核对账号再处置。"
            )
        if messages >= 4 * people:
            return f"少数账号重复发言：{people} 个账号共 {messages} 条；重复不计入分数。"
        return ""


def _alike(left: set[str], right: set[str]) -> bool:
    shared = len(left & right)
    return shared >= SAME * (len(left) + len(right) - shared)
