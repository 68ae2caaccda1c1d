"""``livetide status``: one page, or one JSON object, about the whole stack."""

from __future__ import annotations

import typer


def status(
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
    secrets: bool = typer.Option(False, "--secrets", help="Show the installation's passwords too."),
) -> None:
    """Endpoints, processes, lag and health of the stack.

    Exit code 0 when all is well, 1 when a process is not, 3 when the stack does not run.
    """
    import json

    from livetide.cli.errors import FAILED, NOT_RUNNING
    from livetide.settings import Settings
    from livetide.stack.report import report

    found = report(Settings(), with_secrets=secrets)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)
    if not found["running"]:
        raise typer.Exit(NOT_RUNNING)
    if not found["healthy"]:
        raise typer.Exit(FAILED)


def _show(found: dict) -> None:  # type: ignore[type-arg] # a JSON object
    from livetide.cli.output import show

    if not found["running"]:
        typer.echo(f"the stack does not run in {found['data']}; `livetide up` starts it")
        return
    typer.echo(f"the stack runs in {found['data']}" + ("" if found["healthy"] else ", and not everything is well"))
    for section in ("endpoints", "secrets"):
        for name, value in found.get(section, {}).items():
            typer.echo(f"  {name:17} {value}")
    typer.echo()
    columns = ("name", "state", "health", "pid", "uptime_s", "restarts", "cpu_percent", "memory_mb")
    show(found["processes"], columns, as_json=False)
    for process in found["processes"]:
        if process["state"] == "failed":
            typer.echo(f"\n{process['name']} is given up, `livetide up` tries again. It {process['reason']}")
    if found["lag"]:
        typer.echo()
        show(found["lag"], ("group", "topic", "lag"), as_json=False)
