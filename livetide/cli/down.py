"""``livetide down``."""

from __future__ import annotations

import typer


def down() -> None:
    """End the stack and everything that it started, and nothing else. Harmless when it is down; data stay."""
    from livetide.settings import Settings
    from livetide.stack import Stack

    stack = Stack(Settings())
    typer.echo("the stack has stopped" if stack.down() else "the stack was not running")
