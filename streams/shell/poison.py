"""The limit on the share of dead letters: when most of what comes is poison, the fault is ours, and going on hides it."""

from __future__ import annotations

from collections import deque

from streams.records import LivetideError


class PoisonError(LivetideError):
    """Too many dead letters. What has been buried is kept; the worker checkpoints and stops."""


class PoisonLimit:
    """Counts over the last ``window`` records of one agent; ``exceeded`` once more than ``share`` of a full window is dead."""

    def __init__(self, window: int = 200, share: float = 0.5) -> None:
        if window < 1 or not 0 < share <= 1:
            raise ValueError(f"poison limit: window {window} must be at least 1 and share {share} within (0, 1]")
        self.window, self.share = window, share
        self._last: deque[bool] = deque(maxlen=window)
        self._dead = 0

    def record(self, dead: bool) -> None:
        if len(self._last) == self.window:
            self._dead -= self._last[0]
        self._last.append(dead)
        self._dead += dead

    @property
    def exceeded(self) -> bool:
        return len(self._last) == self.window and self._dead > self.share * self.window

    def error(self, agent: str) -> PoisonError:
        return PoisonError(
            f"agent {agent}: {self._dead} of the last {len(self._last)} records were dead letters, the limit is "
            f"{self.share:.0%}. Look at them with `livetide deadletters list --stage {agent}` and correct the writer or the "
            "agent. Start again, with LIVETIDE_POISON_LIMIT=1 to work off what the writer has left. "
            "`livetide deadletters replay` sends back what can be read by then."
        )
