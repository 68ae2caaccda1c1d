"""What is wrong with this machine or this installation, and what to do.

``machine`` looks at what the machine has, ``parts`` at what was installed. A check that fails itself is a problem, no crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from livetide.doctor import machine, parts
from livetide.doctor.finding import Finding, Verdict, problem
from livetide.settings import Settings

__all__ = ["Finding", "Verdict", "examine", "run_checks"]

Check = Callable[[], Finding]


def examine(settings: Settings) -> list[Finding]:
    """All checks, in a fixed order."""
    return run_checks([*machine.all_checks(settings), *parts.all_checks(settings)])


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """The findings of ``checks``, which run side by side."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(_guarded, checks))


def _guarded(check: Check) -> Finding:
    try:
        return check()
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("<>")
        return problem(name, f"the check itself failed: {type(error).__name__}: {error}", "report this with the output above")
