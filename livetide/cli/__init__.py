"""The command line. Commands stand in one table and are imported when they are called, so that ``--help`` stays quick.

Exit codes: 0 done; 1 it failed (one line on stderr says what, where and what to do); 2 the command or a setting was wrong;
3 the stack does not run (``livetide status``). ``LIVETIDE_LOG_LEVEL=DEBUG`` shows where an error came from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from livetide.cli.lazy import group_of

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("livetide.cli.demo:demo", "The whole stack and a simulated room, planted against found."),
    "up": ("livetide.cli.up:up", "Start the one-machine stack, or find it running."),
    "status": ("livetide.cli.status:status", "Endpoints, processes, lag and health of the stack."),
    "down": ("livetide.cli.down:down", "End the stack; data stay."),
    "play": ("livetide.cli.play:play", "A recording or a simulation into the gateway."),
    "query": ("livetide.cli.query:query", "A question in SQL to the store."),
    "alerts": ("livetide.cli.alerts:app", "Opinion alerts: list, ack, resolve, silence."),
    "clips": ("livetide.cli.clips:app", "Finished highlight clips."),
    "faq": ("livetide.cli.faq:app", "FAQ entries: mine, check, import, export, coverage, withdraw."),
    "deadletters": ("livetide.cli.deadletters:app", "What could not be used: list, replay."),
    "agents": ("livetide.cli.agents:app", "The agents: list, repair."),
    "topics": ("livetide.cli.topics:app", "Kafka topics: list, create, asyncapi."),
    "key": ("livetide.cli.key:key", "The keys with which a room's events are sent."),
    "train": ("livetide.cli.train:app", "A shop's own models from its own logs."),
    "evaluate": ("livetide.cli.evaluate:app", "The figures of a model on a file of examples."),
    "run": ("livetide.cli.run:run", "One process by itself, as a cluster would run it."),
    "doctor": ("livetide.cli.doctor:doctor", "What is wrong with this machine, and what to do."),
}
"""Name → where it is (``module:attribute``, a function or a typer app) and what ``livetide --help`` says about it."""

HELP = "Real-time analytics for live rooms: chat, video, speech and sales through Kafka, Faust and ClickHouse."
EPILOG = "Settings are LIVETIDE_… environment variables. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; always ends by ``SystemExit``."""
    try:
        group_of("livetide", COMMANDS, HELP, EPILOG, _tell_unknown).main(arguments, prog_name="livetide", standalone_mode=True)
    except Exception as error:
        if os.environ.get("LIVETIDE_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        _fail(error)


def _tell_unknown() -> None:
    """Say on stderr which ``LIVETIDE_…`` variables nobody reads: a slip of the pen is no error, and no secret either."""
    names = [name for name in os.environ if name.upper().startswith("LIVETIDE_")]
    if not names:
        return  # the settings need not be loaded for this
    from livetide.variables import unknown

    for sentence in unknown(names):
        print(f"livetide: {sentence}", file=sys.stderr)


def _fail(error: Exception) -> NoReturn:
    from livetide.cli.errors import explain

    text, code = explain(error)
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[31m{text}\033[0m" if colour else text, file=sys.stderr)
    raise SystemExit(code) from None
