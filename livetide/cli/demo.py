"""``livetide demo``: the whole stack, a simulated room played through it, planted against found."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    leave: Annotated[bool, typer.Option("--exit", help="End after the summary instead of leaving the console open.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated room.")] = 7,
    minutes: Annotated[float, typer.Option(help="Length of the room on its own clock.")] = 6.0,
    speed: Annotated[float, typer.Option(help="Times real time.")] = 6.0,
) -> None:
    """Start the whole stack, play a simulated room through it, and compare what came out with what was planted.

    Uses a folder of its own (demo/ in LIVETIDE_DATA). Exit code 4 when something planted was lost.
    """
    from rich.console import Console

    from livetide.demo.show import Show, run
    from livetide.settings import Settings

    if not run(Show(seed, minutes, speed, not leave), Settings(), Console()):
        raise typer.Exit(4)
