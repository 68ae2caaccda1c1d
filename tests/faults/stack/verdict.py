"""What a verifier has found: per table what is lost, doubled or wrong, and every other fault in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5


@dataclass
class Tally:
    """One table or topic against what it should hold."""

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    extra: int = 0
    wrong: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.extra or self.wrong)


@dataclass
class Verdict:
    """``faults`` is empty when all is well; ``notes`` are figures worth reporting."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def compare(self, what: str, expected: Mapping[Any, Any], found: Sequence[tuple[Any, Any]]) -> None:
        """``found`` must hold every key of ``expected`` once, with the same content, and nothing else."""
        tally = self.tallies.setdefault(what, Tally())
        tally.expected += len(expected)
        counts = Counter(key for key, _ in found)
        content = dict(found)
        lost = [key for key in expected if key not in counts]
        doubled = [key for key, count in counts.items() if count > 1]
        extra = [key for key in counts if key not in expected]
        wrong = [key for key in expected if key in content and content[key] != expected[key]]
        tally.lost += len(lost)
        tally.doubled += len(doubled)
        tally.extra += len(extra)
        tally.wrong += len(wrong)
        for name, keys in (("lost", lost), ("doubled", doubled), ("not expected", extra)):
            if keys:
                self.faults.append(f"{what}: {len(keys)} {name}, as {keys[:SHOWN]}")
        for key in wrong[:SHOWN]:
            self.faults.append(f"{what}: {key} differs: {_difference(expected[key], content[key])}")
        if len(wrong) > SHOWN:
            self.faults.append(f"{what}: {len(wrong)} differ in all")

    def expect(self, true: bool, fault: str) -> None:
        if not true:
            self.faults.append(fault)

    def told(self) -> str:
        """All of it in a few lines."""
        lines = [
            f"{name:28} expected {t.expected:7} lost {t.lost} doubled {t.doubled} extra {t.extra} wrong {t.wrong}"
            for name, t in self.tallies.items()
        ]
        lines += [f"{name}: {value}" for name, value in self.notes.items()]
        return "\n".join([*lines, *(f"FAULT {fault[:1500]}" for fault in self.faults)])


def _difference(expected: Any, found: Any) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
        return ", ".join(f"{name}: {found.get(name)!r} for {expected.get(name)!r}" for name in sorted(names)[:6])
    return f"{found!r} for {expected!r}"[:400]
