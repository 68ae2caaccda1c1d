"""``LIVETIDE_…`` variables as people write them: what is wrong with one, and which of them nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from livetide.settings import Settings

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo

PREFIX = "LIVETIDE_"
OF_COMMANDS = ("LIVETIDE_ROOM_KEY",)
"""Variables that stand for an option of a command."""
LONGEST = 40


def known() -> list[str]:
    """Every variable that something reads."""
    return sorted([f"{PREFIX}{name.upper()}" for name in Settings.model_fields] + list(OF_COMMANDS))


def unknown(names: Iterable[str]) -> list[str]:
    """A sentence about each of ``names`` (an environment) that looks like a setting and is none."""
    read = known()
    plain = {name.removeprefix(PREFIX): name for name in read}
    found = []
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in read:
            near = get_close_matches(name.upper().removeprefix(PREFIX), plain, n=1)
            hint = f"did you mean {plain[near[0]]}?" if near else "docs/reference/settings.md lists the settings"
            found.append(f"{name} is no setting and changes nothing: {hint}")
    return found


def wrong(error: ValidationError) -> str:
    """What is wrong with the settings: the variable, its value where that is no secret and no path, what is allowed."""
    return "; ".join(_wrong(one["loc"], one["msg"], one.get("input")) for one in error.errors())


def _wrong(place: tuple[int | str, ...], message: str, value: Any) -> str:
    name = "_".join(str(part) for part in place)
    message = message.removeprefix("Value error, ")
    if not name:
        return message
    variable = f"{PREFIX}{name.upper()}"
    allowed = allowed_of(Settings.model_fields[name]) if name in Settings.model_fields else ""
    return f"{variable}={str(value)[:LONGEST]!r}: it must be {allowed}" if allowed else f"{variable}: {message}"


def allowed_of(field: FieldInfo) -> str:
    """What a setting takes, in words; empty for free text, which may be a secret."""
    kind: Any = field.annotation
    words = [one for one in get_args(kind) if isinstance(one, str)]  # of a Literal
    if words:
        return "one of " + ", ".join(words)
    if kind is bool:
        return "true or false"
    if kind not in (int, float):
        return ""
    limits = {name: getattr(one, name) for one in field.metadata for name in ("ge", "gt", "le") if hasattr(one, name)}
    number = "a whole number" if kind is int else "a number"
    if "gt" in limits:
        return f"{number} above {limits['gt']:g}" + (f", at most {limits['le']:g}" if "le" in limits else "")
    if "le" in limits:
        return f"{number} from {limits['ge']} to {limits['le']}"
    return f"{number}, at least {limits['ge']}" if "ge" in limits else number
