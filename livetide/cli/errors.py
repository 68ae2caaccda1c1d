"""An error as one line for a person, and the exit code that goes with it."""

from __future__ import annotations

import json

from livetide.logs import HIDDEN, SHORTEST
from streams.records import LivetideError

FAILED, USAGE, NOT_RUNNING = 1, 2, 3


def explain(error: Exception) -> tuple[str, int]:
    """What to print and how to exit. A wrong setting counts as wrong usage; of settings only plain numbers are shown."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        from livetide.variables import wrong

        return _hide(f"livetide: a setting is wrong: {wrong(error)}"), USAGE
    from livetide.stack.state import NotRunningError

    if isinstance(error, NotRunningError):
        return f"livetide: {_one_line(error)}", NOT_RUNNING
    if isinstance(error, LivetideError):
        return _hide(f"livetide: {_one_line(error)}"), FAILED
    if isinstance(error, OSError) and error.filename:  # a folder that is none, or is somebody else's
        return _hide(f"livetide: {error.filename}: {error.strerror or _one_line(error)}"), FAILED
    return (
        _hide(
            f"livetide: {type(error).__name__}: {_one_line(error)} "
            "(unexpected: LIVETIDE_LOG_LEVEL=DEBUG shows where, `livetide doctor` looks for a cause)"
        ),
        FAILED,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or "no more is known"


def _hide(text: str) -> str:
    for secret in sorted(_known_secrets(), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text


def _known_secrets() -> list[str]:
    from livetide.settings import Settings

    try:
        settings = Settings()
        kept = json.loads((settings.data / "secrets.json").read_text())
    except (OSError, ValueError):
        return []
    return [*kept.values(), *settings.secret_values()]
