"""The exact de-duplicator: every key once within a stated horizon, whoever repeats it and however late.

It stands behind the log, in an operator's checkpointed state: what the gateway drops is a saving, what is dropped here is a
promise. Memory is eight bytes a key in a checkpoint, about a hundred in the process.
"""

from __future__ import annotations

from array import array
from collections import deque
from hashlib import blake2b

import msgspec

from analytics.state import dump_state, load_state

VERSION = 1
HASH_BYTES = 8
MINUTE = 60_000


class _State(msgspec.Struct, array_like=True):
    now: int
    shortened: int
    hashes: bytes
    times: list[tuple[int, int]]
    lost: int = -1


class Deduplicator:
    """Remembers keys for ``horizon_ms`` of ingest time, and ``limit`` keys at most, oldest out first.

    A key that comes again within the horizon is a repeat; one that comes after it is new again (its repeats are counted from
    there: a repeat does not extend the horizon). Should more than ``limit`` keys come within the horizon, the promise shrinks
    to the newest ``limit`` of them, ``shortened`` counts those that were forgotten too early, and :attr:`kept_ms` says how long
    the horizon really is.

    Keys are held as 64-bit hashes. Two different keys are taken for one with a chance of ``limit / 2**64`` a key: with 100,000
    keys once in 10**14, which a year at 3,000,000 messages a second does not reach.

    Time is the largest ``ts`` seen, so a ``ts`` that steps back neither frees nor keeps anything.
    """

    def __init__(self, horizon_ms: int = 10 * MINUTE, limit: int = 100_000) -> None:
        if horizon_ms <= 0 or limit <= 0:
            raise ValueError(f"a de-duplicator needs a positive horizon and limit, not {horizon_ms} ms and {limit} keys")
        self.horizon_ms = horizon_ms
        self.limit = limit
        self.shortened = 0
        self._lost = -1  # when the newest key came that was forgotten too early
        self._now = 0
        self._seen: set[int] = set()
        self._order = array("Q")  # hashes, oldest first, from _head on: as one block a dump is a copy of memory
        self._head = 0
        self._times: deque[tuple[int, int]] = deque()  # runs of (time, how many keys came at it)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def kept_ms(self) -> int:
        """For how long back every key is remembered: ``horizon_ms``, or less when more than ``limit`` keys came within it."""
        return self.horizon_ms if self._lost < 0 else min(self.horizon_ms, self._now - self._lost)

    def first(self, key: str, ts: int) -> bool:
        """Whether ``key`` has not been seen within the horizon that ends at ``ts`` (ingest time, epoch ms)."""
        if ts > self._now:
            self._now = ts
            self._expire(ts - self.horizon_ms)
        digest = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest(), "little")
        if digest in self._seen:
            return False
        if len(self._seen) >= self.limit:
            self.shortened += 1
            self._lost = self._times[0][0]
            self._forget(1)
        self._seen.add(digest)
        self._order.append(digest)
        if self._times and self._times[-1][0] == self._now:
            self._times[-1] = (self._now, self._times[-1][1] + 1)
        else:
            self._times.append((self._now, 1))
        return True

    def _expire(self, before: int) -> None:
        while self._times and self._times[0][0] < before:
            self._forget(self._times[0][1])

    def _forget(self, count: int) -> None:
        """Drop the ``count`` oldest keys, which belong to the oldest run of times."""
        for digest in self._order[self._head : self._head + count]:
            self._seen.discard(digest)
        self._head += count
        time, held = self._times.popleft()
        if held > count:
            self._times.appendleft((time, held - count))
        if self._head > 1024 and self._head * 2 > len(self._order):
            del self._order[: self._head]
            self._head = 0

    def dump(self) -> bytes:
        """The state as bytes: about eight a remembered key."""
        hashes = self._order[self._head :].tobytes()
        return dump_state("dedupe", VERSION, _State(self._now, self.shortened, hashes, list(self._times), self._lost))

    def load(self, data: bytes) -> None:
        """Become what :meth:`dump` wrote. Raises ``FatalError`` for anything else."""
        state = load_state(data, "dedupe", VERSION, _State)
        self._now, self.shortened, self._lost = state.now, state.shortened, state.lost
        self._order = array("Q", state.hashes)
        self._head = 0
        self._seen = set(self._order)
        self._times = deque(state.times)
