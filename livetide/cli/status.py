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
    places = {name: url for name, url in found["endpoints"].items() if not name.startswith("health ")}
    for name, value in (places | found.get("secrets", {})).items():
        typer.echo(f"  {name.replace('_', ' '):17} {value}")
    typer.echo()
    columns = ("name", "state", "pid", "port", "uptime_s", "restarts", "cpu_%", "memory_mb", "health")
    show([_row(process, found["endpoints"]) for process in found["processes"]], columns, as_json=False)
    for process in found["processes"]:
        if process["state"] == "failed":
            typer.echo(f"\n{process['name']} is given up, `livetide up` tries again. It {process['reason']}")
    typer.echo()
    _show_lag(found)


def _row(process: dict, endpoints: dict) -> dict:  # type: ignore[type-arg] # JSON objects
    """A process for people: whole seconds and megabytes, and the port where its health and metrics are."""
    where = endpoints.get(f"health {process['name']}", "").rpartition(":")[2]
    whole = {name: None if process[name] is None else round(process[name]) for name in ("uptime_s", "memory_mb")}
    return process | whole | {"port": where or None, "cpu_%": process["cpu_percent"]}


def _show_lag(found: dict) -> None:  # type: ignore[type-arg] # a JSON object
    from livetide.cli.output import show

    if "lag_unknown" in found:
        typer.echo(f"lag is not known: {found['lag_unknown']}")
        return
    behind = sorted((row for row in found["lag"] if row["lag"]), key=lambda row: -row["lag"])
    if behind:
        show(behind, ("group", "topic", "lag"), as_json=False)
    rest = len(found["lag"]) - len(behind)
    if rest:
        typer.echo(f"{'lag: everything else' if behind else 'lag: everything'} 0 ({rest} pairs of reader and topic)")
    elif not behind:
        typer.echo("lag: nobody has read anything yet")
