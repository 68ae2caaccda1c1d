"""``livetide deadletters``: what could not be used, why, and sending it back once the reason is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from livetide.settings import Settings
    from streams.deadletters import Letter

app = typer.Typer(help="What could not be used: list, replay.", add_completion=False, no_args_is_help=True)

Topic = Annotated[str, typer.Option(help="Only what came from this topic; `gateway` for what never entered one.")]
Stage = Annotated[str, typer.Option(help="Only what this stage buried: an agent, `sink`, `gateway`, …")]
Reason = Annotated[str, typer.Option(help="Only where the reason contains this.")]
Since = Annotated[str, typer.Option(help="Not older than: a UTC time such as 2026-05-09T12:30, or an age such as 90m, 2h, 3d.")]
Until = Annotated[str, typer.Option(help="Older than: a time or an age.")]
COLUMNS = ("failed", "stage", "from", "room", "bytes", "replayed", "reason")


def _settings() -> Settings:
    from livetide.stack.state import needed

    return needed(kafka=True)


def moment(text: str, now_ms: int) -> int:
    """Epoch ms of a UTC time (``2026-05-09T12:30``) or of an age (``90m``, ``2h``, ``3d``) before ``now_ms``."""
    import re
    from datetime import UTC, datetime

    if age := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now_ms - int(age[1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[age[2]] * 1000
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-05-09T12:30 (UTC) or an age such as 90m, 2h, 3d") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _letters(topic: str, stage: str, reason: str, since: str, until: str) -> list[Letter]:
    import time

    from streams.deadletters import Filter, read_letters

    now = time.time_ns() // 1_000_000
    which = Filter(topic, stage, reason, moment(since, now) if since else 0, moment(until, now) if until else 2**62)
    return read_letters(_settings().cluster(), which)


def _row(place: Letter, *, whole: bool) -> dict[str, Any]:
    import base64
    from datetime import UTC, datetime

    letter = place.letter
    row = {
        "failed": datetime.fromtimestamp(letter.failed_ts / 1000, UTC).isoformat(timespec="seconds"),
        "stage": letter.stage,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "room": letter.room,
        "bytes": len(letter.value),
        "replayed": place.replayed,
        "reason": letter.reason,
    }
    if whole:
        return row | {"value": base64.b64encode(letter.value).decode()}
    origin = f"{letter.topic}-{letter.partition}@{letter.offset}" if letter.offset >= 0 else letter.topic
    return row | {"from": origin, "replayed": "yes" if place.replayed else "no", "reason": letter.reason[:80]}


@app.command("list")
def list_letters(
    topic: Topic = "",
    stage: Stage = "",
    reason: Reason = "",
    since: Since = "",
    until: Until = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the bytes in base64.")] = False,
) -> None:
    """Dead letters in the order in which they were buried."""
    from livetide.cli.output import show

    found = _letters(topic, stage, reason, since, until)
    none = "no dead letter fits" if topic or stage or reason or since or until else "no dead letters: everything could be used"
    show([_row(place, whole=as_json) for place in found], COLUMNS, as_json=as_json, none=none)


@app.command()
def replay(
    topic: Topic = "",
    stage: Stage = "",
    reason: Reason = "",
    since: Since = "",
    until: Until = "",
    again: Annotated[bool, typer.Option("--again", help="Also what has been replayed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent back and what would stay.")] = False,
) -> None:
    """Send letters back: the same bytes, topic, partition and key, to the one stage that had buried them.

    Correct the reason first, or they come back as dead letters. What the gateway refused is not replayed: it never was in a
    topic, and must be corrected and sent through the gateway again.
    """
    from livetide.cli.errors import FAILED
    from streams import deadletters

    letters = _letters(topic, stage, reason, since, until)
    if dry_run:
        _, outcome = deadletters.sort_out(letters, again=again)
    else:
        outcome = deadletters.replay(_settings().cluster(), letters, again=again)
    typer.echo(f"{'would replay' if dry_run else 'replayed'} {outcome.replayed} of {len(letters)}")
    for why, count in sorted(outcome.refused.items()):
        typer.echo(f"{'would stay' if dry_run else 'stayed'} {count}: {why}")
    if letters and not outcome.replayed:
        raise typer.Exit(FAILED)
