"""A group of commands that knows their names and one sentence about each, and imports one when it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup


class LazyGroup(TyperGroup):
    """Until a command is called, a placeholder with its help text stands for it."""

    table: Mapping[str, tuple[str, str]] = {}
    before: Callable[[], None]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the real command in the place of the one that is called."""
        if args and args[0] in self.table:
            self.before()
            self.commands[args[0]] = load(args[0], self.table[args[0]][0])
        return super().resolve_command(ctx, args)


def group_of(
    name: str,
    table: Mapping[str, tuple[str, str]],
    help_text: str,
    epilog: str = "",
    before: Callable[[], None] = lambda: None,
) -> LazyGroup:
    """A group of the commands in ``table``; ``before`` is called once, when one of them is about to run."""
    placeholders: Any = {command: TyperCommand(command, callback=_nothing, help=text) for command, (_, text) in table.items()}
    version: Any = typer.main.get_command(_version_app()).params[0]
    group = LazyGroup(
        name=name,
        commands=placeholders,
        help=help_text,
        epilog=epilog,
        no_args_is_help=True,
        params=[version],
        rich_markup_mode=None,  # rich takes half of the time in which --help must answer
    )
    group.table = table
    group.before = before
    return group


def load(name: str, target: str) -> Any:
    """The command behind ``module:attribute``."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name)(found)
        found = app
    command = typer.main.get_command(found)
    command.name = name
    return command


def _nothing() -> None:
    raise AssertionError("a placeholder was called")


def _version_app() -> typer.Typer:
    """A throwaway app from which the ``--version`` option is taken."""
    app = typer.Typer(add_completion=False)

    def show(wanted: bool) -> None:
        if wanted:
            from importlib.metadata import version

            typer.echo(f"livetide {version('livetide')}")
            raise typer.Exit

    @app.command()
    def _(version: bool = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version.")) -> None:
        """Nothing else."""

    return app
